"""VXLAN as Flannel programs it: nothing is learned, everything is written down beforehand.

Source: https://github.com/flannel-io/flannel, ``pkg/backend/vxlan/vxlan_network.go`` and ``device.go``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from labhelpers.lab import Node
from labhelpers.lab.fixed import mac_of_link
from labhelpers.linux import address, fdb, link, neighbour, route, vxlan
from labhelpers.networks.route.carrier import Carrier, Leg
from labhelpers.networks.route.other import Other
from labhelpers.networks.route.tunnel import end_of

__all__ = ["CalicoVxlan", "Vxlan"]


class Vxlan(Carrier):
    """A tunnel end on each node, ``flannel.1``, and three entries for each other node.

    A route (their pods are behind their tunnel end), a permanent neighbour (its MAC address, so that nobody asks by
    ARP) and an fdb entry (the node that this MAC address lives on).  UDP port 8472, network identifier 1.

    Shell, on node-1: ``ip route add 10.0.2.0/24 via 10.0.2.0 dev flannel.1 onlink``,
    ``ip neighbour replace 10.0.2.0 lladdr MAC dev flannel.1 nud permanent``,
    ``bridge fdb replace MAC dev flannel.1 dst 192.168.1.11 self permanent``.
    """

    name = "VXLAN"
    overhead = vxlan.OVERHEAD
    device = "flannel.1"
    needs = frozenset({"vxlan"})
    way = "the kernel's vxlan device"
    #: the number of the virtual network, and the UDP port
    vni: ClassVar[int] = 1
    port: ClassVar[int] = vxlan.PORT

    def _join(self, node: Node) -> None:
        there = next((one for one in node.links() if one.name == self.device), None)
        with node.changes() as changes:
            mac = mac_of_link(node.name, self.device)
            if there is None:
                vxlan.add(
                    changes, self.device, vni=self.vni, mac=mac, device="eth0", local=node.address, port=self.port
                )
            if there is None or not there.addresses:
                address.add(changes, self.device, f"{end_of(node)}/32")
            link.up(changes, self.device)

    def _learn(self, node: Node, peers: Sequence[Other]) -> None:
        there = _Entries.of(node, self.device)
        with node.changes() as changes:
            for peer in peers:
                mac = mac_of_link(peer.name, self.device)
                if (end_of(peer), mac) not in there.neighbours:
                    neighbour.add(changes, end_of(peer), mac, self.device)
                if (mac, peer.address) not in there.fdb:
                    fdb.set_remote(changes, mac, self.device, peer.address)
                if (peer.pod_cidr, end_of(peer)) not in there.routes:
                    route.add(changes, peer.pod_cidr, via=end_of(peer), device=self.device, onlink=True)

    def _forget(self, node: Node, peers: Sequence[Other]) -> None:
        there = _Entries.of(node, self.device)
        with node.changes() as changes:
            for peer in peers:
                mac = mac_of_link(peer.name, self.device)
                if (peer.pod_cidr, end_of(peer)) in there.routes:
                    route.delete(changes, peer.pod_cidr, via=end_of(peer), device=self.device)
                if (mac, peer.address) in there.fdb:
                    fdb.delete_remote(changes, mac, self.device, peer.address)
                if (end_of(peer), mac) in there.neighbours:
                    neighbour.delete(changes, end_of(peer), self.device)

    def _forget_all_but(self, node: Node, peers: Sequence[Other]) -> None:
        there = _Entries.of(node, self.device)
        macs = {peer.address: mac_of_link(peer.name, self.device) for peer in peers}
        with node.changes() as changes:
            for block, via in there.routes - {(peer.pod_cidr, end_of(peer)) for peer in peers}:
                route.delete(changes, block, via=via, device=self.device)
            for mac, remote in there.fdb - {(mac, remote) for remote, mac in macs.items()}:
                fdb.delete_remote(changes, mac, self.device, remote)
            for end, _ in there.neighbours - {(end_of(peer), macs[peer.address]) for peer in peers}:
                neighbour.delete(changes, end, self.device)

    def _has_joined(self, node: Node) -> bool:
        return self._is_set_up(node)

    def _leave(self, node: Node, peers: Sequence[Other]) -> None:
        """The device takes its routes, neighbours and fdb entries with it."""
        if any(one.name == self.device for one in node.links()):
            node.delete_link(self.device)

    def _legs(self, node: Node, peers: Sequence[Other]) -> Iterator[Leg]:
        there = _Entries.of(node, self.device)
        for peer in peers:
            mac = mac_of_link(peer.name, self.device)
            entries = {
                f"route via {end_of(peer)} dev {self.device}": (peer.pod_cidr, end_of(peer)) in there.routes,
                f"neighbour {end_of(peer)} is {mac}": (end_of(peer), mac) in there.neighbours,
                f"fdb {mac} is behind {peer.address}": (mac, peer.address) in there.fdb,
            }
            by = "; ".join(entry for entry, found in entries.items() if found)
            missing = "; ".join(entry for entry, found in entries.items() if not found)
            yield Leg(node.name, peer.name, peer.pod_cidr, not missing, by, missing)


class CalicoVxlan(Vxlan):
    """The same under Calico's names and numbers: ``vxlan.calico``, UDP port 4789, network identifier 4096.

    Shell: as for ``Vxlan``.
    """

    device = "vxlan.calico"
    vni = 4096
    port = 4789


@dataclass(frozen=True, slots=True)
class _Entries:
    """What a node knows of others, read from the kernel."""

    #: destination and router
    routes: set[tuple[str, str]]
    #: IP and MAC address
    neighbours: set[tuple[str, str]]
    #: MAC address and node
    fdb: set[tuple[str, str]]

    @classmethod
    def of(cls, node: Node, device: str) -> _Entries:
        tables, mine = node._tables(), {"device": device}
        return cls(
            {(one.destination, one.via) for one in tables.routes.where(**mine)},
            {(one.address, one.mac) for one in tables.neighbours.where(**mine, state="permanent")},
            {(one.mac, one.destination) for one in tables.fdb.where(**mine, kind="permanent")},
        )
