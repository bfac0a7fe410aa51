"""A walk as a picture in HTML: each hop a row, its headers as boxes, one inside the other in a tunnel.

It has no script, no style sheet and nothing from outside: JupyterLab shows it in a notebook that is not trusted yet.
Every box brings its own ground, so that its words can be read in both themes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from labhelpers.trace.hop import Walk
from labhelpers.views.walk_layers import Layer
from labhelpers.views.walk_story import Chapter, Step, Verdict, outcome, story, verdict

__all__ = ["COLOURS", "INK", "MARKED", "OTHER", "walk_html"]

#: the ground of a protocol's box; INK keeps a contrast of 7:1 or better on each, which a test computes
COLOURS = {
    "Ethernet": "#dfe5ec",
    "802.1Q": "#dfe5ec",
    "ARP": "#dfe5ec",
    "IPv4": "#c9e3f7",
    "IPv6": "#c9e3f7",
    "IPv6 fragment": "#c9e3f7",
    "UDP": "#f7ecb5",
    "TCP": "#cdeee4",
    "ICMP": "#d6efc8",
    "ICMPv6": "#d6efc8",
    "VXLAN": "#fbd9b8",
    "WireGuard": "#f3d3e6",
    "encrypted": "#e3d6f0",
}
OTHER = COLOURS["Ethernet"]
INK = "#1b1f24"
#: the ground of a field that is different from the hop before; it is bold and underlined besides
MARKED = "#ffd84d"
_EDGE, _NEW = "#57606a", "#a8457f"
_MONO = "font-family: DejaVu Sans Mono, Menlo, Consolas, monospace"
_CELL = "text-align: left; vertical-align: top; padding: 3px 8px"
_QUIET = "opacity: 0.75"


def walk_html(walk: Walk, *, narrow: bool = False) -> str:
    """The walk as HTML.

    Args:
        narrow: in a column of 400 pixels, for two walks side by side.
    """
    parts = [f'<p style="margin: 4px 0"><b>{escape(outcome(walk))}</b></p>']
    parts += [_chapter(chapter, narrow=narrow) for chapter in story(walk)]
    if not walk.hops:
        parts.append("<p>no hop was seen</p>")
    return f"<div>{''.join(parts)}{_verdict(verdict(walk))}</div>"


def _chapter(chapter: Chapter, *, narrow: bool) -> str:
    what = "headers, and what changed"
    heads = ["", f"place, {what}"] if narrow else ["", "place", what]
    head = "".join(f'<th scope="col" style="{_CELL}">{name}</th>' for name in heads)
    rows = "".join(row for step in chapter.steps for row in _rows(step, len(heads), narrow=narrow))
    table = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>" if rows else ""
    note = f'<p style="margin: 2px 0 10px; {_QUIET}">{escape(chapter.note)}</p>' if chapter.note else ""
    caption = f'<caption style="text-align: left; padding: 4px 0"><b>{escape(chapter.packet)}</b></caption>'
    style = "margin: 6px 0 0; border-collapse: collapse; font-size: 12px"
    return f'<table style="{style}">{caption}{table}</table>{note}'


def _rows(step: Step, columns: int, *, narrow: bool) -> Iterator[str]:
    name = f'<span style="{_MONO}">{escape(step.place)}</span>'
    place = f"→ {name}" if step.direction == "in" else f"{name} →"
    how = f'<span style="{_QUIET}">{escape(step.hop.by)}, {escape(step.size)}</span>'
    place = f"{place} {how}" if narrow else f"{place}<br>{how}"
    words = "<br>".join(escape(one) for one in step.words_beside)
    shown = [_Boxes(step, 10 if narrow else 11).html(), words]
    cells = [_side_by_side([place, *shown])] if narrow else [place, _side_by_side(shown)]
    row = [f'<td style="{_CELL}; {_QUIET}">{step.number}</td>']
    for number, cell in enumerate(cells):
        kept = "white-space: nowrap; " if number + 1 < len(cells) else ""
        row.append(f'<td style="{kept}{_CELL}">{cell}</td>')
    yield f"<tr>{''.join(row)}</tr>"
    if step.left_out:
        yield f'<tr><td style="{_CELL}" colspan="{columns}"><i>… {escape(step.left_out)}</i></td></tr>'


def _side_by_side(parts: Sequence[str]) -> str:
    """Beside each other where there is room, else one below the other."""
    inside = "".join(f"<div>{part}</div>" for part in parts if part)
    return f'<div style="display: flex; flex-wrap: wrap; gap: 2px 14px">{inside}</div>'


class _Boxes:
    """The headers of a hop as boxes, those inside a tunnel in a frame of its colour."""

    def __init__(self, step: Step, size: int) -> None:
        self._open, self._packets = step.has_other_headers, _by_depth(step.layers)
        self._box = (
            f"display: inline-block; vertical-align: top; margin: 1px; padding: 1px {size - 6}px; border-radius: 3px; "
            f"line-height: 1.35; color: {INK}; font-size: {size}px; {_MONO}"
        )

    def html(self) -> str:
        return self._nested(self._packets)

    def _nested(self, packets: Sequence[Sequence[Layer]]) -> str:
        if not packets:
            return ""
        boxes = "".join(self._one(layer) for layer in packets[0])
        inside = self._nested(packets[1:])
        if not inside:
            return boxes
        frame = "display: inline-block; vertical-align: top; margin: 1px; border-radius: 5px; border: 3px solid"
        return f'{boxes}<span style="{frame} {COLOURS.get(packets[0][-1].protocol, OTHER)}">{inside}</span>'

    def _one(self, layer: Layer) -> str:
        """A header: its name, and its fields where they are new or one of them changed."""
        fields = layer.fields if self._open or any(field.changed for field in layer.fields) else ()
        words = "".join(
            f"<br>{_mark(escape(field.words)) if field.changed else escape(field.words)}" for field in fields
        )
        edge = f"2px solid {_NEW}" if layer.is_new else f"1px solid {_EDGE}"
        ground = COLOURS.get(layer.protocol, OTHER)
        name = f"<b>{escape(layer.protocol)}</b>"
        return f'<span style="{self._box}; border: {edge}; background: {ground}">{name}{words}</span>'


def _by_depth(layers: Sequence[Layer]) -> list[list[Layer]]:
    return [list(group) for _, group in groupby(layers, key=lambda layer: layer.depth)]


def _mark(words: str) -> str:
    return f'<b style="background: {MARKED}; color: {INK}; text-decoration: underline">{words}</b>'


def _verdict(verdict: Verdict) -> str:
    parts = [f"<p>{escape(verdict.lost)}</p>"] if verdict.lost else []
    if verdict.what:
        place = f"Last seen at <b>{escape(verdict.place)}</b>. " if verdict.place else ""
        lines = [f"{place}<b>{escape(verdict.what)}</b>"]
        lines += [f"evidence: {escape(one)}" for one in verdict.evidence]
        lines += [f"what to do: {escape(verdict.to_do)}"] if verdict.to_do else []
        parts.append(
            f'<div style="margin: 8px 0; padding: 6px 12px; border: 1px solid #a33400; border-left: 6px solid #a33400; '
            f'border-radius: 4px; background: #fdeee8; color: {INK}">{"<br>".join(lines)}</div>'
        )
    return "".join(parts)
