"""How Cilium's packets get to other nodes: by VXLAN that carries identities, or by plain routes ("native routing")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from labhelpers.lab import Node
from labhelpers.lab.fixed import mac_of_link
from labhelpers.linux import link, neighbour, route, vxlan
from labhelpers.networks.attach import cilium_host
from labhelpers.networks.attach.cilium_host import router_of
from labhelpers.networks.route.carrier import Carrier, Leg
from labhelpers.networks.route.host_gateway import HostGateway
from labhelpers.networks.route.other import Other

__all__ = ["DEVICE", "UNNAMED", "CiliumNative", "CiliumVxlan", "encapsulated"]

DEVICE = "cilium_vxlan"
#: the network identifier of what is not from a pod with an identity: the node's own packets, above all
UNNAMED = 6  # "remote node", which the sender is to who gets it
_ETHERNET = 1500


def encapsulated(peer: Other, identity: int) -> route.Encap:
    """What the tunnel device is told with each packet for a node's pods."""
    return route.Encap(identity, peer.address)


class CiliumVxlan(Carrier):
    """One tunnel device on each node, without settings; each packet says to which node, and who sent it.

    The 24 bits that number the virtual network are the sender's identity.  These routes are for what the node itself
    sends; what a pod sends gets its identity from the node's datapath.

    Shell, on node-1: ``ip link add cilium_vxlan type vxlan external dstport 8472``,
    ``ip route add 10.0.2.0/24 encap ip id 6 dst 192.168.1.11 via 10.0.2.1 dev cilium_vxlan onlink src 10.0.1.1``,
    ``ip neighbour replace 10.0.2.1 lladdr MAC dev cilium_vxlan nud permanent``.
    """

    name = "VXLAN with identities"
    overhead = vxlan.OVERHEAD
    device = DEVICE
    way = "the kernel's vxlan device, whose network identifier is the sender's identity"

    def _join(self, node: Node) -> None:
        cilium_host.ensure(node)
        links = node.links()
        with node.changes() as changes:
            if not any(one.name == DEVICE for one in links):
                mtu = links["eth0"].mtu - self.overhead
                vxlan.add_external(changes, DEVICE, mac=mac_of_link(node.name, DEVICE), mtu=mtu)
            link.up(changes, DEVICE)

    def _has_joined(self, node: Node) -> bool:
        there = {one.name: one for one in node.links()}
        return DEVICE in there and there[DEVICE].up and cilium_host.HOST in there

    def _learn(self, node: Node, peers: Sequence[Other]) -> None:
        there = _Entries.of(node)
        with node.changes() as changes:
            for peer in peers:
                if _neighbour(peer) not in there.neighbours:
                    neighbour.add(changes, *_neighbour(peer), DEVICE)
                if _way(peer) not in there.routes:
                    route.add(
                        changes,
                        peer.pod_cidr,
                        via=router_of(peer),
                        device=DEVICE,
                        onlink=True,
                        source=router_of(node),
                        encap=encapsulated(peer, UNNAMED),
                    )

    def _forget(self, node: Node, peers: Sequence[Other]) -> None:
        there = _Entries.of(node)
        self._drop(
            node, there.routes & {_way(peer) for peer in peers}, there.neighbours & {_neighbour(peer) for peer in peers}
        )

    def _forget_all_but(self, node: Node, peers: Sequence[Other]) -> None:
        there = _Entries.of(node)
        self._drop(
            node, there.routes - {_way(peer) for peer in peers}, there.neighbours - {_neighbour(peer) for peer in peers}
        )

    @staticmethod
    def _drop(node: Node, routes: set[tuple[str, str, str]], neighbours: set[tuple[str, str]]) -> None:
        with node.changes() as changes:
            for block, via, _ in sorted(routes):
                route.delete(changes, block, via=via, device=DEVICE)
            for end, _ in sorted(neighbours):
                neighbour.delete(changes, end, DEVICE)

    def _leave(self, node: Node, peers: Sequence[Other]) -> None:
        """The device takes its routes and neighbours with it."""
        if any(one.name == DEVICE for one in node.links()):
            node.delete_link(DEVICE)
        cilium_host.clean(node)

    def _legs(self, node: Node, peers: Sequence[Other]) -> Iterator[Leg]:
        there = _Entries.of(node)
        for peer in peers:
            end, mac = _neighbour(peer)
            entries = {
                f"route encap {encapsulated(peer, UNNAMED)} dev {DEVICE}": _way(peer) in there.routes,
                f"neighbour {end} is {mac}": (end, mac) in there.neighbours,
            }
            by = "; ".join(entry for entry, found in entries.items() if found)
            missing = "; ".join(entry for entry, found in entries.items() if not found)
            yield Leg(node.name, peer.name, peer.pod_cidr, not missing, by, missing)


class CiliumNative(HostGateway):
    """Plain routes by the nodes' own network, which must know no more than the nodes ("autoDirectNodeRoutes").

    Shell: as for ``HostGateway``.
    """

    name = "native routing"

    def _join(self, node: Node) -> None:
        cilium_host.ensure(node)

    def _has_joined(self, node: Node) -> bool:
        return super()._has_joined(node) and any(one.name == cilium_host.HOST for one in node.links())

    def _leave(self, node: Node, peers: Sequence[Other]) -> None:
        super()._leave(node, peers)
        cilium_host.clean(node)


def _way(peer: Other) -> tuple[str, str, str]:
    return peer.pod_cidr, router_of(peer), str(encapsulated(peer, UNNAMED))


def _neighbour(peer: Other) -> tuple[str, str]:
    return router_of(peer), mac_of_link(peer.name, DEVICE)


@dataclass(frozen=True, slots=True)
class _Entries:
    """What a node knows of others, read from the kernel."""

    #: destination, router, and what the tunnel is told
    routes: set[tuple[str, str, str]]
    #: IP and MAC address
    neighbours: set[tuple[str, str]]

    @classmethod
    def of(cls, node: Node) -> _Entries:
        tables = node._tables()
        return cls(
            {(one.destination, one.via, one.encap) for one in tables.routes.where(device=DEVICE, table="main")},
            {(one.address, one.mac) for one in tables.neighbours.where(device=DEVICE, state="permanent")},
        )
