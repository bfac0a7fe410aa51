"""One bridge for all pods of all nodes, as Weave has it: a port on the node's part of one large Ethernet."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from labhelpers.lab import Node
from labhelpers.networks.attach.attach import ipam
from labhelpers.networks.weave import bridge
from labhelpers.networks.weave.settings import BRIDGE

__all__ = ["OnMesh"]


class OnMesh:
    """Pods of all nodes have addresses of one subnet, each node's of its own part of it.

    Args:
        subnet: of all pods.
        guarded: pods cannot reach one another over the bridge itself, see :mod:`labhelpers.networks.weave.bridge`.
    """

    def __init__(self, subnet: str, *, guarded: bool) -> None:
        self._subnet, self._guarded = subnet, guarded

    def plugin(self, node: Node, mtu: int) -> dict[str, Any]:
        """See ``Attach.plugin``.  Raises ``BadInput`` if the node's block is outside the subnet."""
        bridge.require_inside(node, self._subnet)
        block = IPv4Network(node.pod_cidr)
        part = {
            "subnet": self._subnet,
            "rangeStart": str(block[2]),
            "rangeEnd": str(block[-2]),
            "gateway": bridge.gateway(node),
        }
        return {
            "type": "lab-bridge",
            "bridge": BRIDGE,
            "isGateway": True,
            "portIsolation": self._guarded,
            "mtu": mtu,
            "ipam": {**ipam(node), "ranges": [[part]]},
        }

    def clean(self, node: Node) -> None:
        """Delete the bridge.  Shell: ``ip link delete weave``."""
        bridge.remove(node)
