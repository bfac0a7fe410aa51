"""WireGuard as Calico uses it: what leaves a node for another node's pods is encrypted.

Source: https://docs.tigera.io/calico/latest/network-policy/encrypt-cluster-pod-traffic; projectcalico/calico,
``felix/wireguard/wireguard.go``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import ClassVar

from labhelpers.errors import AlreadyExists, NotFound, TimedOut
from labhelpers.lab import Lab, Node
from labhelpers.linux import address, link, route, rule
from labhelpers.linux import wireguard as kernel
from labhelpers.linux.records import Rows
from labhelpers.linux.wireguard import Peer
from labhelpers.networks import wireguard
from labhelpers.networks.route.carrier import Carrier, Leg
from labhelpers.networks.route.other import Other
from labhelpers.networks.route.tunnel import end_of
from labhelpers.networks.wireguard import Keys

__all__ = ["FlannelWireGuard", "WireGuard"]

_PORT = 51820
_MARK = 0x200000  # on the encrypted packets, which must not be encrypted again
_TABLE = 1
_MAIN = 254  # the number of the main table
_PRIORITY = 99
_ANSWER = 0.3  # seconds for the first packet of a node to another; only the keys matter
_KERNEL = "the kernel's wireguard device"
_OWN = "wireguard-go on a TUN device: user space, not the product"


class WireGuard(Carrier):
    """A device ``wireguard.cali`` on each node; a packet routed there is encrypted and sent to the other node by UDP.

    The routes to the other nodes' pods are in table 1, which is asked before the main one for every packet that is
    not marked as encrypted already.  If the device goes, the table is empty, and packets leave as they are.

    Keys follow from the nodes' names and are no secret.

    Raises (besides what every carrier raises):
        ToolMissing: the kernel has no WireGuard, and wireguard-go is not installed.
        NeedsPrivilege, KernelFeatureMissing: nor a TUN device, which wireguard-go needs.

    Shell, on node-1: ``wg set wireguard.cali peer KEY endpoint 192.168.1.11:51820 allowed-ips 10.0.2.0/24``,
    ``ip route add 10.0.2.0/24 dev wireguard.cali table 1``,
    ``ip rule add priority 99 not fwmark 0x200000/0x200000 lookup 1``.
    """

    name = "WireGuard"
    overhead = kernel.OVERHEAD
    device = "wireguard.cali"
    needs = frozenset({"wireguard"})
    way = _KERNEL
    #: routes in a table of their own, which a rule has asked first; otherwise they are in the main one
    has_own_table: ClassVar[bool] = True

    def __init__(self, lab: Lab, *, nodes: Sequence[Node] | None = None) -> None:
        self.way = _KERNEL
        super().__init__(lab, nodes=nodes)

    # --- what it does on a node -------------------------------------------------------------------------------------

    def _join(self, node: Node) -> None:
        there = next((one for one in node.links() if one.name == self.device), None)
        if there is None:
            wireguard.add(node, self.device)
        if not wireguard.in_kernel(node, self.device):
            self.way = _OWN
        wireguard.change(node, self.device, private_key=Keys.of(node.name).private, port=_PORT, mark=_MARK)
        with node.changes() as changes:
            link.set_mtu(changes, self.device, node.links()["eth0"].mtu - self.overhead)
            if there is None or not there.addresses:
                address.add(changes, self.device, f"{end_of(node)}/32")
            link.up(changes, self.device)

    @classmethod
    def prepare(cls, node: Node) -> None:
        """See ``Carrier.prepare``: the device, by wireguard-go where the kernel has no WireGuard."""
        wireguard.add(node, cls.device)

    def _has_joined(self, node: Node) -> bool:
        return self._is_set_up(node)

    def _learn(self, node: Node, peers: Sequence[Other]) -> None:
        told, routes = self._told(node), self._routes(node)
        new = [peer for peer in map(_peer, peers) if peer not in told]
        if new:
            wireguard.change(node, self.device, peers=new)
        with node.changes() as changes:
            for peer in peers:
                if peer.pod_cidr not in routes:
                    route.add(changes, peer.pod_cidr, device=self.device, table=self._table)
            if self.has_own_table and not self._has_rule(node):
                rule.add(changes, _PRIORITY, _TABLE, mark=_MARK, mask=_MARK, inverted=True)

    def _forget(self, node: Node, peers: Sequence[Other]) -> None:
        routes = self._routes(node)
        with node.changes() as changes:
            for peer in peers:
                if peer.pod_cidr in routes:
                    route.delete(changes, peer.pod_cidr, device=self.device, table=self._table)
        with suppress(NotFound, TimedOut):  # wireguard-go has died, and what it was told with it
            gone = {_peer(peer) for peer in peers} & self._told(node)
            if gone:
                wireguard.change(node, self.device, gone=[peer.public_key for peer in gone])

    def _forget_all_but(self, node: Node, peers: Sequence[Other]) -> None:
        blocks = {peer.pod_cidr for peer in peers}
        with node.changes() as changes:
            for block in self._routes(node) - blocks:
                route.delete(changes, block, device=self.device, table=self._table)
        if gone := self._told(node) - {_peer(peer) for peer in peers}:
            kept = {_peer(peer).public_key for peer in peers}
            wireguard.change(node, self.device, gone=[peer.public_key for peer in gone if peer.public_key not in kept])

    def _leave(self, node: Node, peers: Sequence[Other]) -> None:
        """The device takes its routes with it."""
        wireguard.remove(node, self.device)
        if self._has_rule(node):
            with node.changes() as changes:
                rule.delete(changes, _PRIORITY, _TABLE, mark=_MARK, mask=_MARK, inverted=True)

    def _legs(self, node: Node, peers: Sequence[Other]) -> Iterator[Leg]:
        silent = ""
        told: set[Peer] = set()
        try:
            told = self._told(node)
        except (NotFound, TimedOut) as error:
            silent = error.what.rstrip(".")
        routes, has_rule = self._routes(node), self._has_rule(node)
        for peer in peers:
            entries = {
                f"peer {_peer(peer).public_key} at {peer.address}:{_PORT}": _peer(peer) in told,
                self._route_in_words: peer.pod_cidr in routes,
            }
            if self.has_own_table:
                entries[f"rule {_PRIORITY}"] = has_rule
            by = "; ".join(entry for entry, found in entries.items() if found)
            missing = "; ".join(entry for entry, found in entries.items() if not found)
            yield Leg(node.name, peer.name, peer.pod_cidr, not (silent or missing), by, silent or missing)

    def _require_free(self, node: Node, peers: Sequence[Other], *, has_device: bool = False) -> None:
        super()._require_free(node, peers, has_device=has_device)
        if self.has_own_table and not has_device and node.rules().where(priority=_PRIORITY):
            raise AlreadyExists(
                f"{node.name} has a rule of priority {_PRIORITY} already.",
                f"Delete it: `ip -n {node.name} rule delete priority {_PRIORITY}`.",
            )

    def wait(self, timeout: float = 60.0) -> float:
        """Wait as every carrier does, and have each two nodes agree on keys: the first asks the second.

        Who sends first asks first.  When both do at the same moment, as a mesh of pings makes them, each forgets its
        own question over the other's, cannot use the answer, and asks again only after 5 seconds (Rekey-Timeout in
        WireGuard's paper).  So the first packets between the nodes would be late.

        Raises:
            TimedOut: naming a way that is missing, or two nodes that do not agree.

        Shell, on node-1: ``ping -c 1 10.0.2.0``, for each node that follows in the alphabet.
        """
        took = super().wait(timeout)
        nodes = sorted(self.nodes, key=lambda one: one.name)
        pairs = [(one, other) for number, one in enumerate(nodes) for other in nodes[number + 1 :]]

        def missing() -> str:
            while pairs:
                one, other = pairs[0]
                if not self._agrees(one, other):
                    one.ping(end_of(other), timeout=_ANSWER)
                    if not self._agrees(one, other):
                        return f"{one.name} and {other.name} have agreed on no keys"
                del pairs[0]
            return ""

        return took + self._until_none(missing, timeout - took)

    def _agrees(self, one: Node, other: Node) -> bool:
        key = Keys.of(other.name).public
        return any(peer.handshake for peer in wireguard.read(one, self.device).peers if peer.public_key == key)

    # --- what can be seen of it -------------------------------------------------------------------------------------

    def peers(self, node: Node) -> Rows[Peer]:
        """Whom a node encrypts for, what it sent, and when both last agreed on keys.  Changes nothing.

        Raises:
            NotFound, TimedOut: there is no device, or wireguard-go does not answer.

        Shell: ``wg show wireguard.cali``.
        """
        self._require_ours(node)
        return Rows(wireguard.read(node, self.device).peers, f"WireGuard peers of {node.name}")

    def _told(self, node: Node) -> set[Peer]:
        """The peers a node has been told of, without what changes by itself."""
        return {Peer(one.public_key, one.endpoint, one.allowed) for one in wireguard.read(node, self.device).peers}

    def _routes(self, node: Node) -> set[str]:
        return {one.destination for one in node.routes().where(device=self.device, table=self._table_name)}

    @property
    def _table(self) -> int:
        return _TABLE if self.has_own_table else _MAIN

    @property
    def _table_name(self) -> str:
        return str(_TABLE) if self.has_own_table else "main"

    @property
    def _route_in_words(self) -> str:
        return f"route dev {self.device}" + (f" table {_TABLE}" if self.has_own_table else "")

    def _has_rule(self, node: Node) -> bool:
        return any(one.table == str(_TABLE) for one in node.rules().where(priority=_PRIORITY))


class FlannelWireGuard(WireGuard):
    """The same as Flannel has it: a device ``flannel-wg``, and its routes in the main table.

    Shell, on node-1: ``wg set flannel-wg peer KEY …``, ``ip route add 10.0.2.0/24 dev flannel-wg``.
    """

    device = "flannel-wg"
    has_own_table = False


def _peer(node: Other) -> Peer:
    """What others are told of a node."""
    return Peer(Keys.of(node.name).public, (node.address, _PORT), (node.pod_cidr,))
