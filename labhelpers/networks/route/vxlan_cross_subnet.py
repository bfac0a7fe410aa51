"""VXLAN only where it must be: Calico's ``VXLANCrossSubnet``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Interface

from labhelpers.lab import Node
from labhelpers.networks.route.carrier import Leg
from labhelpers.networks.route.host_gateway import HostGateway
from labhelpers.networks.route.other import Other
from labhelpers.networks.route.vxlan import CalicoVxlan

__all__ = ["CalicoVxlanCrossSubnet"]


class CalicoVxlanCrossSubnet(CalicoVxlan):
    """To nodes of the same subnet by plain routes, to others through the tunnel, which every node has.

    Nodes of a lab are all in one subnet, unless you give an eth0 another prefix length.

    Shell: as for ``HostGateway`` and ``CalicoVxlan``.
    """

    name = "VXLAN across subnets"
    way = "plain routes inside the subnet of the nodes, the kernel's vxlan device to others"

    def _learn(self, node: Node, peers: Sequence[Other]) -> None:
        near, far = _apart(node, peers)
        _DIRECT._learn(node, near)
        super()._learn(node, far)

    def _forget(self, node: Node, peers: Sequence[Other]) -> None:
        _DIRECT._forget(node, peers)
        super()._forget(node, peers)

    def _forget_all_but(self, node: Node, peers: Sequence[Other]) -> None:
        near, far = _apart(node, peers)
        _DIRECT._forget_all_but(node, near)
        super()._forget_all_but(node, far)

    def _leave(self, node: Node, peers: Sequence[Other]) -> None:
        _DIRECT._forget(node, peers)
        super()._leave(node, peers)

    def _legs(self, node: Node, peers: Sequence[Other]) -> Iterator[Leg]:
        near, far = _apart(node, peers)
        yield from _DIRECT._legs(node, near)
        yield from super()._legs(node, far)


_DIRECT = HostGateway.for_agent()


def _apart(node: Node, peers: Sequence[Other]) -> tuple[list[Other], list[Other]]:
    """Those in the subnet of the node's eth0, and the others."""
    subnets = [IPv4Interface(one).network for one in node.links()["eth0"].addresses if ":" not in one]
    near = [peer for peer in peers if any(IPv4Address(peer.address) in subnet for subnet in subnets)]
    return near, [peer for peer in peers if peer not in near]
