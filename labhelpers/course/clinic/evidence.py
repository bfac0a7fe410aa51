"""Evidence: what a command shows while the fault is there, and does not show without it."""

from __future__ import annotations

import re
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from labhelpers.course.clinic.fault import Fault, Step
from labhelpers.course.clinic.ward import Ward
from labhelpers.errors import TimedOut

__all__ = ["do", "is_symptom", "tells"]

#: programs that try whether something works: they show that it is broken, not why
_PROBES = {
    "ping", "curl", "wget", "nc", "ncat", "traceroute", "tracepath", "mtr", "telnet", "iperf3", "arping", "watch",
}  # fmt: skip
#: when something happened says nothing about what
_TIME = re.compile(r"\d\d:\d\d(:\d\d(\.\d+)?)?|\b(\d+[smhd])+\b")
_NUMBER = re.compile(r"\b\d+\b")
#: seconds: a cable has its signal up to a second late, and a daemon hears of a change a moment later
_PATIENCE = 4.0
_OFTEN = 0.1


def do(ward: Ward, steps: Iterable[Step], *, check: bool = False) -> None:
    """Run some commands, one after another.

    Args:
        check: raise LabError if one fails.  A learner may have mended half of it, so that there is nothing to undo.
    """
    for place, command in steps:
        ward.run(place, command, check=check)


def is_symptom(command: str) -> bool:
    """Does the command only try whether something works?"""
    try:
        words = shlex.split(command)
    except ValueError:  # a quotation mark is missing; the shell will say so
        return False
    return any(Path(word).name in _PROBES for word in words)


def tells(ward: Ward, fault: Fault, place: str, command: str) -> bool:
    """Is what the command shows different with the fault and without it?

    The fault is taken away and put back, twice.  What differs each time, such as the hour, is no evidence.  Where the
    learner has mended it already, it stays mended, whatever the command shows.

    Raises:
        NotFound: there is no such place.
    """
    own = ("kubectl" if "/" in fault.where else fault.where, fault.evidence)
    now = _shown(ward, *own)
    seen: list[Counter[str]] = []
    marks: list[Counter[str]] = []
    for steps in (fault.cure, fault.steps, fault.cure, fault.steps):
        do(ward, steps)
        seen.append(_until(lambda: _shown(ward, place, command), seen[-1] if seen else Counter()))
        marks.append(_until(lambda: _shown(ward, *own), marks[-1] if marks else Counter()))
        if len(seen) == 2 and seen[0] == seen[1]:
            break
    if _far(now, marks[0]) < _far(now, marks[1]):
        do(ward, fault.cure)
        _until(lambda: _shown(ward, *own), marks[-1])
    return len(seen) == 4 and seen[0] & seen[2] != seen[1] & seen[3]


def _far(one: Counter[str], other: Counter[str]) -> int:
    """How many lines only one of the two has."""
    return ((one - other) + (other - one)).total()


def _shown(ward: Ward, place: str, command: str) -> Counter[str]:
    """The lines that it shows, each as it is and once more without numbers.

    So a line with the number of a process, as ``ss -ltnp`` has, still says the same after a restart.
    """
    try:
        lines = _TIME.sub("TIME", ward.run(place, command)).splitlines()
    except TimedOut as error:
        lines = [error.what]
    return Counter([*lines, *(_NUMBER.sub("N", line) for line in lines)])


def _until(show: Callable[[], Counter[str]], other: Counter[str]) -> Counter[str]:
    """What is shown as soon as it is not the other any more."""
    end = time.monotonic() + _PATIENCE
    while (seen := show()) == other and time.monotonic() < end:
        time.sleep(_OFTEN)
    return seen
