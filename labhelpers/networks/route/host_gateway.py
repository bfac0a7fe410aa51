"""host-gw: each node is the gateway to its own pods, and the others have a route that says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network

from labhelpers.lab import Node
from labhelpers.linux import route
from labhelpers.linux.records import Route, Rows
from labhelpers.networks.route.carrier import Carrier, Leg
from labhelpers.networks.route.other import Other

__all__ = ["HostGateway"]

_ALL_PODS = 16  # bits: 10.0.0.0/16 has the blocks of all nodes


class HostGateway(Carrier):
    """One route for each other node, by that node's address.  Packets travel as the pods sent them.

    It needs a network between the nodes where every node is one hop away: a router in between would not know the
    pods' addresses.  Flannel calls it ``host-gw``, Calico "no encapsulation".

    Shell: ``ip -n node-1 route add 10.0.2.0/24 via 192.168.1.11 dev eth0``.
    """

    name = "host-gw"
    overhead = 0
    device = "eth0"
    way = "plain routes of the kernel; nothing is wrapped"

    def _join(self, node: Node) -> None:
        """Nothing: eth0 is there."""

    def _learn(self, node: Node, peers: Sequence[Other]) -> None:
        known = _known(node.routes())
        with node.changes() as changes:
            for peer in peers:
                if (peer.pod_cidr, peer.address) not in known:
                    route.add(changes, peer.pod_cidr, via=peer.address, device=self.device)

    def _forget(self, node: Node, peers: Sequence[Other]) -> None:
        known = _known(node.routes())
        with node.changes() as changes:
            for peer in peers:
                if (peer.pod_cidr, peer.address) in known:
                    route.delete(changes, peer.pod_cidr, via=peer.address, device=self.device)

    def _forget_all_but(self, node: Node, peers: Sequence[Other]) -> None:
        wanted = {(peer.pod_cidr, peer.address) for peer in peers}
        # nothing marks these routes, so those that lead elsewhere than to pods are taken for somebody else's
        ours = IPv4Network(node.pod_cidr).supernet(new_prefix=_ALL_PODS)
        with node.changes() as changes:
            for block, via in _known(node.routes()) - wanted:
                if via and block != "default" and IPv4Network(block).subnet_of(ours):
                    route.delete(changes, block, via=via, device=self.device)

    def _leave(self, node: Node, peers: Sequence[Other]) -> None:
        self._forget(node, peers)

    def _legs(self, node: Node, peers: Sequence[Other]) -> Iterator[Leg]:
        known = _known(node.routes())
        for peer in peers:
            ok = (peer.pod_cidr, peer.address) in known
            way = f"route via {peer.address} dev {self.device}"
            yield Leg(node.name, peer.name, peer.pod_cidr, ok, way if ok else "", "" if ok else way)


def _known(routes: Rows[Route]) -> set[tuple[str, str]]:
    """Destination and gateway of each route by eth0."""
    return {(one.destination, one.via) for one in routes if one.device == HostGateway.device and one.table == "main"}
