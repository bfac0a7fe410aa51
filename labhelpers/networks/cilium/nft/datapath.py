"""``NftDatapath``: the datapath of one node by nftables and routes, for whom eBPF is not allowed.

See ``labhelpers.networks.cilium.datapath`` for what it decides, and ``rules`` for how.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from labhelpers.errors import BadInput, NotFound
from labhelpers.lab import Node
from labhelpers.linux import link, namespace, nft_library
from labhelpers.linux.records import Rows
from labhelpers.networks.cilium.datapath import Events, RuleCounter, Wanted
from labhelpers.networks.cilium.limits import require_room
from labhelpers.networks.cilium.nft import show
from labhelpers.networks.cilium.nft.events import LoggedEvents
from labhelpers.networks.cilium.nft.names import GUARD, PROXIED, TABLE, TUNNEL, UPLINK
from labhelpers.networks.cilium.nft.rules import GATE, contents, guard
from labhelpers.networks.cilium.nft.table import Contents, delta, in_portions, rebuilt
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
        #: what it follows from
        self._told: tuple[Wanted, dict[str, int]] | None = None
        #: the kernel's count of transactions, and what it said of our tables, right after our last one
        self._generation = 0
        self._structure: dict[str, str] = {}
        self._held: dict[tuple[str, str], str] = {}
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
        lines = ways(self._namespace, wanted)
        if drifted or not was_known or (wanted, indexes) != self._told:
            lines += self._load({TABLE: contents(wanted, indexes), GUARD: guard()}, fresh=drifted or not was_known)
            self._told = (wanted, indexes)
        lines += self._read_identities(indexes.get(TUNNEL, 0) if wanted.tunnel else 0, again=drifted)
        return Applied("\n".join(lines), was_known and drifted)

    def counters(self) -> Rows[RuleCounter]:
        """See ``Datapath.counters``.  Shell: ``nft list table netdev cilium``."""
        return show.counters(nft_library.structure(self._namespace, TABLE, counters=True), self._node)

    def tables(self) -> Mapping[str, Rows[Any]]:
        """See ``Datapath.tables``.  Shell: ``nft list table netdev cilium``."""
        structure = nft_library.structure(self._namespace, TABLE, counters=True)
        named = {name: self._elements(TABLE, kind, name) for name, kind in show.parts(structure)[1].items()}
        return show.tables(structure, named)

    def events(self) -> Events:
        """See ``Datapath.events``.  One listener at a time: who asks while another listens is refused.

        Shell: ``tcpdump -i nflog:6081``.
        """
        return LoggedEvents(self._node, self._namespace)

    def hand_over(self, ports: Iterable[tuple[str, int]]) -> None:
        """See ``Datapath.hand_over``.  Shell: ``nft add element netdev cilium proxied { 10.0.1.2 . 80 }``."""
        if not nft_library.structure(self._namespace, TABLE):
            return
        wanted = sorted(f"{address} . {port}" for address, port in ports)
        if wanted == sorted(show.proxied(self._elements(TABLE, "set", PROXIED))):
            return
        add = [f"add element {TABLE} {PROXIED} {{ {', '.join(wanted)} }}"] if wanted else []
        nft_library.load(self._namespace, "\n".join([f"flush set {TABLE} {PROXIED}", *add]))

    def clean(self) -> None:
        """See ``Datapath.clean``.  Shell: ``nft delete table netdev cilium``, ``ip rule delete …``."""
        nft_library.load(
            self._namespace, "\n".join(f"add table {name}\ndelete table {name}" for name in (TABLE, GUARD))
        )
        forget_identities(self._namespace)
        ways(self._namespace, Wanted("", "", frozenset(), (), tunnel=False))
        self._loaded, self._structure, self._held, self._tunnel = {}, {}, {}, 0

    @property
    def reads_identities(self) -> bool:
        """Does the sender's identity come with the packet, by the tunnel?  Else it follows from the source."""
        return self._reads_identities

    def _indexes(self) -> dict[str, int]:
        with self._namespace.socket() as socket:
            return {one.name: one.index for one in link.look_at_all(socket)}

    def _load(self, wanted: Mapping[str, Contents], *, fresh: bool) -> list[str]:
        """Both tables, in one transaction if it is not too long."""
        old = {} if fresh else self._loaded
        steps = [self._rebuilt(one) if fresh else delta(old[name], one) for name, one in wanted.items()]
        transactions = ["\n".join(steps)] if any(steps) else []
        try:
            for one in transactions:
                nft_library.load(self._namespace, one)
        except BadInput as error:
            if error.errno == errno.EMSGSIZE:
                transactions = self._load_in_portions(wanted)
            elif fresh:
                raise
            else:  # an interface went or came meanwhile: from what is there, then
                return self._load(wanted, fresh=True)
        if transactions:
            self._remember(old, wanted)
        self._loaded = dict(wanted)
        return [line for one in transactions for line in one.splitlines() if line]

    def _rebuilt(self, wanted: Contents) -> str:
        return rebuilt(wanted, *show.parts(self._said(wanted.table)))

    def _load_in_portions(self, wanted: Mapping[str, Contents]) -> list[str]:
        """As an ordinary user may not send so much at once."""
        self._loaded = {}  # until the last one is there, nobody knows what is
        first = [self._rebuilt(one) for name, one in wanted.items() if name != TABLE]
        transactions = [*first, *in_portions(wanted[TABLE], GATE, *show.parts(self._said(TABLE)))]
        for one in transactions:
            nft_library.load(self._namespace, one)
        return transactions

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
        if any(self._said(name) != said for name, said in self._structure.items()):
            return True
        for table, name in self._held:
            if self._holds(self._loaded[table], name) != self._held[table, name]:
                return True
        self._generation = generation
        return False

    def _remember(self, old: Mapping[str, Contents], new: Mapping[str, Contents]) -> None:
        """What the kernel says of what was changed a moment ago."""
        self._generation = nft_library.generation(self._namespace)
        self._structure = {name: self._said(name) for name in new}
        held: dict[tuple[str, str], str] = {}
        for table, now in new.items():
            before = old[table].named if table in old else {}
            for name, one in now.named.items():
                if one.dynamic:
                    continue
                same = before.get(name) == one and (table, name) in self._held
                held[table, name] = self._held[table, name] if same else self._holds(now, name)
        self._held = held

    def _said(self, table: str) -> str:
        return nft_library.structure(self._namespace, table)

    def _holds(self, table: Contents, name: str) -> str:
        return json.dumps(self._elements(table.table, table.named[name].kind, name))

    def _elements(self, table: str, kind: str, name: str) -> list[Any]:
        return nft_library.elements(self._namespace, table, kind, name)
