"""What is asked of a machine, and what it answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Feature", "Instead", "Outcome", "Probe", "Program", "chapters"]


@dataclass(frozen=True)
class Instead:
    """What the course does where the probe fails, and the ids of the probes that must work for it."""

    text: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One thing the course needs."""

    id: str
    #: what it is, in the learner's words
    what: str
    #: the numbers of the chapters that need it
    chapters: tuple[str, ...]
    #: of which of these chapters only a part needs it, and which; "" where another probe says whether the part works
    parts: tuple[tuple[str, str], ...] = ()
    instead: Instead | None = None


@dataclass(frozen=True, kw_only=True)
class Feature(Probe):
    """Something the kernel does."""

    #: does it once and takes it back; raises if the kernel refuses
    trial: Callable[[], None]
    #: where the trial runs: in a child process, or in a throw-away network namespace
    in_namespace: bool = True
    #: the kernel module that has it
    module: str = ""
    #: loading the module makes interfaces appear in every namespace, also the machine's own
    seen_outside: bool = False
    #: what to do where the kernel says that we may not
    permit: str = ""


@dataclass(frozen=True, kw_only=True)
class Program(Probe):
    """Something installed."""

    #: Debian's name for the package
    package: str
    #: the files that must be there, by default one with the name of the id
    files: tuple[str, ...] = ()
    #: folders to look in besides the PATH
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What a trial came to.  ``ok`` is ``None`` if it was not tried; ``said`` is then the reason."""

    ok: bool | None
    said: str = ""
    errno: int = 0
    #: what exactly was refused, a file or a kind of namespace
    subject: str = ""


def chapters(*ranges: str) -> tuple[str, ...]:
    """``chapters("00-02", "06")`` is 00, 01, 02 and 06."""
    found: list[str] = []
    for one in ranges:
        first, _, last = one.partition("-")
        found += [f"{number:02}" for number in range(int(first), int(last or first) + 1)]
    return tuple(found)
