"""The programs and tables of one node: loaded, put where packets pass, and found again.

Nothing keeps them but the node's interfaces: each has its program, and a program has all the tables.  So a killed agent
leaves them at work, its successor finds them by looking at the interfaces, and when the node's namespace ends, nothing
is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from labhelpers.errors import NotFound
from labhelpers.linux import link
from labhelpers.linux.bpf import elf, filters, find, program
from labhelpers.linux.bpf.maps import Map
from labhelpers.linux.changes import Changes
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.linux.netlink import NetlinkSocket
from labhelpers.linux.records import Link

__all__ = ["FROM_OVERLAY", "FROM_POD", "FROM_UPLINK", "Loaded", "programs_at"]

FROM_POD, FROM_UPLINK, FROM_OVERLAY = "from_pod", "from_uplink", "from_overlay"
_FILE = Path(__file__).parent.parent / "bpf" / "datapath.bpf.o"
_SETTINGS = "settings"


@cache
def _object() -> elf.ObjectFile:
    return elf.read(_FILE.read_bytes())


class Loaded:
    """The tables of a node, and its programs.  Holds file descriptors: close it."""

    def __init__(self, maps: dict[str, Map]) -> None:
        self.maps = maps

    @classmethod
    def new(cls) -> Loaded:
        """Create empty tables.

        Raises:
            NeedsPrivilege, KernelRefused: nothing is left of the attempt.
        """
        maps: dict[str, Map] = {}
        try:
            for name, kind in _object().maps.items():
                maps[name] = Map.create(name, kind)
        except BaseException:
            _close(maps.values())
            raise
        return cls(maps)

    @classmethod
    def try_out(cls) -> None:
        """Load everything, and drop it again: does this kernel take it, from us?

        Raises:
            NeedsPrivilege, KernelRefused: no.  VerifierRefused: it lacks what a program needs.
        """
        with cls.new() as loaded:
            for code in _object().programs.values():
                program.load(code, loaded.maps).close()

    @classmethod
    def found(cls, socket: NetlinkSocket, links: Iterable[Link]) -> Loaded | None:
        """Those that are at work in a node; none if there are none, or if they are of another form.

        Args:
            socket: of the node's namespace.
        """
        for place in links:
            for one in filters.attached(socket, place.index):
                if one.name in _object().programs:
                    try:
                        maps = find.maps_of(one.program)
                    except FileNotFoundError:  # it was replaced a moment ago
                        continue
                    if {name: one.kind for name, one in maps.items()} == _object().maps:
                        return cls(maps)
                    _close(maps.values())
        return None

    @classmethod
    def at(cls, place: NetworkNamespace) -> Loaded:
        """Those that are at work in a node.

        Raises:
            NotFound: nothing is.
        """
        with place.socket() as socket:
            loaded = cls.found(socket, link.dump(socket))
        if loaded is None:
            raise NotFound(f"No eBPF datapath is at work in {place.name or 'this node'}.", "apply() puts one there.")
        return loaded

    def put(self, changes: Changes, place: Link, name: str) -> bool:
        """Have a program with these tables run on all that comes in by an interface.  Says if that was to be done.

        Raises:
            VerifierRefused, KernelRefused, NotFound.

        Shell: ``tc qdisc add dev NAME clsact``, ``tc filter replace dev NAME ingress bpf direct-action …``.
        """
        if self.at_work(changes.socket, place) == name:
            return False
        loaded = program.load(_object().programs[name], self.maps)
        try:
            for one in self.maps.values():
                loaded.keep(one)
            filters.hooks(changes, place.name)
            filters.attach(changes, place.name, filters.INGRESS, loaded)
            changes.apply()
        finally:
            loaded.close()
        return True

    def at_work(self, socket: NetlinkSocket, place: Link) -> str:
        """The name of the program with these tables that runs at an interface; ``""`` if none does."""
        for one in filters.attached(socket, place.index):
            if one.name in _object().programs and self.id in find.program(one.program).maps:
                return one.name
        return ""

    @property
    def id(self) -> int:
        """The kernel's number of the table of settings, by which these tables are known."""
        return find.id_of(self.maps[_SETTINGS])

    def close(self) -> None:
        """Let go of them; what is at work stays so."""
        _close(self.maps.values())

    def __enter__(self) -> Loaded:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def programs_at(socket: NetlinkSocket, place: Link) -> list[str]:
    """The names of programs of ours at an interface, whatever tables they have."""
    return [one.name for one in filters.attached(socket, place.index) if one.name in _object().programs]


def _close(maps: Iterable[Map]) -> None:
    for one in maps:
        one.close()
