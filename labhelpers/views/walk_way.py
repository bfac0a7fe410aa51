"""Where in the picture a hop is, and along which lines the packet gets there from the hop before."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from labhelpers.views.plan import Jack, Plan
from labhelpers.views.scene import Box, Point, Scene, Wire

__all__ = ["Way", "Ways"]

_MOST_EDGES = 4  # from hop to hop; further apart, something between the two was not seen
_TOUCHING = 1.0  # pixels


@dataclass(frozen=True, slots=True)
class Way:
    """The points that a packet moves along, and the wires it takes, by their number in the scene."""

    points: tuple[Point, ...]
    wires: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Edge:
    """From one box to the next: over a wire, or because a port stands on its bridge."""

    to: str
    points: tuple[Point, ...]
    wire: int = -1


class Ways:
    """The boxes of a picture, and what leads from one to the next."""

    def __init__(self, plan: Plan, scene: Scene) -> None:
        self._boxes = {box.id: box for box in scene.boxes}
        self._places: dict[tuple[str, str], str] = {}
        for room in plan.rooms:
            for jack in room.jacks:
                self._places[room.state.name, jack.link.name] = self._drawn(jack.id, room.id)
            self._places[room.state.name, ""] = self._drawn(room.id)
        self._edges: dict[str, list[_Edge]] = defaultdict(list)
        for number, wire in enumerate(scene.wires):
            self._add_wire(number, wire)
        for room in plan.rooms:
            for jack in room.jacks:
                self._add_port(jack)

    def box(self, namespace: str, device: str = "") -> str:
        """The box of an interface, of its namespace where it is not drawn, or ``""``."""
        return self._places.get((namespace, device)) or self._places.get((namespace, ""), "")

    def to(self, box: str, before: str = "", start: Point | None = None) -> Way:
        """How a packet gets to a box.

        Args:
            box: where to.
            before: the box it comes from; without one it appears.
            start: where in that box it is.
        """
        there = self._boxes.get(box)
        if there is None:
            return Way(())
        here = self._boxes.get(before)
        if here is None or here is there:
            still = start if here is there and start else _rest(there, there.x + there.width / 2)
            return Way(_without_repeats([still]))
        begin = start or _centre(here)
        edges = self._shortest(before, box)
        points = [begin]
        at = here
        for edge in edges:
            points += [*_inside(at, points[-1], edge.points[0]), *edge.points]
            at = self._boxes[edge.to]
        points.append(_rest(there, points[-1][0] if edges else there.x + there.width / 2))
        return Way(_without_repeats(points), tuple(edge.wire for edge in edges if edge.wire >= 0))

    def _drawn(self, *ids: str) -> str:
        return next((id for id in ids if id in self._boxes), "")

    def _add_wire(self, number: int, wire: Wire) -> None:
        # of an interface that is too small to be drawn, the wire ends at its namespace
        a, b = (self._drawn(end, end.rpartition("/")[0]) for end in (wire.a, wire.b))
        if a and b:
            self._edges[a].append(_Edge(b, wire.points, number))
            self._edges[b].append(_Edge(a, wire.points[::-1], number))

    def _add_port(self, jack: Jack) -> None:
        """A port stands on its bridge: there is no line between the two."""
        port, bridge = (self._boxes.get(one.id) if one else None for one in (jack, jack.master))
        if port and bridge and abs(port.bottom - bridge.y) < _TOUCHING:
            point = ((port.x + port.width / 2, bridge.y),)
            self._edges[port.id].append(_Edge(bridge.id, point))
            self._edges[bridge.id].append(_Edge(port.id, point))

    def _shortest(self, start: str, end: str) -> list[_Edge]:
        """The fewest edges, none if there is no short way."""
        ways: deque[tuple[str, list[_Edge]]] = deque([(start, [])])
        seen = {start}
        while ways:
            here, edges = ways.popleft()
            if here == end:
                return edges
            for edge in self._edges[here] if len(edges) < _MOST_EDGES else ():
                if edge.to not in seen:
                    seen.add(edge.to)
                    ways.append((edge.to, [*edges, edge]))
        return []


def _centre(box: Box) -> Point:
    return box.x + box.width / 2, box.y + box.height / 2


def _inside(box: Box, entry: Point, exit: Point) -> list[Point]:
    """Through a box: in at one edge, along its middle, out at another."""
    middle = box.y + box.height / 2
    return [(entry[0], middle), (exit[0], middle)] if box.kind in ("bridge", "routing") else [_centre(box)]


def _rest(box: Box, entry: float) -> Point:
    """Where a packet stays that is at this box: where it covers no words."""
    return (entry, box.bottom) if box.kind == "bridge" else (box.x, box.y)


def _without_repeats(points: Sequence[Point]) -> tuple[Point, ...]:
    rounded = [(round(x, 1), round(y, 1)) for x, y in points]
    return tuple(point for number, point in enumerate(rounded) if not number or point != rounded[number - 1])
