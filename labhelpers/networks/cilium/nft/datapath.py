"""``NftDatapath``: the datapath of one node by nftables and routes, for whom eBPF is not allowed.

See ``labhelpers.networks.cilium.datapath`` for what it decides, and ``rules`` for how.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from labhelpers.errors import BadInput, NotFound
from labhelpers.lab import Node
from labhelpers.linux import link, namespace, nft_library
from labhelpers.linux.records import Rows
from labhelpers.networks.cilium.datapath import Events, RuleCounter, Wanted
from labhelpers.networks.cilium.limits import require_room
from labhelpers.networks.cilium.nft import show
from labhelpers.networks.cilium.nft.events import LoggedEvents
from labhelpers.networks.cilium.nft.rules import GUARD, TABLE, TUNNEL, UPLINK, contents, guard
from labhelpers.networks.cilium.nft.table import Contents, delta, rebuilt
from labhelpers.networks.cilium.nft.wire import forget_identities, reads_identities, ways
from labhelpers.networks.policy import Applied

__all__ = ["NftDatapath"]


class NftDatapath:
    """Chains at eth0, at the tunnel and at each pod's interface, in the table ``netdev cilium``.

    Args:
        node: a lab's node; or its name, for an agent that lives in the node's own namespace.
    """

    name: ClassVar[str] = "nft"
    way: ClassVar[str] = "nftables at the pods' interfaces moves and judges packets, as eBPF would; it needs no root."

    def __init__(self, node: Node | str) -> None:
        self._node, self._namespace = (node, namespace.home()) if isinstance(node, str) else (node.name, node._kernel)
        self._loaded: dict[str, Contents] = {}
        #: the kernel's count of transactions, and what it said of our tables, right after our last one
        self._generation, self._seen = 0, ""
        #: the number of the tunnel device whose identities are read
        self._tunnel = 0
        self._reads_identities = False

    def apply(self, wanted: Wanted) -> Applied:
        """See ``Datapath.apply``: each table in one transaction, all of it or nothing.

        Shell: ``nft -f -``, ``ip rule``, ``ip route``, with the commands that are returned.
        """
        require_room(wanted)
        indexes = self._indexes()
        for name in (UPLINK, *([TUNNEL] if wanted.tunnel else ())):
            if name not in indexes:
                raise NotFound(f"{self._node} has no interface {name}.", "The network makes it before it is used.")
        was_known = bool(self._loaded)
        drifted = self._drifted()
        lines = [] if drifted or not was_known else ways(self._namespace, wanted)
        lines += self._load({TABLE: contents(wanted, indexes), GUARD: guard()}, fresh=drifted or not was_known)
        if drifted or not was_known:
            lines += ways(self._namespace, wanted)
        lines += self._read_identities(indexes.get(TUNNEL, 0) if wanted.tunnel else 0, again=drifted)
        if lines:
            self._remember()
        return Applied("\n".join(lines), was_known and drifted)

    def counters(self) -> Rows[RuleCounter]:
        """See ``Datapath.counters``.  Shell: ``nft list table netdev cilium``."""
        return show.counters(nft_library.parsed(self._namespace, TABLE), self._node)

    def tables(self) -> Mapping[str, Rows[Any]]:
        """See ``Datapath.tables``.  Shell: ``nft list table netdev cilium``."""
        return show.tables(nft_library.parsed(self._namespace, TABLE))

    def events(self) -> Events:
        """See ``Datapath.events``.  One listener at a time: who asks while another listens is refused.

        Shell: ``tcpdump -i nflog:6081``.
        """
        return LoggedEvents(self._node, self._namespace)

    def clean(self) -> None:
        """See ``Datapath.clean``.  Shell: ``nft delete table netdev cilium``, ``ip rule delete …``."""
        nft_library.load(
            self._namespace, "\n".join(f"add table {name}\ndelete table {name}" for name in (TABLE, GUARD))
        )
        forget_identities(self._namespace)
        ways(self._namespace, Wanted("", "", frozenset(), (), tunnel=False))
        self._loaded, self._seen, self._tunnel = {}, "", 0

    @property
    def reads_identities(self) -> bool:
        """Does the sender's identity come with the packet, by the tunnel?  Else it follows from the source."""
        return self._reads_identities

    def _indexes(self) -> dict[str, int]:
        with self._namespace.socket() as socket:
            return {one.name: one.index for one in link.look_at_all(socket)}

    def _load(self, wanted: Mapping[str, Contents], *, fresh: bool) -> list[str]:
        """Both tables, in one transaction."""
        commands = "\n".join(
            filter(
                None, (self._rebuilt(one) if fresh else delta(self._loaded[name], one) for name, one in wanted.items())
            )
        )
        if commands:
            try:
                nft_library.load(self._namespace, commands)
            except BadInput:
                if fresh:
                    raise
                # an interface went or came meanwhile: from what is there, then
                return self._load(wanted, fresh=True)
        self._loaded = dict(wanted)
        return commands.splitlines()

    def _rebuilt(self, wanted: Contents) -> str:
        there = nft_library.parsed(self._namespace, wanted.table)
        chains = [one["chain"]["name"] for one in there if "chain" in one]
        named = {one[kind]["name"]: kind for one in there for kind in ("set", "map") if kind in one}
        return rebuilt(wanted, chains, named)

    def _read_identities(self, tunnel: int, *, again: bool) -> list[str]:
        if tunnel == self._tunnel and not again:
            return []
        self._tunnel = tunnel
        if not tunnel:
            forget_identities(self._namespace)
            return []
        self._reads_identities = reads_identities(self._namespace)
        return ["# netdev cilium_vni: the tunnel's network identifier becomes the mark"] * self._reads_identities

    def _drifted(self) -> bool:
        """Is what the kernel has not what was loaded?  If nobody changed any table, that is a short question."""
        if not self._loaded:
            return False
        generation = nft_library.generation(self._namespace)
        if generation == self._generation:
            return False
        if self._said() != self._seen:
            return True
        self._generation = generation
        return False

    def _remember(self) -> None:
        self._generation = nft_library.generation(self._namespace)
        self._seen = self._said()

    def _said(self) -> str:
        """What the kernel says of our tables, without what packets change."""
        return "\n".join(show.standing(nft_library.parsed(self._namespace, name)) for name in (TABLE, GUARD))
