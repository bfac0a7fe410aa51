"""The smallest boxes: an interface, a bridge, a routing table, and a pod where there are many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labhelpers.linux.records import Route
from labhelpers.views.lettering import natural, printable, shortened, width
from labhelpers.views.plan import Jack, Room
from labhelpers.views.scene import Box, Text

__all__ = [
    "BAR",
    "Line",
    "bar",
    "bar_width",
    "has_routing",
    "jack_box",
    "jack_size",
    "pod_box",
    "pod_size",
    "role_words",
    "routes",
    "routing_box",
    "routing_size",
    "spoken_jack",
    "spoken_room",
]

BAR = 26.0  # height of a bridge
_SIZE = 11.0
_LINE = 14.0
_MOST_ADDRESSES = 3
_MOST_ROUTES = 6
_HEADING = "routing table"
_ORDINARY = frozenset({"", "veth", "bridge", "loopback"})
_ROLE = {"underlay": "between the nodes", "unknown": "no name", "host": "this notebook"}
_SPOKEN_ROLE = {
    "underlay": "Network between the nodes,",
    "unknown": "Namespace without a name,",
    "host": "Namespace of this notebook,",
}


@dataclass(frozen=True)
class Line:
    """Words of a box before it has a place."""

    words: str
    bold: bool = False
    mono: bool = True
    tone: str = "text"

    @property
    def width(self) -> float:
        """Pixels it needs."""
        return width(self.words, _SIZE, mono=self.mono)


def _lines(jack: Jack) -> list[Line]:
    link = jack.link
    lines = [Line(shortened(printable(link.name), 16), bold=True)]
    if link.kind not in _ORDINARY:
        number = dict(link.details).get("id", "")
        lines.append(Line(f"{link.kind} {number}".strip(), mono=False, tone="muted"))
    lines += [Line(shortened(address, 24)) for address in _some(link.addresses, _MOST_ADDRESSES)]
    if not link.addresses and not link.master and link.kind != "loopback":
        lines.append(Line("no address", mono=False, tone="muted"))
    if jack.status:
        lines.append(Line(jack.status, bold=True, mono=False, tone="bad"))
    return lines


def _some(items: Sequence[str], most: int) -> list[str]:
    return [*items[:most], f"+ {len(items) - most} more"] if len(items) > most else list(items)


def jack_size(jack: Jack) -> tuple[float, float]:
    """Width and height of the box of an interface."""
    lines = _lines(jack)
    return max(46.0, *(line.width + 14 for line in lines)), _LINE * len(lines) + 8


def jack_box(jack: Jack, centre: float, y: float, height: float = 0) -> Box:
    """An interface: its name, its addresses, and what is wrong with it."""
    wide, needed = jack_size(jack)
    height = max(height, needed)
    first = y + (height - needed) / 2 + 15
    texts = tuple(
        Text(centre, first + _LINE * i, line.words, _SIZE, line.bold, line.mono, line.tone, "middle")
        for i, line in enumerate(_lines(jack))
    )
    left = centre - wide / 2
    return Box(jack.id, "link", left, y, wide, height, spoken_jack(jack), texts, jack.room.id, bool(jack.status))


def _bar_lines(jack: Jack) -> list[Line]:
    lines = [Line(shortened(printable(jack.link.name), 16), bold=True)]
    lines += [Line(address) for address in _some(jack.link.addresses, 2)]
    if jack.status:
        lines.append(Line(jack.status, bold=True, mono=False, tone="bad"))
    lines.append(Line("bridge", mono=False, tone="muted"))
    return lines


def bar_width(jack: Jack) -> float:
    """What a bridge needs at least."""
    return sum(line.width + 14 for line in _bar_lines(jack)) + 6


def bar(jack: Jack, x: float, y: float, wide: float) -> Box:
    """A bridge: a bar that its ports stand on."""
    *lines, kind = _bar_lines(jack)
    texts, at = [], x + 10
    for line in lines:
        texts.append(Text(at, y + 17.5, line.words, _SIZE, line.bold, line.mono, line.tone))
        at += line.width + 14
    texts.append(Text(x + wide - 10, y + 17.5, kind.words, _SIZE, tone="muted", anchor="end"))
    return Box(jack.id, "bridge", x, y, wide, BAR, spoken_jack(jack), tuple(texts), jack.room.id, bool(jack.status))


def _pod_lines(room: Room) -> list[Line]:
    lines = [Line(shortened(printable(room.state.name), 18), bold=True, mono=False)]
    lines += [Line(shortened(address, 24)) for address in _some(room.state.addresses, 1)]
    if not room.state.addresses:
        lines.append(Line("no address", mono=False, tone="muted"))
    if wrong := next((jack for jack in room.jacks if jack.status), None):
        words = f"{shortened(printable(wrong.link.name), 12)} {wrong.status}"
        lines.append(Line(words, bold=True, mono=False, tone="bad"))
    return lines


def pod_size(room: Room) -> tuple[float, float]:
    """Width and height of a namespace that is drawn as one box of words."""
    lines = _pod_lines(room)
    return max(60.0, *(line.width + 14 for line in lines)), _LINE * len(lines) + 9


def pod_box(room: Room, wide: float, height: float) -> Box:
    """A namespace with its name and address and nothing else: for pictures of many."""
    lines = _pod_lines(room)
    texts = tuple(
        Text(8, 15.5 + _LINE * i, line.words, _SIZE, line.bold, line.mono, line.tone) for i, line in enumerate(lines)
    )
    parent = room.parent.id if room.parent and room in room.parent.inside else ""
    down = any(jack.status for jack in room.jacks)
    return Box(room.id, room.state.role, 0, 0, wide, height, spoken_room(room), texts, parent, down)


def has_routing(room: Room) -> bool:
    """Does this namespace stand between networks, so that its routing table decides?"""
    networks = [jack for jack in room.jacks if jack.link.addresses and jack.link.kind != "loopback"]
    return room.is_node or len(networks) > 1


def routes(room: Room) -> list[str]:
    """The main routing table in the words of ``ip route``, the default route last, shortened where it is long."""
    found = [route for route in room.state.routes if route.table == "main"]
    found.sort(key=lambda route: (route.destination == "default", natural(route.destination), route.metric))
    return _some([_route(route) for route in found], _MOST_ROUTES)


def _route(route: Route) -> str:
    kind = "" if route.kind == "unicast" else f"{route.kind} "
    way = f" via {route.via}" if route.via else f" dev {route.device}" if route.device else ""
    return shortened(printable(f"{kind}{route.destination}{way}"), 44)


def routing_size(room: Room, wide: float) -> tuple[float, float]:
    """Width a routing table needs at least, and its height where it gets ``wide`` pixels."""
    column = 20 + max(width(_HEADING, 10.5), *(width(words, _SIZE, mono=True) for words in routes(room)), 0)
    columns = max(1, int((wide - 4) // column))
    rows = -(-len(routes(room)) // columns)
    return column + 4, 22 + 13 * max(1, rows)


def routing_box(room: Room, x: float, y: float, wide: float) -> Box:
    """The routing table of a namespace that stands between networks."""
    words = routes(room)
    needed, height = routing_size(room, wide)
    columns = max(1, int((wide - 4) // (needed - 4)))
    rows = -(-len(words) // columns)
    texts = [Text(x + 10, y + 14, _HEADING, 10.5, tone="muted")]
    texts += [
        Text(x + 10 + (i // rows) * (needed - 4), y + 28 + 13 * (i % rows), line, _SIZE, mono=True)
        for i, line in enumerate(words)
    ]
    if not words:
        texts.append(Text(x + 10, y + 28, "no route", _SIZE, tone="muted"))
    spoken = f"Routing table of {room.id}: {'; '.join(words) or 'no route'}"
    return Box(f"{room.id} routing", "routing", x, y, wide, height, spoken, tuple(texts), room.id)


def spoken_jack(jack: Jack) -> str:
    """One interface in words."""
    link = jack.link
    words = [f"{'Bridge' if jack.is_bridge else 'Interface'} {printable(link.name)} of {jack.room.id}"]
    words.append(" ".join(link.addresses) or "no address")
    if jack.peer:
        words.append(f"cable to {jack.peer.id}")
    if link.master:
        words.append(f"port of {printable(link.master)}")
    if jack.status:
        words.append(jack.status)
    return ", ".join(words)


def spoken_room(room: Room) -> str:
    """One namespace in words."""
    role = _SPOKEN_ROLE.get(room.state.role, room.state.role.capitalize())
    words = [f"{role} {room.id}", " ".join(room.state.addresses) or "no address"]
    words += [f"{printable(jack.link.name)} {jack.status}" for jack in room.jacks if jack.status]
    return ", ".join(words)


def role_words(room: Room) -> str:
    """What kind of namespace this is, as a picture says it."""
    return _ROLE.get(room.state.role, room.state.role)
