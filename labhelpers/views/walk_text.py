"""A walk as text: what ``print(walk)`` shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from labhelpers.trace.hop import Walk
from labhelpers.views.walk_layers import Layer
from labhelpers.views.walk_story import Chapter, Step, Verdict, outcome, story, verdict

__all__ = ["WIDEST", "walk_text"]

WIDEST = 104  # characters of a line: what JupyterLab shows beside its file list on a small screen
_STACK = " " * 6
_BETWEEN = " | "


def walk_text(walk: Walk, *, times: bool = False, fragments: bool = False) -> str:
    """The walk in words.  Without ``times`` it is the same from run to run.

    Args:
        times: say how many microseconds after the first hop each one was.
        fragments: tell of each fragment by itself.
    """
    chapters = story(walk, fragments=fragments)
    start = min((hop.stamp for hop in walk.hops), default=0) if times else None
    steps = [step for chapter in chapters for step in chapter.steps]
    table = _Table(steps, start)
    lines = wrap(outcome(walk), WIDEST)
    for chapter in chapters:
        lines += ["", *_chapter(chapter, table)]
    if not walk.hops:
        lines.append("no hop was seen")
    return "\n".join([*lines, *_verdict(verdict(walk))])


def _chapter(chapter: Chapter, table: _Table) -> Iterator[str]:
    yield chapter.packet
    for step in chapter.steps:
        yield from table.lines(step)
        if step.has_other_headers:
            yield from _stack(step)
        if step.left_out:
            yield from wrap(f"… {step.left_out}", WIDEST, initial_indent=_STACK, subsequent_indent=_STACK)
    if chapter.note:
        yield from wrap(chapter.note, WIDEST, initial_indent="  ", subsequent_indent="  ")


class _Table:
    """Columns as wide as the widest cell of all packets."""

    def __init__(self, steps: Sequence[Step], start: int | None) -> None:
        self._start = start
        cells = [self._cells(step) for step in steps]
        self._widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))] if cells else []

    def _cells(self, step: Step) -> list[str]:
        time = [] if self._start is None else [f"+{(step.hop.stamp - self._start) // 1000} µs"]
        return [str(step.number), *time, step.place, step.direction, step.hop.by]

    def lines(self, step: Step) -> list[str]:
        """The step, and what changed beside it on as many lines as it needs."""
        cells = self._cells(step)
        right = 1 if self._start is None else 2  # numbers
        row = "  " + "  ".join(
            cell.rjust(wide) if column < right else cell.ljust(wide)
            for column, (cell, wide) in enumerate(zip(cells, self._widths, strict=True))
        )
        words = _flowing(step.words_beside, max(WIDEST - len(row) - 2, 30))
        return [f"{row if not number else ' ' * len(row)}  {line}".rstrip() for number, line in enumerate(words)]


def _flowing(changes: Sequence[str], wide: int) -> list[str]:
    """The changes on lines of this width, a new line in mid-sentence only where one is longer than a line."""
    lines = [""]
    for number, change in enumerate(changes):
        words = change + (";" if number + 1 < len(changes) else "")
        if lines[-1] and len(lines[-1]) + 1 + len(words) > wide:
            lines.append("")
        first, *others = wrap(f"{lines[-1]} {words}".strip(), wide, break_on_hyphens=False)
        lines[-1:] = [first, *others]
    return lines


def _stack(step: Step) -> Iterator[str]:
    """The headers, those of each packet on lines of their own, the inner ones further to the right."""
    before = f"{_STACK}{step.size}: "
    for depth in sorted({layer.depth for layer in step.layers}):
        inside = [layer for layer in step.layers if layer.depth == depth]
        indent = before if not depth else f"{_STACK}{'  ' * depth}{'quotes' if inside[0].quoted else 'inside'}: "
        yield from _joined(inside, indent)
    if not step.layers:
        yield before.rstrip(": ")


def _joined(layers: Sequence[Layer], indent: str) -> Iterator[str]:
    """Broken only between two headers, as long as one fits on a line."""
    line = indent
    for number, layer in enumerate(layers):
        between = _BETWEEN if number else ""
        if number and len(line) + len(between) + len(str(layer)) > WIDEST:
            yield line
            line, between = " " * len(indent), "| "
        line += between + str(layer)
    yield from wrap(line, WIDEST, drop_whitespace=False) if len(line) > WIDEST else [line]


def _verdict(verdict: Verdict) -> Iterator[str]:
    if verdict.lost:
        yield ""
        yield verdict.lost
    if not verdict.what:
        return
    yield ""
    parts = [("last seen at", verdict.place), ("why", verdict.what)]
    parts += [("evidence", one) for one in verdict.evidence]
    parts.append(("what to do", verdict.to_do))
    for head, words in parts:
        if words:
            indent = f"{head}: "
            yield from wrap(words, WIDEST, initial_indent=indent, subsequent_indent=" " * len(indent))
