"""VXLAN as RFC 7348 describes it: flood what you do not know, and learn from what comes back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labhelpers.lab import Node
from labhelpers.lab.fixed import mac_of_link
from labhelpers.linux import address, link, route, vxlan
from labhelpers.networks.route.carrier import Carrier, Leg
from labhelpers.networks.route.other import Other
from labhelpers.networks.route.tunnel import end_of

__all__ = ["VxlanLearning"]

_VNI = 2


class VxlanLearning(Carrier):
    """A tunnel end on each node that is told nobody's MAC address: it asks all nodes at once, and remembers.

    An ARP question goes to the multicast group 239.1.1.1, which every tunnel end has joined.  From the frames that
    arrive each end learns behind which node a MAC address lives.  So the underlay must carry multicast, which clouds
    do not; that is why Flannel writes everything down instead.

    Shell, on node-1: ``ip route add 10.0.2.0/24 via 10.0.2.0 dev vxlan.2 onlink``, and nothing more for a node.
    """

    name = "VXLAN, flood and learn"
    overhead = vxlan.OVERHEAD
    device = "vxlan.2"
    needs = frozenset({"vxlan"})
    #: of the administratively scoped block, RFC 2365
    group = "239.1.1.1"
    way = "the kernel's vxlan device with a multicast group"

    def _join(self, node: Node) -> None:
        with node.changes() as changes:
            vxlan.add(
                changes,
                self.device,
                vni=_VNI,
                mac=mac_of_link(node.name, self.device),
                device="eth0",
                local=node.address,
                group=self.group,
                learning=True,
            )
            address.add(changes, self.device, f"{end_of(node)}/32")
            link.up(changes, self.device)

    def _learn(self, node: Node, peers: Sequence[Other]) -> None:
        known = self._known(node)
        with node.changes() as changes:
            for peer in peers:
                if (peer.pod_cidr, end_of(peer)) not in known:
                    route.add(changes, peer.pod_cidr, via=end_of(peer), device=self.device, onlink=True)

    def _forget(self, node: Node, peers: Sequence[Other]) -> None:
        """Only the route: what was learned is forgotten by itself, after five minutes without a frame."""
        known = self._known(node)
        with node.changes() as changes:
            for peer in peers:
                if (peer.pod_cidr, end_of(peer)) in known:
                    route.delete(changes, peer.pod_cidr, via=end_of(peer), device=self.device)

    def _forget_all_but(self, node: Node, peers: Sequence[Other]) -> None:
        with node.changes() as changes:
            for block, via in self._known(node) - {(peer.pod_cidr, end_of(peer)) for peer in peers}:
                route.delete(changes, block, via=via, device=self.device)

    def _leave(self, node: Node, peers: Sequence[Other]) -> None:
        """The device takes its routes, and all it has learned, with it."""
        if any(one.name == self.device for one in node.links()):
            node.delete_link(self.device)

    def _legs(self, node: Node, peers: Sequence[Other]) -> Iterator[Leg]:
        """What is learned is named when it is there; only the route must be."""
        tables, mine = node._tables(), {"device": self.device}
        routes = {(one.destination, one.via) for one in tables.routes.where(**mine)}
        macs = {one.address: one.mac for one in tables.neighbours.where(**mine) if one.mac}
        ends = {one.mac: one.destination for one in tables.fdb.where(**mine, kind="learned")}
        for peer in peers:
            way = f"route via {end_of(peer)} dev {self.device}"
            ok = (peer.pod_cidr, end_of(peer)) in routes
            mac = macs.get(end_of(peer), "")
            by = [way if ok else "", f"neighbour {end_of(peer)} is {mac}" if mac else ""]
            by += [f"learned that {mac} is behind {ends[mac]}" if mac in ends else f"asks all at {self.group}"]
            yield Leg(node.name, peer.name, peer.pod_cidr, ok, "; ".join(filter(None, by)), "" if ok else way)

    def _known(self, node: Node) -> set[tuple[str, str]]:
        return {(one.destination, one.via) for one in node.routes().where(device=self.device)}
