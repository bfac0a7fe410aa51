"""``start``, ``check``, ``hint``, ``solution``: the words of every exercise.

The environment variable ``POD_NETWORKING_SOLVE`` is for the tests of the course.  With ``1``, ``check`` first
runs the reference solution and raises if that does not pass.  With ``broken`` it first runs the broken
solution, which must make it raise.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from html import escape

from IPython.core.interactiveshell import InteractiveShell

from labhelpers.course import attempts, catalogue
from labhelpers.course.exercise import Report
from labhelpers.course.progress import after, remember
from labhelpers.course.prose import as_html
from labhelpers.course.questions import lab_of_notebook
from labhelpers.course.settle import settle
from labhelpers.errors import ExpectationFailed

__all__ = ["Hint", "Solution", "check", "hint", "solution", "start"]

_hints_given: dict[str, int] = {}


def start(id: str) -> None:
    """Build what exercise ``id`` begins with.  What an earlier try made is removed first.

    Raises:
        NotFound: there is no such exercise.
    """
    exercise = catalogue.find(id)
    for place in exercise.places:
        if os.path.exists(f"/run/netns/{place}"):
            lab_of_notebook()[place].delete()
    if exercise.start:
        _run_cell(exercise.start)
    settle()
    have = f" You have: {', '.join(exercise.gives)}." if exercise.gives else ""
    print(f"Exercise {id}, {exercise.title}: ready.{have}")


def check(id: str) -> Report:
    """Change nothing: look at the kernel and show the to-do list of exercise ``id``.  A pass is remembered.

    Raises:
        NotFound: there is no such exercise.
    """
    exercise = catalogue.find(id)
    solve = os.environ.get("POD_NETWORKING_SOLVE", "")
    if not solve:
        report = exercise.look()
        if not os.environ.get("POD_NETWORKING_STATIC"):  # a recorded chapter is nobody's attempt
            report = replace(report, attempt=attempts.count(id))
        if report.ok:
            remember(id)
            report = replace(report, then=after(id))
        return report
    _run_cell(exercise.broken if solve == "broken" else exercise.solution)
    report = exercise.look()
    if not report.ok:
        raise ExpectationFailed(f"exercise {id} to pass with this solution", f"\n{report!r}")
    return report


def hint(id: str) -> Hint:
    """Change nothing: show the next hint for exercise ``id``.  Each says more; the last one stays."""
    hints = catalogue.find(id).hints
    number = _hints_given[id] = min(_hints_given.get(id, 0) + 1, len(hints))
    return Hint(id, number, len(hints), hints[number - 1])


def solution(id: str) -> Solution:
    """Change nothing: show one way to solve exercise ``id``, ready to be copied into a cell."""
    return Solution(id, catalogue.find(id).solution)


@dataclass(frozen=True)
class Hint:
    """One hint."""

    id: str
    number: int
    of: int
    text: str

    @property
    def _then(self) -> str:
        return f'hint("{self.id}")' if self.number < self.of else f'solution("{self.id}")'

    def __repr__(self) -> str:
        return f"Hint {self.number} of {self.of}: {self.text}\nStill stuck? {self._then}"

    def _repr_html_(self) -> str:
        return (
            f"<div role='status'><b>Hint {self.number} of {self.of}</b><p>{as_html(self.text)}</p>"
            f"<p>Still stuck? {as_html(self._then)}</p></div>"
        )


@dataclass(frozen=True)
class Solution:
    """One way to solve an exercise.  A notebook keeps it folded until it is clicked."""

    id: str
    cell: str

    def __repr__(self) -> str:
        return f"One way to solve {self.id}:\n\n{self.cell}"

    def _repr_html_(self) -> str:
        return (
            f"<details><summary>One way to solve {escape(self.id)} (click to open)</summary>"
            f"<pre>{escape(self.cell)}</pre></details>"
        )


def _run_cell(cell: str) -> None:
    """Run the text of a cell as if the learner had typed it here."""
    shell = InteractiveShell.instance()
    shell.run_cell(cell, silent=True).raise_error()
