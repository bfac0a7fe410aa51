"""A case: a network in which something is wrong, the learner's answers, and the debrief."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from html import escape
from typing import Any

from labhelpers.conformance import Row
from labhelpers.course.clinic.chart import chart, note
from labhelpers.course.clinic.evidence import do, is_symptom, tells
from labhelpers.course.clinic.fault import LAYERS, Fault, Step
from labhelpers.course.clinic.ward import WARDS, Ward
from labhelpers.course.exercise import Todo
from labhelpers.course.prose import as_html
from labhelpers.course.settle import settle
from labhelpers.errors import BadInput, LabError, NotFound
from labhelpers.linux.records import Rows
from labhelpers.views.walk_text import walk_text

__all__ = ["Advice", "Answer", "Case", "Debrief"]


class Case:
    """What ``admit`` returns.  In a notebook it shows what somebody complains of.

    Args:
        id: its number.
        level: 1 (found at the first look) to 4.
        faults: what is wrong; two of them are a pair.
        odd: steps that change something and harm nobody.
        ward: a healthy network; by default a new one is built.
    """

    def __init__(
        self, id: str, level: int, faults: tuple[Fault, ...], odd: tuple[Step, ...] = (), ward: Ward | None = None
    ) -> None:
        self.id, self.level, self._faults = id, level, faults
        self._found: set[str] = set()
        self._hints = self._tries = 0
        self._given_up = False
        self._ward = WARDS[faults[0].ward]() if ward is None else ward
        do(self._ward, odd, check=True)
        for fault in faults:
            do(self._ward, fault.steps, check=True)
        self._walks = {fault.id: _shown(self._ward, fault) for fault in faults}
        self._begin = time.monotonic()

    @property
    def gives(self) -> dict[str, Any]:
        """The lab or the cluster, and what is in it, by the names that the notebook gets."""
        return dict(self._ward.gives)

    @property
    def is_here(self) -> bool:
        """Is its network still there?  Another lab or cluster takes its place."""
        return self._ward.exists

    @property
    def solved(self) -> bool:
        """Is everything that is wrong found?"""
        return len(self._found) == len(self._faults)

    def answer(self, where: str, why: str, evidence: str) -> Answer:
        """Say what is wrong.  What you have changed so far stays as it is.

        Args:
            where: the namespace, such as ``"pod-b"`` or ``"node-1"``; or an object, ``"shop/web"``.
            why: one of ``clinic.LAYERS``, such as ``"cable"`` or ``"route"``.
            evidence: a shell command that, run there, shows it.  Its output must be another one without the fault.

        Raises:
            BadInput: ``why`` is none of the layers, or something is no text.
        """
        _require(where, why, evidence)
        self._tries += 1
        open_ = [fault for fault in self._faults if fault.id not in self._found]
        if not open_:
            return Answer((Todo(True, "everything is found already"),), "case.debrief() tells the story.")
        fault = max(open_, key=lambda one: (where in one.places) + (why in one.layers))
        rows = [
            Todo(where in fault.places, f"it is in {where}", "look elsewhere, or follow a packet: where does it end?"),
            Todo(why in fault.layers, f"it is a matter of {why}", "the cause is in another layer, or at another place"),
        ]
        if all(row.ok for row in rows):
            rows.append(self._judged(fault, where, evidence))
        else:
            rows.append(Todo(False, f"`{evidence}` shows it", "it is looked at when the other two are right"))
        if all(row.ok for row in rows):
            self._found.add(fault.id)
        return Answer(tuple(rows), self._then(rows))

    def _judged(self, fault: Fault, where: str, evidence: str) -> Todo:
        what = f"`{evidence}` shows it"
        if is_symptom(evidence):
            return Todo(False, what, "that shows that it does not work; show what is the cause")
        place = where if "/" not in where else "kubectl"
        same = "its output says the same with the fault and without it"
        return Todo(tells(self._ward, fault, place, evidence), what, same)

    def _then(self, rows: list[Todo]) -> str:
        if self.solved:
            self._note()
            return "Solved. Now mend it: case.repaired() tries everything. case.debrief() tells the story."
        if all(row.ok for row in rows):
            return "Right. But that was not all that is wrong here."
        return "Stuck? case.hint()"

    def hint(self) -> Advice:
        """Show the next hint.  Each says more, and the last one stays."""
        hints = [text for fault in self._faults if fault.id not in self._found for text in fault.hints]
        if not hints:
            return Advice("Everything is found.")
        self._hints += 1
        return Advice(hints[min(self._hints, len(hints)) - 1])

    def repaired(self) -> Rows[Row]:
        """Try everything that a healthy network does, with packets.  How you mended it does not matter."""
        settle()
        rows = self._ward.requirements()
        if all(row.ok for row in rows):
            note(self.id, repaired=True)
        return rows

    def debrief(self, give_up: bool = False) -> Debrief:
        """What was wrong, how a packet fared, and how to mend it.

        Args:
            give_up: show it before everything is found.

        Raises:
            NotFound: something is not found yet.
        """
        if not self.solved and not give_up:
            raise NotFound(
                "Something is not found yet.",
                "case.answer(…) when you know, case.hint() if not, or case.debrief(give_up=True).",
            )
        self._given_up = self._given_up or not self.solved
        self._note()
        entry = next(one for one in chart() if one.case == self.id)
        how = "found by you" if entry.solved else "told"
        line = f"{how} after {entry.seconds} s; answers: {entry.answers}, hints: {entry.hints}"
        return Debrief(self._faults, self._walks, line)

    def _note(self) -> None:
        note(
            self.id,
            solved=self.solved and not self._given_up,
            level=self.level,
            seconds=round(time.monotonic() - self._begin),
            hints=self._hints,
            answers=self._tries,
        )

    def _lines(self) -> tuple[str, ...]:
        complaints = (f"“{fault.complaint}”" for fault in self._faults)
        have = f"You have: {', '.join(self._ward.gives)}."
        return (f"Case {self.id}, level {self.level}", self._ward.about, *complaints, have)

    def __repr__(self) -> str:
        return "\n".join(
            (*self._lines(), "Then: case.answer(where, why, evidence), case.hint(), case.repaired(), case.debrief().")
        )

    def _repr_html_(self) -> str:
        title, *rest = self._lines()
        body = "".join(f"<p>{escape(line)}</p>" for line in rest)
        words = (
            "<code>case.answer(where, why, evidence)</code>, <code>case.hint()</code>, <code>case.repaired()</code>, "
        )
        return f"<div><b>{escape(title)}</b>{body}<p>Then: {words}<code>case.debrief()</code>.</p></div>"


@dataclass(frozen=True)
class Advice:
    """A hint, as words."""

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<p>{as_html(self.text)}</p>"


@dataclass(frozen=True)
class Answer:
    """What an answer was worth."""

    rows: tuple[Todo, ...]
    then: str

    @property
    def ok(self) -> bool:
        """Was all of it right?"""
        return all(row.ok for row in self.rows)

    def __repr__(self) -> str:
        lines = []
        for row in self.rows:
            lines.append(f"  [{'x' if row.ok else ' '}] {row.what}")
            if row.why and not row.ok:
                lines.append(f"      {row.why}")
        return "\n".join([*lines, self.then])

    def _repr_html_(self) -> str:
        items = "".join(
            f"<li>{'✓' if row.ok else '✗'} {as_html(row.what)}"
            + (f"<br><small>{escape(row.why)}</small>" if row.why and not row.ok else "")
            + "</li>"
            for row in self.rows
        )
        listed = f"<ul style='list-style: none; padding-left: 1em'>{items}</ul>"
        return f"<div role='status'>{listed}<p>{escape(self.then)}</p></div>"


@dataclass(frozen=True)
class Debrief:
    """The story of a case."""

    faults: tuple[Fault, ...]
    walks: dict[str, str] = field(hash=False)
    line: str = ""

    def __repr__(self) -> str:
        parts = []
        for fault in self.faults:
            parts += [
                f"{fault.where}: {fault.layer}. {fault.story}",
                "What broke it:\n" + "\n".join(f"  {step}" for step in fault.steps),
                f"What shows it, in {fault.where}:\n  {fault.evidence}",
                "One way to mend it:\n" + "\n".join(f"  {step}" for step in fault.cure),
            ]
            if self.walks.get(fault.id):
                parts.append(f"How a packet fared, {' to '.join(fault.between)}:\n{self.walks[fault.id]}")
        return "\n\n".join([*parts, self.line]).rstrip()


def _require(where: object, why: object, evidence: object) -> None:
    for name, value in (("where", where), ("why", why), ("evidence", evidence)):
        if not isinstance(value, str) or not value.strip():
            raise BadInput(f"{name}={value!r} is no text.", 'Write answer("node-1", "route", "ip route").')
    if why not in LAYERS:
        raise BadInput(f"There is no layer {why!r}.", f"Choose one of {', '.join(LAYERS)}.")


def _shown(ward: Ward, fault: Fault) -> str:
    try:
        return walk_text(ward.show(fault.between))
    except LabError as error:  # such as: nobody has that address
        return error.what
