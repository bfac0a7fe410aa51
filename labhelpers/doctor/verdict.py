"""From what the trials came to, to what that means: works, another way, missing, and what to do."""

from __future__ import annotations

import errno as e
from collections.abc import Mapping
from dataclasses import dataclass

from labhelpers.doctor.features import AS_ROOT, FEATURES
from labhelpers.doctor.machine import Machine
from labhelpers.doctor.modules import advice
from labhelpers.doctor.probe import Feature, Instead, Outcome, Probe, Program
from labhelpers.doctor.programs import PROGRAMS

__all__ = ["ANOTHER_WAY", "MISSING", "NOT_TRIED", "PROBES", "WORKS", "Row", "rows"]

WORKS, ANOTHER_WAY, MISSING, NOT_TRIED = "works", "another way", "missing", "not tried"
PROBES: tuple[Probe, ...] = (*FEATURES, *PROGRAMS)

_LACKS = frozenset(
    {e.EOPNOTSUPP, e.ENODEV, e.ENXIO, e.ENOENT, e.ENOSYS, e.EAFNOSUPPORT, e.EPROTONOSUPPORT, e.ESOCKTNOSUPPORT}
)
_DENIED = frozenset({e.EPERM, e.EACCES, e.EROFS})


@dataclass(frozen=True)
class Row:
    """One line of the report."""

    id: str
    what: str
    #: ``works``, ``another way``, ``missing`` or ``not tried``
    status: str
    #: the chapters it touches
    chapters: tuple[str, ...]
    #: what to do about it, or how the course does without
    to_do: str = ""
    #: what the kernel said, or where was looked
    said: str = ""
    #: Debian's package, for a program
    package: str = ""
    #: as the probe has it: chapters of which only a part needs it, and the part
    parts: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """What it is, without what it is for."""
        return self.what.partition(":")[0]

    @property
    def kind(self) -> str:
        """Who has it or has it not: the ``kernel``, or the machine as a ``program``."""
        return "program" if self.package else "kernel"

    @property
    def ok(self) -> bool:
        """Can a chapter that needs it run, perhaps another way?"""
        return self.status in (WORKS, ANOTHER_WAY)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return f"{self.what}: {self.status}" + (f"; {self.to_do}" if self.to_do else "")

    __repr__ = __str__


def rows(outcomes: Mapping[str, Outcome], machine: Machine) -> tuple[Row, ...]:
    """One row a probe, in the order of the declarations.  A probe without an outcome was not tried."""
    return tuple(_row(probe, outcomes, machine) for probe in PROBES)


def _row(probe: Probe, outcomes: Mapping[str, Outcome], machine: Machine) -> Row:
    outcome = outcomes.get(probe.id, Outcome(None, "there was nothing to try it in"))
    status, to_do = _judge(probe, outcome, outcomes, machine)
    package = probe.package if isinstance(probe, Program) else ""
    return Row(probe.id, probe.what, status, probe.chapters, to_do, outcome.said, package, probe.parts)


def _judge(probe: Probe, outcome: Outcome, outcomes: Mapping[str, Outcome], machine: Machine) -> tuple[str, str]:
    if outcome.ok is None:
        return NOT_TRIED, outcome.said
    if outcome.ok:
        return WORKS, ""
    why, fix = _program(probe, machine) if isinstance(probe, Program) else _feature(probe, outcome, machine)
    if probe.instead:
        lacks = [one.what.partition(":")[0] for one in PROBES if one.id in _lacking(probe.instead, outcomes)]
        if not lacks:
            way = f"{why}; the course takes another way: {probe.instead.text}"
            return ANOTHER_WAY, f"{way}. To have it all the same: {fix}" if fix else way
        if not fix:
            return MISSING, f"{why}, and the other way, {probe.instead.text}, lacks {', '.join(lacks)}"
    return MISSING, f"{why}: {fix}" if fix else why


def _lacking(instead: Instead, outcomes: Mapping[str, Outcome]) -> list[str]:
    return [id for id in instead.needs if not outcomes.get(id, Outcome(None)).ok]


def _program(program: Probe, machine: Machine) -> tuple[str, str]:
    assert isinstance(program, Program)
    if machine.debian:
        return "not installed", f"sudo apt-get install {program.package}"
    return "not installed", f"install what Debian calls {program.package}"


def _feature(feature: Probe, outcome: Outcome, machine: Machine) -> tuple[str, str]:
    """Why it does not work, and the command that would change that, if there is one."""
    assert isinstance(feature, Feature)
    if outcome.errno == e.ENOSPC:
        kind = outcome.subject or "user"
        return "a limit forbids it", f"sudo sysctl -w user.max_{kind}_namespaces=10000"
    if outcome.errno in _DENIED:
        return "not permitted here", "" if machine.root and feature.permit == AS_ROOT else feature.permit
    if outcome.errno in _LACKS:
        fix = advice(feature.module, machine)
        if fix:
            return "this kernel has not loaded it", fix
        return ("this kernel has no module for it" if machine.modular else "this kernel was built without it"), ""
    return f"it did not work: {outcome.said}", ""
