"""Weave's mesh: a router on each node, in user space, between which frames travel.

Source: https://github.com/weaveworks/weave, ``site/how-it-works``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from labhelpers.errors import LabError, NotFound, TimedOut
from labhelpers.lab import Node
from labhelpers.lab.fixed import mac_of_link
from labhelpers.networks.route.carrier import Carrier, Leg
from labhelpers.networks.route.other import Other
from labhelpers.networks.weave import bridge, daemon
from labhelpers.networks.weave.control import ask
from labhelpers.networks.weave.settings import BRIDGE, FROM_BRIDGE, Settings

__all__ = ["Mesh"]

_ETHERNET = 1500
_TO_BE_FAST = 3.0  # seconds


class Mesh(Carrier):
    """A router on each node, which takes the frames of the bridge ``weave`` and brings them to other nodes' bridges.

    No route is written: all pods are on one Ethernet.  Which peer has whose MAC address a router learns from frames.

    Shell, on node-1: ``ip link add vethwe-bridge master weave up type veth peer name vethwe-pcap``, and
    ``python -m labhelpers.networks.weave``.
    """

    name = "Weave's mesh"
    overhead = _ETHERNET - bridge.MTU
    device = FROM_BRIDGE
    way = "a router in Python, user space, not the product"

    #: the subnet of all pods
    subnet: ClassVar[str] = "10.0.0.0/16"
    #: what pods send one another passes the node's firewall
    guarded: ClassVar[bool] = True
    #: ``""``: nothing is encrypted
    password: ClassVar[str] = ""
    #: the kernel's VXLAN between neighbours
    fast: ClassVar[bool] = True
    #: which nodes are connected; all with all, if it says nothing
    links: ClassVar[Sequence[tuple[str, str]] | None] = None

    @classmethod
    def like_this(cls, **options: Any) -> type[Mesh]:
        """A mesh with these options."""
        return type("Mesh", (cls,), {"__doc__": cls.__doc__, **options})

    def _join(self, node: Node) -> None:
        bridge.ensure(node, self.subnet, guarded=self.guarded)
        if bridge.ensure_cable(node, fast=self._is_fast):
            daemon.stop(node)  # it has ended with its cable, or is about to
        if not daemon.is_running(node):
            told = daemon.settings_of(node)
            daemon.start(
                node,
                Settings(
                    name=mac_of_link(node.name, BRIDGE),
                    nickname=node.name,
                    address=node.address,
                    neighbours=told.neighbours if told else (),
                    password=self.password,
                    fast=self._is_fast,
                ),
            )

    @classmethod
    def prepare(cls, node: Node) -> None:
        """See ``Carrier.prepare``: the bridge, and the router, which is to live as long as the node."""
        cls.for_agent()._join(node)

    def _has_joined(self, node: Node) -> bool:
        return daemon.is_running(node) and {FROM_BRIDGE, BRIDGE} <= {one.name for one in node.links() if one.up}

    @property
    def _is_fast(self) -> bool:
        """VXLAN is not encrypted, so that with a password everything goes through the routers."""
        return self.fast and not self.password

    def _learn(self, node: Node, peers: Sequence[Other]) -> None:
        daemon.tell(node, self._told(node) | {one.address for one in self._neighbours(node, peers)})

    def _forget(self, node: Node, peers: Sequence[Other]) -> None:
        with suppress(NotFound, TimedOut):  # it has died; the next one reads what was written
            daemon.tell(node, self._told(node) - {one.address for one in peers})

    def _forget_all_but(self, node: Node, peers: Sequence[Other]) -> None:
        daemon.tell(node, {one.address for one in self._neighbours(node, peers)})

    def _leave(self, node: Node, peers: Sequence[Other]) -> None:
        daemon.stop(node)
        bridge.remove_cable(node)
        bridge.remove(node)

    def _told(self, node: Node) -> set[str]:
        settings = daemon.settings_of(node)
        return set(settings.neighbours) if settings else set()

    def _neighbours(self, node: Node, peers: Iterable[Other]) -> list[Other]:
        if self.links is None:
            return list(peers)
        names = {b if a == node.name else a for a, b in self.links if node.name in (a, b)}
        return [one for one in peers if one.name in names]

    def _legs(self, node: Node, peers: Sequence[Other]) -> Iterator[Leg]:
        try:
            said = ask(node, "status")
        except LabError as error:
            for peer in peers:
                yield Leg(node.name, peer.name, peer.pod_cidr, False, "", error.what.rstrip("."))
            return
        connections = {one["address"]: one for one in said["connections"]}
        known = {one["nickname"]: one for one in said["peers"]}
        for peer in peers:
            connection, by = connections.get(peer.address), known.get(peer.name, {}).get("by", "")
            if by == peer.name and connection:
                words = f"connected, {connection['way']}{', encrypted' if said['encrypted'] else ''}"
                yield Leg(node.name, peer.name, peer.pod_cidr, True, words)
            elif by:
                yield Leg(node.name, peer.name, peer.pod_cidr, True, f"by way of {by}")
            else:
                trouble = f", {connection['trouble']}" if connection and connection["trouble"] else ""
                missing = f"a connection{trouble}" if connection else "a way by other peers"
                yield Leg(node.name, peer.name, peer.pod_cidr, False, "", missing)

    def wait(self, timeout: float = 60.0) -> float:
        """Wait as every carrier does, and until all neighbours are connected: some can be reached by others before.

        The fast way is tried meanwhile, and is waited for a few seconds only: VXLAN may not get through.

        Raises:
            TimedOut: naming a way that is missing, or two nodes that are not connected.

        Shell: ``weave status connections``, of the product.
        """
        took = super().wait(timeout)

        def missing() -> str:
            for node in self.nodes:
                for one in ask(node, "status")["connections"]:
                    if one["state"] != "established":
                        return f"{node.name} is not connected with {one['address']}: {one['trouble'] or 'not yet'}"
            return ""

        took += self._until_none(missing, timeout - took)
        with suppress(TimedOut):
            took += self._until_none(self._slow, min(_TO_BE_FAST, timeout - took))
        return took

    def _slow(self) -> str:
        """Between whom the kernel does not carry frames although it is to."""
        if self._is_fast:
            for node in self.nodes:
                for one in ask(node, "status")["connections"]:
                    if one["way"] != "fastdp":
                        return f"{node.name} reaches {one['address']} by sleeve"
        return ""

    def ask(self, node: Node) -> dict[str, Any]:
        """What a node's router says of itself: its connections, all peers, the addresses it has learned, what it
        refused.  Changes nothing.

        Raises:
            NotFound, TimedOut: it has ended, or does not answer.

        Shell: ``python -m labhelpers.networks.weave.ask status`` on the node; of the product, ``weave status``.
        """
        self._require_ours(node)
        found: dict[str, Any] = ask(node, "status")
        return found
