"""Who asks whom, in order of time: a sequence diagram as SVG and as text."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from collections.abc import Sequence as Ordered
from dataclasses import dataclass
from html import escape
from itertools import count
from typing import Any

from labhelpers.errors import BadInput
from labhelpers.views.lettering import printable, shortened, width
from labhelpers.views.svg import LIGHT

__all__ = ["Message", "Sequence"]

_MARGIN, _HEAD, _STEP = 14.0, 34.0, 27.0
_APART = 60.0  # between two names at least
_INDENT = 16.0  # of what belongs to the step above
_SIZE = 11.0
_MOST = 80  # characters of a message
_LINE = re.compile(r"\s*(\S.*?)\s*(-->|->)\s*(\S.*?)\s*:\s*(\S.*?)\s*")
_SANS = "DejaVu Sans, Verdana, Arial, sans-serif"


@dataclass(frozen=True)
class Message:
    """One arrow.  From somebody to itself, it is something done.

    ``is_answer`` draws it dashed.  One that is no step has no number: it says more of the step above it.  ``when`` is
    written at the left edge.
    """

    source: str
    target: str
    text: str
    is_answer: bool = False
    is_step: bool = True
    when: str = ""


class Sequence:
    """A sequence diagram.

    Args:
        messages: in order.
        parties: who stands where, from left to right; by default in order of appearance.
        title: what a screen reader says first.
    """

    def __init__(self, messages: Ordered[Message], parties: Ordered[str] = (), *, title: str = "Sequence") -> None:
        self.messages = tuple(messages)
        seen = [name for one in self.messages for name in (one.source, one.target)]
        self.parties = tuple(dict.fromkeys([*parties, *seen]))
        self.title = title
        if not self.messages:
            raise BadInput("There is nothing to draw.", "Give at least one message.")

    @classmethod
    def parse(cls, text: str, *, title: str = "Sequence") -> Sequence:
        """A diagram from lines such as ``kubelet -> containerd: RunPodSandbox``; ``-->`` is an answer.

        Raises:
            BadInput: a line is none of these.
        """
        return cls([_message(line) for line in text.splitlines() if line.strip()], title=title)

    def __repr__(self) -> str:
        wide = max(len(name) for name in self.parties)
        early = max(len(one.when) for one in self.messages)
        lines = []
        for number, one in self._numbered():
            number = f"{one.when:>{early}}{number:>{5 if early else 3}}"
            if one.source == one.target:
                lines.append(f"{number} {one.source:>{wide}}    {'':{wide}}  {one.text}")
            else:
                arrow = "⇢" if one.is_answer else "→"
                lines.append(f"{number} {one.source:>{wide}} {arrow} {one.target:<{wide}}  {one.text}")
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        image = base64.b64encode(self.svg().encode()).decode()
        return f'<img alt="{escape(repr(self))}" src="data:image/svg+xml;base64,{image}">'

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}

    def svg(self) -> str:
        """The diagram as an SVG document in the light colours, on a card."""
        places = self._places()
        last = max(places.values()) + width(self.parties[-1], 12) / 2 + 20
        right = max([last, *(places[one.source] + 36 + width(_words(n, one), _SIZE) for n, one in self._own())])
        bottom = _MARGIN + _HEAD + _STEP * len(self.messages) + 20
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{right + _MARGIN:g}" height="{bottom + _MARGIN:g}" '
            f'viewBox="0 0 {right + _MARGIN:g} {bottom + _MARGIN:g}" role="img" aria-label="{escape(self.title)}" '
            f'font-family="{_SANS}" font-size="{_SIZE:g}">',
            f"<title>{escape(self.title)}</title>",
            f'<rect width="100%" height="100%" rx="6" fill="{LIGHT["background"]}"/>',
        ]
        for name, x in places.items():
            parts.append(_lifeline(name, x, bottom))
        for row, (number, one) in enumerate(self._numbered(), 1):
            y = _MARGIN + _HEAD + _STEP * row
            parts.append(_arrow(number, one, places, y))
            if one.when:
                parts.append(
                    f'<text x="{_MARGIN + self._times():g}" y="{y - 5:g}" text-anchor="end" '
                    f'fill="{LIGHT["muted"]}">{escape(printable(one.when))}</text>'
                )
        return "".join([*parts, "</svg>"])

    def _numbered(self) -> Iterator[tuple[str, Message]]:
        """Each message, and its number with a full stop, or nothing where it is no step."""
        steps = count(1)
        for one in self.messages:
            yield (f"{next(steps)}." if one.is_step else ""), one

    def _times(self) -> float:
        """How wide the column of times is, which is 0 without any."""
        return max(width(one.when, _SIZE) for one in self.messages)

    def _own(self) -> list[tuple[str, Message]]:
        return [(number, one) for number, one in self._numbered() if one.source == one.target]

    def _places(self) -> dict[str, float]:
        """The x of each party: far enough apart for every message between neighbours."""
        index = {name: number for number, name in enumerate(self.parties)}
        gaps = [
            (width(a, 12) + width(b, 12)) / 2 + _APART / 2 for a, b in zip(self.parties, self.parties[1:], strict=False)
        ]
        for number, one in self._numbered():
            first, last = sorted((index[one.source], index[one.target]))
            if first == last:
                continue
            missing = width(_words(number, one), _SIZE) + 24 - sum(gaps[first:last])
            if missing > 0:
                gaps[first:last] = [gap + missing / (last - first) for gap in gaps[first:last]]
        x = _MARGIN + self._times() + width(self.parties[0], 12) / 2 + 10
        places = {self.parties[0]: x}
        for name, gap in zip(self.parties[1:], gaps, strict=True):
            x += gap
            places[name] = x
        return places


def _message(line: str) -> Message:
    found = _LINE.fullmatch(line)
    if not found:
        raise BadInput(
            f"{line.strip()!r} is no arrow from somebody to somebody.", "Write it like: a -> b: what is said"
        )
    source, arrow, target, text = found.groups()
    return Message(source, target, text, is_answer=arrow == "-->")


def _words(number: str, one: Message) -> str:
    return f"{number} {shortened(printable(one.text), _MOST)}".lstrip()


def _lifeline(name: str, x: float, bottom: float) -> str:
    wide = width(name, 12) + 16
    return (
        f'<path d="M{x:g} {_MARGIN + 26:g} L{x:g} {bottom:g}" stroke="{LIGHT["line"]}" stroke-dasharray="4 4"/>'
        f'<rect x="{x - wide / 2:g}" y="{_MARGIN:g}" width="{wide:g}" height="26" rx="4" fill="{LIGHT["pod"]}" '
        f'stroke="{LIGHT["line"]}"/>'
        f'<text x="{x:g}" y="{_MARGIN + 17.5:g}" text-anchor="middle" font-size="12" font-weight="bold" '
        f'fill="{LIGHT["text"]}">{escape(printable(name))}</text>'
    )


def _arrow(number: str, one: Message, places: dict[str, float], y: float) -> str:
    start, end = places[one.source], places[one.target]
    colour = LIGHT["way"] if one.is_answer else LIGHT["cable"]
    if start == end:
        if not number:
            return _text(_words(number, one), start + 12 + _INDENT, y)
        dot = f'<circle cx="{start:g}" cy="{y - 4:g}" r="4" fill="{colour}"/>'
        return dot + _text(_words(number, one), start + 12, y)
    way = 1 if end > start else -1
    dashes = ' stroke-dasharray="6 4"' if one.is_answer else ""
    return (
        f'<path d="M{start:g} {y:g} L{end - 3 * way:g} {y:g}" stroke="{colour}" stroke-width="1.6"{dashes}/>'
        f'<path d="M{end:g} {y:g} l{-8 * way:g} -4 l0 8 z" fill="{colour}"/>'
    ) + _text(_words(number, one), (start + end - width(_words(number, one), _SIZE)) / 2, y - 5)


def _text(words: str, x: float, y: float) -> str:
    """Words on a ground of their own, so that no lifeline runs through them."""
    return (
        f'<rect x="{x - 2:g}" y="{y - _SIZE:g}" width="{width(words, _SIZE) + 4:g}" height="{_SIZE + 3:g}" '
        f'fill="{LIGHT["background"]}"/><text x="{x:g}" y="{y:g}" fill="{LIGHT["text"]}">{escape(words)}</text>'
    )
