"""What an exercise is, and what a look at the kernel found out about it.

An exercise is judged by the state of the kernel, never by what was typed.  Its ``rows`` function looks at
the kernel and yields a to-do list.  Its ``start``, ``solution`` and ``broken`` are texts of a notebook cell:
what is shown to the learner is exactly what the tests run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from importlib.metadata import version
from textwrap import dedent
from typing import Any, NamedTuple

from labhelpers.course.prose import as_html
from labhelpers.course.settle import settle
from labhelpers.errors import LabError

__all__ = ["METADATA", "Exercise", "Report", "Todo"]

#: where a saved notebook keeps what ``python -m labhelpers.course report`` reads
METADATA = "pod-networking"


class Todo(NamedTuple):
    """One line of the to-do list: is it done, what is asked, and what was seen while it is not done."""

    ok: bool
    what: str
    why: str = ""


@dataclass(frozen=True)
class Exercise:
    """One exercise of a chapter: ``"1.2"`` is the second of chapter 01."""

    id: str
    title: str
    #: one or two sentences; the notebook says more
    task: str
    #: looks at the kernel and yields the to-do list
    rows: Callable[[], Iterable[Todo]]
    #: each says a little more than the one before
    hints: tuple[str, ...]
    #: a notebook cell that solves it
    solution: str
    #: a notebook cell with a mistake people make; ``check`` must not accept it
    broken: str
    #: a notebook cell that builds what the exercise begins with
    start: str = ""
    #: names of the namespaces that belong to it; starting over removes them
    places: tuple[str, ...] = ()
    #: the variables and expressions that the learner has after ``start``
    gives: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("solution", "broken", "start"):
            object.__setattr__(self, name, dedent(getattr(self, name)).strip())

    @property
    def chapter(self) -> str:
        """The number of the chapter as the file name has it: ``"01"``."""
        return self.id.partition(".")[0].zfill(2)

    def look(self) -> Report:
        """Change nothing: look at the kernel and report.

        A thing that is not there yet is normal in an exercise and no error: the list ends there.
        """
        found: list[Todo] = []
        then = f'Stuck? hint("{self.id}")   Begin again? start("{self.id}")'
        settle()
        try:
            found.extend(self.rows())
        except LabError as error:
            if all(row.ok for row in found):
                found.append(Todo(False, "what the exercise needs is there", error.what))
                then = f'Run start("{self.id}") first.' if self.start else then
        done = bool(found) and all(row.ok for row in found)
        return Report(self.id, self.title, tuple(found), "" if done else then)


@dataclass(frozen=True)
class Report:
    """The to-do list of one exercise at one moment.  Notebooks show it as a list, terminals as text."""

    id: str
    title: str
    rows: tuple[Todo, ...]
    #: the last line: where to go from here
    then: str = ""
    #: how many checks it took up to now; 0 where nobody counts
    attempt: int = 0

    @property
    def ok(self) -> bool:
        """Is everything done?"""
        return bool(self.rows) and all(row.ok for row in self.rows)

    @property
    def _headline(self) -> str:
        return f"Exercise {self.id}, {self.title}: {'passed' if self.ok else 'not yet'}"

    def __repr__(self) -> str:
        lines = [self._headline]
        for row in self.rows:
            lines.append(f"  [{'x' if row.ok else ' '}] {row.what}")
            if row.why and not row.ok:
                lines.append(f"      seen: {row.why}")
        return "\n".join([*lines, self.then]).rstrip()

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        """Nothing more to see, and what a saved notebook keeps for the teacher."""
        if not self.attempt:
            return {}, {}
        kept = {
            "exercise": self.id,
            "passed": self.ok,
            "attempt": self.attempt,
            "version": version("pod-networking-course"),
        }
        return {}, {METADATA: kept}

    def _repr_html_(self) -> str:
        items = "".join(
            f"<li>{'✓ done:' if row.ok else '○ to do:'} {escape(row.what)}"
            + (f"<br><small>seen: {escape(row.why)}</small>" if row.why and not row.ok else "")
            + "</li>"
            for row in self.rows
        )
        last = f"<p style='white-space: pre-wrap'>{as_html(self.then)}</p>" if self.then else ""
        return (
            f"<div role='status'><b>{escape(self._headline)}</b>"
            f"<ul style='list-style: none; padding-left: 1em'>{items}</ul>{last}</div>"
        )
