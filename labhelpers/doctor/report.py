"""The doctor's report: sentences about the chapters, and a table of everything that was tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from labhelpers.course.catalogue import CHAPTERS
from labhelpers.doctor.machine import Machine
from labhelpers.doctor.sentences import about_all, about_one, lacking, spans
from labhelpers.doctor.verdict import ANOTHER_WAY, MISSING, NOT_TRIED, WORKS, Row
from labhelpers.errors import NotFound

if TYPE_CHECKING:
    from labhelpers.views.tables import Table

__all__ = ["Report"]

_NOW = "What is not as it could be"
_COLUMNS = ("status", "of", "what", "chapters", "what to do")


@dataclass(frozen=True, repr=False)
class Report:
    """What this machine can run.  ``report["vxlan"]`` is the row of that id."""

    rows: tuple[Row, ...]
    machine: Machine = field(default_factory=Machine)
    #: the one chapter asked about, ``""`` for all
    chapter: str = ""
    #: why there is no sandbox here, in the sandbox's own words
    refusal: str = ""
    #: why some things were not tried
    trouble: str = ""
    #: what the sandbox could not do as it should
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Do the chapters run here, or the one asked about?"""
        asked = [one for one in CHAPTERS if self.chapter in ("", one.number)]
        return not (self.refusal or self.trouble) and not any(lacking(self.rows, one) for one in asked)

    @property
    def missing(self) -> tuple[Row, ...]:
        """What is not there, and has no other way."""
        return self._with(MISSING)

    @property
    def packages(self) -> tuple[str, ...]:
        """Debian's packages with the programs that are missing."""
        return tuple(dict.fromkeys(row.package for row in self.missing if row.package))

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the table means for the chapters."""
        about = {"refused": bool(self.refusal), "trouble": self.trouble}
        if self.chapter:
            return (about_one(self.rows, self.chapter, **about),)  # type: ignore[arg-type]
        return about_all(self.rows, **about)  # type: ignore[arg-type]

    def __getitem__(self, id: str) -> Row:
        for row in self.rows:
            if row.id == id:
                return row
        raise NotFound(f"There is no {id!r} in this report.", f"It has: {', '.join(row.id for row in self.rows)}.")

    def _with(self, status: str) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.status == status)

    def _attention(self) -> tuple[Row, ...]:
        """What a reader should look at, the worst first."""
        untried = () if self.refusal or self.trouble else self._with(NOT_TRIED)  # else one line is about all of them
        return (*self._with(MISSING), *self._with(ANOTHER_WAY), *untried)

    def _remarks(self) -> list[str]:
        lines = [f"Note: {note}." for note in self.notes]
        untried = len(self._with(NOT_TRIED))
        if untried and (self.refusal or self.trouble):
            lines.append(f"Not tried: {untried} features of the kernel.")
        if len(self.packages) > 1 and self.machine.debian:
            lines.append(f"All missing programs, in a terminal outside: sudo apt-get install {' '.join(self.packages)}")
        return lines

    def _folds(self) -> tuple[tuple[Row, ...], dict[str, tuple[Row, ...]]]:
        """What a reader should look at now, and by its heading what may stay folded."""
        rows = self._attention()
        return (
            tuple(row for row in rows if row.status != ANOTHER_WAY),
            {"What goes another way": tuple(row for row in rows if row.status == ANOTHER_WAY)},
        )

    def __repr__(self) -> str:
        (attention, folds), works = self._folds(), self._with(WORKS)
        blocks = ["\n".join([*self.sentences, f"Here: {self.machine}."]), self.refusal]
        if attention:
            blocks.append(str(_table(_NOW, attention, advice=True)))
        blocks += [str(_table(f"{words}: {len(some)}", some, advice=True)) for words, some in folds.items() if some]
        if works:
            blocks.append(str(_table(f"What works: {len(works)}", works)))
        return "\n\n".join(filter(None, [*blocks, "\n".join(self._remarks())]))

    def _repr_html_(self) -> str:
        (attention, folds), works = self._folds(), self._with(WORKS)
        blocks = [f"<p><b>{'<br>'.join(map(escape, self.sentences))}</b><br>Here: {escape(str(self.machine))}.</p>"]
        if self.refusal:
            blocks.append(f"<pre style='white-space: pre-wrap'>{escape(self.refusal)}</pre>")
        if attention:
            blocks.append(_table(_NOW, attention, advice=True)._repr_html_())
        for words, some in folds.items():
            if some:
                blocks.append(_folded(f"{words}: {len(some)}", _table(words, some, advice=True)))
        if works:
            blocks.append(_folded(f"What works: {len(works)}", _table("What works", works)))
        blocks += [f"<p>{escape(remark)}</p>" for remark in self._remarks()]
        return f"<div role='status'>{''.join(blocks)}</div>"


def _folded(summary: str, table: Table) -> str:
    return f"<details><summary>{escape(summary)}</summary>{table._repr_html_()}</details>"


def _table(caption: str, rows: Sequence[Row], advice: bool = False) -> Table:
    """Rows as a table; those that work need no advice."""
    from labhelpers.views.tables import Table  # its package takes as long to import as all the trials to run

    texts = [(row.status, row.kind, row.what, spans(row.chapters), row.to_do) for row in rows]
    width = len(_COLUMNS) - (not advice)
    return Table(caption, _COLUMNS[:width], tuple(text[:width] for text in texts))
