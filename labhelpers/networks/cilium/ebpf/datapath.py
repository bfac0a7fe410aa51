"""``EbpfDatapath``: the datapath of one node, by eBPF programs.  See ``datapath.py`` for what it decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, ClassVar

from labhelpers.errors import LabError, NotFound
from labhelpers.lab import Node
from labhelpers.linux import link, namespace, nft_library
from labhelpers.linux.bpf import filters
from labhelpers.linux.changes import Changes
from labhelpers.linux.interrupt import held
from labhelpers.linux.records import Link, Rows
from labhelpers.networks.cilium.datapath import Events, RuleCounter, Wanted
from labhelpers.networks.cilium.ebpf import records, show
from labhelpers.networks.cilium.ebpf.events import RingEvents
from labhelpers.networks.cilium.ebpf.loaded import FROM_OVERLAY, FROM_POD, FROM_UPLINK, Loaded, programs_at
from labhelpers.networks.cilium.ebpf.state import MANAGED, Tables, entries, remembered, require_half
from labhelpers.networks.cilium.limits import require_room
from labhelpers.networks.cilium.nft.names import GUARD
from labhelpers.networks.cilium.nft.rules import guard
from labhelpers.networks.cilium.nft.table import rebuilt
from labhelpers.networks.policy import Applied

__all__ = ["EbpfDatapath"]

_UPLINK, _OVERLAY = "eth0", "cilium_vxlan"
_TCP, _UDP = 6, 17


class EbpfDatapath:
    """Programs at eth0, at the tunnel and at each pod's interface, with tables that they share.

    What is at work is found in the kernel each time.  A table that is full makes room by itself where it holds flows:
    the flow that was used least recently goes, so that nothing is ever dropped as ``FLOWS_FULL``.

    Args:
        node: a lab's node; or its name, for an agent that lives in the node's own namespace.
    """

    name: ClassVar[str] = "ebpf"
    way: ClassVar[str] = "eBPF programs at the pods' interfaces move and judge packets; only real root may load them."

    def __init__(self, node: Node | str) -> None:
        self._node, self._namespace = (node, namespace.home()) if isinstance(node, str) else (node.name, node._kernel)
        self._left: Tables = {}

    def apply(self, wanted: Wanted) -> Applied:
        """See ``Datapath.apply``.  Entries change one after another: first those that come, then those that go.

        Shell: ``bpftool map update …`` for each entry, ``tc filter replace … ingress bpf direct-action …``.
        """
        require_room(wanted)
        with held(), self._namespace.changes() as changes:
            links = {one.name: one for one in link.dump(changes.socket)}
            _require(links, wanted)
            loaded = Loaded.found(changes.socket, links.values())
            is_new = loaded is None
            loaded = loaded or Loaded.new()
            try:
                there = _read(loaded)
                # an earlier agent's state is taken as it is; one's own must be as it was left
                repaired = bool(self._left) and (is_new or _known(there) != self._left)
                must = entries(wanted, links, there, _UPLINK, _OVERLAY)
                require_half(must, {name: one.kind.entries for name, one in loaded.maps.items()})
                lines = _write(loaded, there, must)
                _forget_datagrams(loaded, set(there["backends"].values()) - set(must["backends"].values()))
                lines += _attach(loaded, changes, links, wanted)
                lines += self._guard()
                self._left = _known(must)
            finally:
                loaded.close()
        return Applied("\n".join(lines), repaired)

    def counters(self) -> Rows[RuleCounter]:
        """See ``Datapath.counters``.  Shell: ``bpftool map dump name policy``."""
        with Loaded.at(self._namespace) as loaded:
            return show.counters(loaded.maps)

    def tables(self) -> Mapping[str, Rows[Any]]:
        """See ``Datapath.tables``; and ``maps`` and ``programs``, which only eBPF has.

        Shell: ``bpftool map dump name NAME``, ``bpftool map show``, ``bpftool net show``.
        """
        with Loaded.at(self._namespace) as loaded, self._namespace.socket() as socket:
            links = link.dump(socket)
            found = show.tables(loaded.maps, {one.index: one.name for one in links})
            return {**found, "programs": show.programs(socket, links)}

    def events(self) -> Events:
        """See ``Datapath.events``.

        Raises:
            NotFound: nothing is at work on this node.
            AlreadyExists: somebody listens already.
        """
        return RingEvents(self._node, self._namespace)

    def hand_over(self, ports: Iterable[tuple[str, int]]) -> None:
        """See ``Datapath.hand_over``.  Shell: ``bpftool map update name proxied …``."""
        keys = {records.FRONTEND.pack(records.address(one), port.to_bytes(2, "big"), _TCP) for one, port in ports}
        with suppress(NotFound), held(), Loaded.at(self._namespace) as loaded:
            proxied, proxies = loaded.maps["proxied"], loaded.maps["proxies"]
            there = set(proxied.keys())
            for key in keys - there:
                proxied.put(key, records.NUMBER.pack(1))
            for key in there - keys:
                proxied.remove(key)
            if keys != there:
                proxies.put(records.NUMBER.pack(0), records.NUMBER.pack(len(keys)))

    def clean(self) -> None:
        """See ``Datapath.clean``.  Shell: ``tc qdisc delete dev NAME clsact``."""
        self._left = {}
        with held(), self._namespace.changes() as changes:
            for one in link.dump(changes.socket):
                if programs_at(changes.socket, one):
                    filters.unhook(changes, one.name)
            with suppress(NotFound):  # an interface went meanwhile, and its program with it
                changes.apply()
            nft_library.load(self._namespace, f"add table {GUARD}\ndelete table {GUARD}")

    def _guard(self) -> list[str]:
        """What comes from a pod that no program looks at yet is not routed: the one rule of nftables here."""
        if nft_library.listing(self._namespace, GUARD):
            return []
        commands = rebuilt(guard(), (), {})
        nft_library.load(self._namespace, commands)
        return commands.splitlines()


def _require(links: Mapping[str, Link], wanted: Wanted) -> None:
    for name in (_UPLINK, *([_OVERLAY] if wanted.tunnel else [])):
        if name not in links:
            raise NotFound(f"{wanted.node} has no interface {name}.", "The network makes it before it is used.")


def _read(loaded: Loaded) -> Tables:
    return {name: dict(loaded.maps[name].items()) for name in MANAGED}


def _known(tables: Tables) -> Tables:
    return {name: {key: remembered(name, value) for key, value in table.items()} for name, table in tables.items()}


def _write(loaded: Loaded, there: Tables, must: Tables) -> list[str]:
    """Make the tables so; where one has no room, everything as it was."""
    undo: list[tuple[str, bytes, bytes | None]] = []
    lines = []
    try:
        for name in MANAGED:
            before = there[name]
            new = {
                key: value
                for key, value in must[name].items()
                if key not in before or remembered(name, before[key]) != remembered(name, value)
            }
            for key, value in new.items():
                loaded.maps[name].put(key, value)
                undo.append((name, key, before.get(key)))
            lines += _line(name, "written", len(new))
        for name in reversed(MANAGED):
            gone = there[name].keys() - must[name].keys()
            if name == "settings":  # an array, whose entries are always there
                continue
            for key in gone:
                loaded.maps[name].remove(key)
                undo.append((name, key, there[name][key]))
            lines += _line(name, "removed", len(gone))
    except LabError:
        for name, key, old in reversed(undo):
            if old is None:
                loaded.maps[name].remove(key)
            else:
                loaded.maps[name].put(key, old)
        raise
    return lines


def _forget_datagrams(loaded: Loaded, gone: set[bytes]) -> None:
    """Who still sends datagrams from a port that was given one of these backends, is given another.

    Connections of TCP keep theirs, which may be about to end and still answer.
    """
    if not gone:
        return
    translations = loaded.maps["translations"]
    for key, target in translations.items():
        if target in gone and records.FLOW.unpack(key)[-1] == _UDP:
            translations.remove(key)


def _line(table: str, what: str, count: int) -> list[str]:
    return [f"{table}: {count} {'entry' if count == 1 else 'entries'} {what}"] if count else []


def _attach(loaded: Loaded, changes: Changes, links: Mapping[str, Link], wanted: Wanted) -> list[str]:
    places = {_UPLINK: FROM_UPLINK, **({_OVERLAY: FROM_OVERLAY} if wanted.tunnel else {})}
    places.update((one.interface, FROM_POD) for one in wanted.endpoints if one.interface in links)
    lines = []
    for name, program in places.items():
        with suppress(NotFound):  # the pod has gone meanwhile
            if loaded.put(changes, links[name], program):
                lines.append(f"{name}: program {program} attached")
    for name, one in links.items():
        if name not in places and programs_at(changes.socket, one):
            filters.unhook(changes, name)
            lines.append(f"{name}: program taken away")
    with suppress(NotFound):
        changes.apply()
    return lines
