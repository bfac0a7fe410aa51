"""A map of who talks to whom, drawn from a flow log: a card for each end with its ports, and lines to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from labhelpers.trace.flows.flow import DROPPED, Flow
from labhelpers.views.lettering import natural, printable, shortened, width
from labhelpers.views.svg import LIGHT

__all__ = ["Talk", "map_svg", "talks"]

_SIZE = 12  # of letters
_SMALL = 11
_HEAD, _ROW, _GAP = 28.0, 18.0, 18.0
_BETWEEN = 110.0
_ROUND = 46  # how far a line goes that leads back
_MARGIN = 14.0
_MOST_NAME = 34
_MOST_ENDS, _MOST_PORTS = 40, 12
_OTHERS = "others"
_FONT = "DejaVu Sans, Verdana, Arial, sans-serif"
_NOTHING = "no flows yet"


@dataclass(frozen=True, slots=True)
class Talk:
    """What one says to another by one protocol and port, and how often."""

    source: str
    destination: str
    protocol: str
    port: int
    forwarded: int
    dropped: int

    def __str__(self) -> str:
        return _words(self.protocol, self.port, self.forwarded, self.dropped)


def talks(flows: Iterable[Flow]) -> list[Talk]:
    """The conversations of a log, counted; one that two nodes have seen is one, and dropped if either dropped it."""
    seen: dict[tuple[object, ...], tuple[Flow, bool]] = {}
    for one in flows:
        again: tuple[object, ...] = (
            one.source_address,
            one.source_port,
            one.destination_address,
            one.port,
            one.protocol,
        )
        if not one.source_port or one.status:  # it has no port to be known by, or is a request: each is one of its own
            again = (*again, one.time if one.status else round(one.time, 1))
        first, dropped = seen.get(again, (one, False))
        seen[again] = first, dropped or one.verdict == DROPPED
    counted: dict[tuple[str, str, str, int], list[int]] = {}
    for one, dropped in seen.values():
        count = counted.setdefault((one.source, one.destination, one.protocol, one.port), [0, 0])
        count[dropped] += 1
    return [Talk(*key, *count) for key, count in counted.items()]


def map_svg(flows: Iterable[Flow], *, themed: bool = False) -> str:
    """The map as an SVG document.

    Args:
        themed: colours as CSS variables ``--pn-NAME`` with the light colour as default.
    """
    return _Map(_fewer(talks(flows)), themed).svg()


def _fewer(said: Sequence[Talk]) -> list[Talk]:
    """What can be looked at: of many ends and of many ports of one end, those that come later are one."""
    names = list(dict.fromkeys(name for one in said for name in (one.source, one.destination)))[:_MOST_ENDS]
    ports: dict[str, dict[tuple[str, int], None]] = {}
    counted: dict[tuple[str, str, str, int], list[int]] = {}
    for one in said:
        source, destination = (name if name in names else _OTHERS for name in (one.source, one.destination))
        known = ports.setdefault(destination, {})
        port = one.protocol, one.port
        if port not in known and len(known) >= _MOST_PORTS:
            port = "other ports", 0
        known[port] = None
        count = counted.setdefault((source, destination, *port), [0, 0])
        count[0] += one.forwarded
        count[1] += one.dropped
    return [Talk(*key, *count) for key, count in counted.items()]


def _columns(pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Who asks stands left of who is asked, as far as they do not go round in circles."""
    onwards: dict[str, list[str]] = {}
    names: dict[str, None] = {}
    for source, destination in pairs:
        names |= {source: None, destination: None}
        if source not in _reached(onwards, destination):
            onwards.setdefault(source, []).append(destination)
    column = dict.fromkeys(names, 0)
    for _ in names:  # the longest way has fewer steps than there are names
        for source, others in onwards.items():
            for one in others:
                column[one] = max(column[one], column[source] + 1)
    return column


def _reached(onwards: Mapping[str, Sequence[str]], start: str) -> set[str]:
    reached, ahead = {start}, [start]
    while ahead:
        for one in onwards.get(ahead.pop(), ()):
            if one not in reached:
                reached.add(one)
                ahead.append(one)
    return reached


class _Map:
    """Each end is a card; below its name are the ports at which it was asked, and the lines end there."""

    def __init__(self, said: Sequence[Talk], themed: bool) -> None:
        self._said, self._themed = said, themed
        column = _columns((one.source, one.destination) for one in said)
        names = sorted(column, key=natural)
        #: of each card, what was asked of it: how often let through, how often dropped
        self._asked: dict[str, dict[tuple[str, int], list[int]]] = {name: {} for name in names}
        for one in said:
            count = self._asked[one.destination].setdefault((one.protocol, one.port), [0, 0])
            count[0] += one.forwarded
            count[1] += one.dropped
        #: of each card: left, top, width
        self._cards: dict[str, tuple[float, float, float]] = {}
        columns = [
            [name for name in names if column[name] == number] for number in range(max(column.values(), default=-1) + 1)
        ]
        self._height = max((self._tall(some) for some in columns), default=_HEAD) + 2 * _MARGIN
        left = _MARGIN
        for some in columns:
            wide = max(self._wide(name) for name in some)
            top = (self._height - self._tall(some)) / 2
            for name in some:
                self._cards[name] = left, top, wide
                top += _HEAD + self._rows(name) * _ROW + _GAP
            left += wide + _BETWEEN
        self._width = left - _BETWEEN + _ROUND + _MARGIN if columns else 220.0

    def _rows(self, name: str) -> int:
        return len(self._asked[name])

    def _tall(self, names: Sequence[str]) -> float:
        return sum(_HEAD + self._rows(name) * _ROW + _GAP for name in names) - _GAP

    def _wide(self, name: str) -> float:
        texts = [width(_words(*what, *count), _SMALL) for what, count in self._asked[name].items()]
        return max(width(_name(name), _SIZE), *texts, 60.0) + 24

    def svg(self) -> str:
        """The document."""
        title = "; ".join(f"{one.source} to {one.destination}, {one}" for one in self._said)
        size = f'width="{self._width:g}" height="{self._height:g}" viewBox="0 0 {self._width:g} {self._height:g}"'
        return "".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" '
                f'aria-label="{escape(printable(title)) or _NOTHING}" font-family="{_FONT}">',
                f'<rect width="100%" height="100%" rx="6" fill="{self._colour("background")}"/>',
                *map(self._line, self._said),
                *map(self._card, self._cards),
                "" if self._cards else self._text(_MARGIN, _MARGIN + 16, _NOTHING, "muted", _SIZE),
                "</svg>",
            ]
        )

    def _line(self, one: Talk) -> str:
        (left, top, wide), (to_left, to_top, to_wide) = self._cards[one.source], self._cards[one.destination]
        row = list(self._asked[one.destination]).index((one.protocol, one.port))
        from_x, from_y = left + wide, top + _HEAD / 2
        to_x, to_y = to_left, to_top + _HEAD + (row + 0.5) * _ROW
        bend, tip = max((to_x - from_x) / 2, 20.0), -7.0
        if to_left <= left:  # back, or to itself: round on the right
            to_x, bend, tip = to_left + to_wide, float(_ROUND), 7.0
        back = bend if tip > 0 else -bend
        path = f"M{from_x:g} {from_y:g} C{from_x + bend:g} {from_y:g} {to_x + back:g} {to_y:g} {to_x:g} {to_y:g}"
        head = f"M{to_x + tip:g} {to_y - 4:g} L{to_x:g} {to_y:g} L{to_x + tip:g} {to_y + 4:g}"
        look = f'stroke="{self._colour("cable" if one.forwarded else "bad")}" stroke-width="2" fill="none"'
        dashes = "" if one.forwarded else ' stroke-dasharray="6 4"'
        words = escape(printable(f"{one.source} → {one.destination}, {one}"))
        return f'<path class="pn-talk" d="{path}" {look}{dashes}><title>{words}</title></path><path d="{head}" {look}/>'

    def _card(self, name: str) -> str:
        left, top, wide = self._cards[name]
        look = f'fill="{self._colour("pod")}" stroke="{self._colour("line")}" stroke-width="1.2"'
        tall = _HEAD + self._rows(name) * _ROW
        rows = (
            self._text(
                left + 10,
                top + _HEAD + number * _ROW + 13,
                _words(*what, *count),
                "bad" if count[1] else "text",
                _SMALL,
            )
            for number, (what, count) in enumerate(self._asked[name].items())
        )
        return (
            f'<rect x="{left:g}" y="{top:g}" width="{wide:g}" height="{tall:g}" rx="8" {look}/>'
            + self._text(left + 10, top + 19, _name(name), "text", _SIZE, bold=True)
            + "".join(rows)
        )

    def _text(self, x: float, y: float, words: str, tone: str, size: int, *, bold: bool = False) -> str:
        look = ' font-weight="bold"' if bold else ""
        return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{self._colour(tone)}"{look}>{escape(words)}</text>'

    def _colour(self, name: str) -> str:
        return f"var(--pn-{name}, {LIGHT[name]})" if self._themed else LIGHT[name]


def _name(name: str) -> str:
    return shortened(printable(name), _MOST_NAME)


def _words(protocol: str, port: int, forwarded: int, dropped: int) -> str:
    what = f"{protocol} {port}" if port else protocol
    parts = (f"{forwarded}× forwarded" if forwarded else "", f"{dropped}× dropped" if dropped else "")
    return f"{what}: {', '.join(filter(None, parts))}"
