"""What of a snapshot is drawn, and what hangs on what.

A snapshot is a list of namespaces and cables.  A picture needs an order: pods are inside their node, and whatever plugs
into a switch stands above it.  So each connected group of namespaces becomes a tree that has its switch at the root.
Cables that are not part of the tree are kept as ``extra``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from labhelpers.linux.records import Link
from labhelpers.topology.model import End, NamespaceState, Snapshot
from labhelpers.views.lettering import natural, printable

__all__ = ["Jack", "Plan", "Room", "plan"]

#: devices the kernel puts into every namespace when a tunnel module is loaded
_FALLBACK = frozenset(
    "tunl0 gre0 gretap0 erspan0 ip_vti0 ip6_vti0 sit0 ip6tnl0 ip6gre0".split()  # noqa: SIM905
)
_NO_SIGNAL = frozenset({"down", "lowerlayerdown", "notpresent"})


@dataclass(eq=False)
class Jack:
    """An interface that is drawn."""

    id: str
    link: Link
    room: Room
    #: ``""`` if it works, ``DOWN`` if it is switched off, ``no carrier`` if there is no signal from the other end
    status: str = ""
    #: the other end of its cable
    peer: Jack | None = None
    #: the interface of the same namespace that it sends through
    lower: Jack | None = None

    @property
    def is_bridge(self) -> bool:
        """Is it a switch?"""
        return self.link.kind == "bridge"

    @property
    def master(self) -> Jack | None:
        """The bridge it is a port of."""
        return next((jack for jack in self.room.bridges if jack.link.name == self.link.master), None)


@dataclass(eq=False)
class Room:
    """A namespace that is drawn."""

    id: str
    state: NamespaceState
    jacks: list[Jack] = field(default_factory=list)
    #: drawn inside this one, as a node's pods are
    inside: list[Room] = field(default_factory=list)
    #: drawn above this one and plugged into it
    above: list[Room] = field(default_factory=list)
    #: what it is inside of or above of
    parent: Room | None = None

    @property
    def is_node(self) -> bool:
        """Is it a machine of the cluster?"""
        return self.state.role == "node"

    @property
    def bridges(self) -> list[Jack]:
        """The switches in it."""
        return [jack for jack in self.jacks if jack.is_bridge]

    @property
    def has_own_cable(self) -> bool:
        """Is there a cable with both ends in it?"""
        return any(jack.peer and jack.peer.room is self for jack in self.jacks)

    @property
    def children(self) -> list[Room]:
        """What is drawn in it and above it."""
        return self.inside + self.above

    @property
    def uplinks(self) -> list[Jack]:
        """The interfaces with a cable to what is below or around it."""
        return [jack for jack in self.jacks if jack.peer and jack.peer.room is self.parent]


@dataclass(frozen=True)
class Plan:
    """Trees of rooms in drawing order; two rooms in one entry are drawn side by side, cable between them."""

    groups: tuple[tuple[Room, ...], ...]
    #: pairs of cable ends or stacked devices that no tree contains
    extra: tuple[tuple[Jack, Jack], ...]
    rooms: tuple[Room, ...]


def plan(snapshot: Snapshot) -> Plan:
    """Decide what is drawn.  The sandbox's own namespace is left out while there is nothing but lo in it."""
    rooms = _rooms(snapshot)
    _plug(snapshot, rooms)
    for room in rooms:
        for jack in room.jacks:
            jack.status = _status(jack)
    _put_pods_into_nodes(rooms)
    groups = _grow([room for room in rooms if room.parent is None])
    return Plan(tuple(groups), tuple(_extra(rooms, groups)), tuple(rooms))


def _rooms(snapshot: Snapshot) -> list[Room]:
    rooms: list[Room] = []
    taken: dict[str, int] = defaultdict(int)
    for state in sorted(snapshot, key=lambda state: natural(state.name)):
        links = _drawn(state)
        if state.role == "host" and all(link.kind == "loopback" for link in links):
            continue
        name = printable(state.name)
        taken[name] += 1
        room = Room(name if taken[name] == 1 else f"{name}#{taken[name]}", state)
        for link in links:
            room.jacks.append(Jack(f"{room.id}/{printable(link.name)}", link, room))
        rooms.append(room)
    return rooms


def _drawn(state: NamespaceState) -> list[Link]:
    """Without lo, unless there is nothing else to show."""
    links = [link for link in state.links if link.name not in _FALLBACK or link.up or link.addresses]
    others = [link for link in links if link.kind != "loopback"]
    return sorted(others or links, key=lambda link: natural(link.name))


def _plug(snapshot: Snapshot, rooms: list[Room]) -> None:
    at: dict[End, Jack] = {}
    for room in rooms:
        by_index = {jack.link.index: jack for jack in room.jacks}
        for jack in room.jacks:
            at.setdefault(End(room.state.name, jack.link.name), jack)
            if jack.link.kind != "veth" and jack.link.peer_index and jack.link.peer_nsid < 0:
                jack.lower = by_index.get(jack.link.peer_index)
    for cable in snapshot.cables:
        a, b = at.get(cable.a), at.get(cable.b)
        if a and b:
            a.peer, b.peer = b, a


def _status(jack: Jack) -> str:
    """Judged by which ends are switched on.

    The kernel's operational state says the same up to a second later (``net/core/link_watch.c``), and a picture taken
    in that second would differ from one taken after it.
    """
    if not jack.link.up:
        return "DOWN"
    if jack.is_bridge:
        ports = [one for one in jack.room.jacks if one.link.master == jack.link.name]
        return "" if any(not _status(port) for port in ports) else "no carrier"
    if jack.peer:
        return "" if jack.peer.link.up else "no carrier"
    return "no carrier" if jack.link.state in _NO_SIGNAL else ""


def _put_pods_into_nodes(rooms: list[Room]) -> None:
    """By the label of the namespace; without one, a namespace belongs to the one node it is plugged into."""
    nodes = {room.state.name: room for room in rooms if room.is_node}
    for room in rooms:
        if room.is_node or room.state.role in ("underlay", "host"):
            continue
        home = nodes.get(room.state.node)
        if home is None:
            others = {jack.peer.room for jack in room.jacks if jack.peer and jack.peer.room is not room}
            if len(others) != 1 or not (home := others.pop()).is_node:
                continue
        home.inside.append(room)
        room.parent = home


def _grow(rooms: list[Room]) -> list[tuple[Room, ...]]:
    """A tree for each group of rooms that cables connect."""
    cables: dict[Room, list[Room]] = {
        room: _unique(
            jack.peer.room
            for jack in room.jacks
            if jack.peer and jack.peer.room is not room and jack.peer.room in rooms
        )
        for room in rooms
    }
    groups: list[tuple[Room, ...]] = []
    left = sorted(rooms, key=lambda room: _weight(room, len(cables[room])))
    while left:
        root = left.pop(0)
        tree = _climb(root, cables, left)
        if len(tree) == 2 and _is_pair(*tree):
            tree[1].parent = None
            root.above.clear()
            groups.append(tuple(sorted(tree, key=lambda room: natural(room.id))))
        else:
            groups.append((root,))
    return groups


def _climb(root: Room, cables: dict[Room, list[Room]], left: list[Room]) -> list[Room]:
    """Put above the root what is plugged into it, above that what is plugged into it, and so on.

    Nothing is put above a node: its pods are there.
    """
    tree = [root]
    for room in tree:
        for other in [] if room.is_node else cables[room]:
            if other in left:
                left.remove(other)
                other.parent = room
                room.above.append(other)
                tree.append(other)
    return tree


def _weight(room: Room, degree: int) -> tuple[object, ...]:
    """First what should be at the bottom: the underlay, then what most others plug into.  Nodes are last."""
    roles = ("underlay", "host")
    role = roles.index(room.state.role) if room.state.role in roles else len(roles)
    return role, room.is_node, -degree, not room.bridges, natural(room.id)


def _is_pair(a: Room, b: Room) -> bool:
    ordinary = not any(room.is_node or room.bridges or room.state.role == "underlay" for room in (a, b))
    return ordinary and sum(1 for jack in a.jacks if jack.peer and jack.peer.room is b) == 1


def _extra(rooms: list[Room], groups: list[tuple[Room, ...]]) -> Iterable[tuple[Jack, Jack]]:
    paired = {frozenset(group) for group in groups if len(group) == 2}
    for room in rooms:
        for jack in room.jacks:
            if jack.lower:
                yield jack, jack.lower
            if jack.peer is None or jack.id > jack.peer.id:
                continue
            ends = (room, jack.peer.room)
            if ends[0].parent is not ends[1] and ends[1].parent is not ends[0] and frozenset(ends) not in paired:
                yield jack, jack.peer


def _unique(rooms: Iterable[Room]) -> list[Room]:
    return list(dict.fromkeys(rooms))
