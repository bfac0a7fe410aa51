"""See which ends of veth pairs belong together."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence

from labhelpers.linux import nsid
from labhelpers.linux.netlink import NetlinkSocket
from labhelpers.linux.records import Link
from labhelpers.linux.worker import visit
from labhelpers.topology.find import Found
from labhelpers.topology.model import Cable, End, NamespaceState

__all__ = ["Place", "cables"]

_HERE = -1  # Link.peer_nsid of an end whose other end is in the same namespace

Place = tuple[Found, NamespaceState]


def cables(places: Sequence[Place]) -> tuple[Cable, ...]:
    """The veth pairs between these namespaces, in order of name.

    An end knows the other's index, and the other's namespace by an id that means something in its own namespace only.
    Indexes repeat from namespace to namespace, so the kernel is asked which id each namespace has that may hold the
    other end.  Namespaces with many cables are taken first: a node is asked about all its pods on one socket.
    """
    ends: dict[tuple[int, int], list[tuple[Place, Link]]] = defaultdict(list)
    for place in places:
        for link in _veths(place):
            ends[link.index, link.peer_index].append((place, link))
    found: list[Cable] = []
    paired: set[tuple[int, int]] = set()
    for here in sorted(places, key=lambda place: -len(_veths(place))):
        left = [link for link in _veths(here) if (here[0].inode, link.index) not in paired]
        with _Ids(here[0]) as ids:
            for link in left:
                for there, far in ends[link.peer_index, link.index]:
                    if (far is not link) and _leads_to(link, here, there, ids):
                        found.append(Cable(*sorted((End(here[1].name, link.name), End(there[1].name, far.name)))))
                        paired |= {(here[0].inode, link.index), (there[0].inode, far.index)}
                        break
    return tuple(sorted(set(found)))


def _veths(place: Place) -> list[Link]:
    return [link for link in place[1].links if link.kind == "veth" and link.peer_index]


def _leads_to(link: Link, here: Place, there: Place, ids: _Ids) -> bool:
    if link.peer_nsid == _HERE:
        return there is here
    return there is not here and ids.of(there[0]) == link.peer_nsid


class _Ids:
    """The ids by which one namespace knows others; asked for once each."""

    def __init__(self, here: Found) -> None:
        self._here = here
        self._socket: NetlinkSocket | None = None
        self._known: dict[int, int] = {}

    def __enter__(self) -> _Ids:
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket:
            self._socket.close()

    def of(self, other: Found) -> int | None:
        """The id, ``None`` if one of the two is gone or they do not know each other."""
        if other.inode not in self._known:
            self._known[other.inode] = self._ask(other)
        known = self._known[other.inode]
        return known if known >= 0 else None

    def _ask(self, other: Found) -> int:
        if self._socket is None:
            here = self._here.open()
            if here < 0:
                return -1
            try:
                self._socket = visit(here, NetlinkSocket)
            finally:
                os.close(here)
        there = other.open()
        if there < 0:
            return -1
        try:
            return nsid.get(self._socket, there)
        finally:
            os.close(there)
