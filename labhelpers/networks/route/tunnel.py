"""Where a tunnel ends on a node."""

from __future__ import annotations

from ipaddress import IPv4Network

from labhelpers.networks.route.other import Other

__all__ = ["end_of"]


def end_of(node: Other) -> str:
    """The address of a node's tunnel device: the first of its pods' block, as Flannel and Calico have it.

    It is the source of what the node itself sends to other nodes' pods.
    """
    return str(IPv4Network(node.pod_cidr)[0])
