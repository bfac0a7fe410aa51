"""The debrief of a case: what was wrong, how a packet fared, and how it can be mended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import NamedTuple

from labhelpers.course.clinic.fault import Disguise, Fault, Step
from labhelpers.course.prose import as_html
from labhelpers.trace import Walk
from labhelpers.views.walk_html import walk_html
from labhelpers.views.walk_text import walk_text

__all__ = ["Debrief"]


class _Part(NamedTuple):
    """A headline, and one of three: a sentence, commands, or a walk."""

    head: str
    sentence: str = ""
    commands: tuple[str, ...] = ()
    walk: Walk | None = None

    def as_text(self) -> str:
        if self.walk is not None:
            return f"{self.head}\n{walk_text(self.walk)}"
        if self.commands:
            return "\n  ".join((self.head, *self.commands))
        return f"{self.head} {self.sentence}"

    def as_html(self) -> str:
        head = f"<b>{escape(self.head)}</b>"
        if self.walk is not None:
            return f"<details open><summary>{head}</summary>{walk_html(self.walk)}</details>"
        if self.commands:
            typed = escape("\n".join(self.commands))
            return f"<p style='margin: 10px 0 2px'>{head}</p><pre style='margin: 0 0 10px 1em'>{typed}</pre>"
        return f"<p>{head} {as_html(self.sentence)}</p>"


@dataclass(frozen=True)
class Debrief:
    """The story of a case."""

    faults: tuple[Fault, ...]
    #: of each fault that a packet meets: how it fared, or why none could be sent
    walks: dict[str, Walk | str] = field(hash=False)
    line: str = ""
    disguise: Disguise | None = None

    def _parts(self) -> Iterator[_Part]:
        for fault in self.faults:
            place = "" if fault.own.place == "kubectl" else f", in {fault.where}"
            yield _Part(f"{fault.where}: {fault.layer}.", fault.story)
            yield _Part("What broke it:", commands=_typed(fault.steps))
            yield _Part(f"What shows it{place}:", commands=(fault.evidence,))
            yield _Part("One way to mend it:", commands=_typed(fault.cure))
            fared = self.walks.get(fault.id)
            if fared is not None:
                head = f"How a packet fared, {' to '.join(fault.between)}:"
                yield _Part(head, fared) if isinstance(fared, str) else _Part(head, walk=fared)
        if self.disguise:
            yield _Part("What looked wrong, and harmed nobody:", self.disguise.story)
            yield _Part("It was put there by:", commands=_typed(self.disguise.steps))
        yield _Part(self.line)

    def __repr__(self) -> str:
        return "\n\n".join(part.as_text() for part in self._parts()).rstrip()

    def _repr_html_(self) -> str:
        return f"<div>{''.join(part.as_html() for part in self._parts())}</div>"


def _typed(steps: tuple[Step, ...]) -> tuple[str, ...]:
    return tuple(str(step) for step in steps)
