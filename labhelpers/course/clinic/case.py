"""A case: a network in which something is wrong, the learner's answers, and the debrief."""

from __future__ import annotations

import time
from dataclasses import dataclass
from html import escape
from typing import Any

from labhelpers.conformance import Row
from labhelpers.course.clinic.chart import Entry, earlier, note
from labhelpers.course.clinic.debrief import Debrief
from labhelpers.course.clinic.evidence import break_in, do, is_several, is_symptom, tells
from labhelpers.course.clinic.fault import Disguise, Fault
from labhelpers.course.clinic.fault import layer as layer_of
from labhelpers.course.clinic.ward import WARDS, Ward
from labhelpers.course.exercise import Todo
from labhelpers.course.prose import as_html
from labhelpers.course.settle import settle
from labhelpers.errors import BadInput, LabError, NotFound
from labhelpers.lab import Namespace
from labhelpers.linux.records import Rows
from labhelpers.trace import Walk

__all__ = ["Advice", "Answer", "Case"]

_OFTEN = 0.2  # seconds


class Case:
    """What ``admit`` returns.  In a notebook it shows what somebody complains of.

    Args:
        id: its number.
        level: 1 (found at the first look) to 4.
        faults: what is wrong; two of them are a pair.
        disguise: what looks wrong and harms nobody.
        complaint: what is said; by default what the faults say.
        ward: a healthy network; by default a new one is built.

    Raises:
        LabError: the network could not be built, or not be broken.
    """

    def __init__(
        self,
        id: str,
        level: int,
        faults: tuple[Fault, ...],
        disguise: Disguise | None = None,
        complaint: str = "",
        ward: Ward | None = None,
    ) -> None:
        self.id, self.level, self._faults, self._disguise = id, level, faults, disguise
        self._complaints = (complaint,) if complaint else tuple(fault.complaint for fault in faults)
        self._found: set[str] = set()
        self._hinted = dict.fromkeys((fault.id for fault in faults), 0)
        self._tries = self._seconds = 0
        self._given_up = self._well = False
        self._ward = WARDS[faults[0].ward]() if ward is None else ward
        self._names = tuple(self._ward.gives)
        do(self._ward, disguise.steps if disguise else (), check=True)
        self._marks = {fault.id: break_in(self._ward, fault) for fault in faults}
        shown = {fault.id: _shown(self._ward, fault) for fault in faults}
        self._walks = {id: walk for id, walk in shown.items() if walk is not None}
        self._begin = time.monotonic()
        self._before = earlier(id)
        self._note()

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

    @property
    def hints(self) -> int:
        """How many hints were shown."""
        return sum(self._hinted.values())

    def answer(self, where: Namespace | str, why: str, evidence: str) -> Answer:
        """Say what is wrong.  What you have changed so far stays as it is.

        Args:
            where: the namespace, such as ``"pod-b"`` or ``"node-1"``; or an object, ``"shop/web"``.
            why: one of ``clinic.LAYERS``, such as ``"cable"`` or ``"route"``, or another word for it.
            evidence: one shell command, perhaps with pipes, that, run there, shows it.  Its output must be another one
                without the fault.

        Raises:
            BadInput: ``why`` is none of the layers, something is no text, or the evidence is several commands.  That
                counts as no answer.
            NotFound: there is no such place, or the network of this case is gone.
        """
        if isinstance(where, Namespace):
            where = where.name
        _require(where, why, evidence)
        layer, evidence = layer_of(why), evidence.strip().removeprefix("!").strip()
        if self.solved:
            return Answer((Todo(True, "everything is found already"),), "case.debrief() tells the story.")
        self._require_network()
        where = self._ward.place(where.strip())
        self._tries += 1
        open_ = [fault for fault in self._faults if fault.id not in self._found]
        if any(where in one.places and layer in one.layers for one in self._faults if one not in open_):
            return Answer((Todo(True, "that is found already"),), "Something else is wrong as well. Stuck? case.hint()")
        fault = max(open_, key=lambda one: (where in one.places) + (layer in one.layers))
        rows = [
            Todo(where in fault.places, f"it is in {where}", "look elsewhere, or follow a packet: where does it end?"),
            Todo(layer in fault.layers, f"it is a matter of {layer}", "the cause is in another layer, or elsewhere"),
        ]
        if all(row.ok for row in rows):
            rows.append(self._judged(fault, where, evidence))
        else:
            rows.append(Todo(False, f"`{evidence}` shows it", "it is looked at when the other two are right"))
        if all(row.ok for row in rows):
            self._found.add(fault.id)
        self._note()
        return Answer(tuple(rows), self._then(rows))

    def _judged(self, fault: Fault, where: str, evidence: str) -> Todo:
        what = f"`{evidence}` shows it"
        if is_symptom(evidence):
            return Todo(False, what, "that shows that it does not work; show what is the cause")
        why_not = tells(self._ward, fault, self._marks[fault.id], where, evidence)
        return Todo(not why_not, what, why_not)

    def _then(self, rows: list[Todo]) -> str:
        if self.solved:
            return "Solved. Now mend it: case.repaired() tries everything. case.debrief() tells the story."
        if all(row.ok for row in rows):
            return "Right. But that was not all that is wrong here."
        return "Stuck? case.hint()"

    def hint(self) -> Advice:
        """Show the next hint.  Each says more, and the last one stays; it counts once."""
        fault = next((one for one in self._faults if one.id not in self._found), None)
        if fault is None:
            return Advice("Everything is found.")
        shown = min(self._hinted[fault.id] + 1, len(fault.hints))
        self._hinted[fault.id] = shown
        self._note()
        return Advice(f"Hint {shown} of {len(fault.hints)}: {fault.hints[shown - 1]}")

    def repaired(self) -> Rows[Row]:
        """Try everything that a healthy network does, with packets.  How you mended it does not matter.

        Where daemons have to hear of a change first, it is tried for some seconds.

        Raises:
            NotFound: the network of this case is gone.
        """
        self._require_network()
        settle()
        end = time.monotonic() + self._ward.patience
        rows = self._ward.requirements()
        while not all(row.ok for row in rows) and time.monotonic() < end:
            time.sleep(_OFTEN)
            rows = self._ward.requirements()
        if all(row.ok for row in rows):
            self._well = True
            self._note()
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
        how = "told" if self._given_up else "found by you"
        line = f"{how} after {self._seconds} s; answers: {self._tries}, hints: {self.hints}"
        return Debrief(self._faults, self._walks, line, self._disguise)

    def _require_network(self) -> None:
        if not self.is_here:
            raise NotFound(
                f"The network of case {self.id} is gone: another lab or cluster took its place.",
                f'case = clinic.admit("{self.id}") builds it again.',
            )

    def _note(self) -> None:
        if not self._seconds or not (self.solved or self._given_up):
            self._seconds = round(time.monotonic() - self._begin)
        if self.solved or self._given_up:
            self._seconds = max(1, self._seconds)  # from now on it stays
        note(
            Entry(
                self.id,
                level=self.level,
                layer=", ".join(fault.layer for fault in self._faults) if self.solved or self._given_up else "",
                solved=self.solved and not self._given_up,
                told=self._given_up,
                repaired=self._well,
                seconds=self._seconds,
                hints=self.hints,
                answers=self._tries,
            ),
            self._before,
        )

    def _lines(self) -> tuple[str, ...]:
        complaints = (f"“{complaint}”" for complaint in self._complaints)
        have = f"You have: {', '.join(self._names)}."
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


def _require(where: object, why: object, evidence: object) -> None:
    for name, value in (("where", where), ("why", why), ("evidence", evidence)):
        if not isinstance(value, str) or not value.strip():
            raise BadInput(f"{name}={value!r} is no text.", 'Write answer("node-1", "route", "ip route").')
    if is_several(str(evidence).strip()):
        raise BadInput(
            "The evidence is several commands, and a piece of evidence is one.",
            "Choose the one that shows it; pipes are fine: `ip route | grep default`.",
        )


def _shown(ward: Ward, fault: Fault) -> Walk | str | None:
    try:
        return ward.show(fault)
    except LabError as error:
        return error.what
