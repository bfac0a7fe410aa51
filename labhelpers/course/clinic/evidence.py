"""Evidence: what a command shows while the fault is there, and does not show without it."""

from __future__ import annotations

import re
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from operator import ne
from pathlib import Path

from labhelpers.course.clinic.fault import Fault, Step
from labhelpers.course.clinic.ward import Ward
from labhelpers.errors import TimedOut

__all__ = ["Marks", "break_in", "do", "is_several", "is_symptom", "tells"]

#: programs that try whether something works: they show that it is broken, not why
_PROBES = {
    "ping", "curl", "wget", "nc", "ncat", "traceroute", "tracepath", "mtr", "telnet", "iperf3", "arping", "watch",
}  # fmt: skip
_SHELLS = {"sh", "bash", "dash", "ash"}
#: what a shell does not look into for the end of a command, and ``2>&1``, whose ``&`` is none
_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*"|[<>]&""", re.DOTALL)
_NEXT = re.compile(r"[;&\n]|\|\|")
#: when something happened says nothing about what
_TIME = re.compile(r"(?<![\w:])\d\d:\d\d(:\d\d(\.\d+)?)?(?![\w:])|\b(\d+[smhd])+\b")
_NUMBER = re.compile(r"\b\d+\b")
#: seconds until a fault's own evidence shows that it is there, or gone
_PATIENCE = 4.0
_OFTEN = 0.05
#: of what a command wrote, in the reason why it is no evidence
_MOST = 120

_Lines = Counter[str]


@dataclass(frozen=True)
class Marks:
    """What the fault's own evidence said before it was put in, and afterwards."""

    well: _Lines
    ill: _Lines

    def is_well(self, seen: _Lines) -> bool:
        """Is what it says now more like before?  A learner may have mended it in another way than the cure."""
        return _far(seen, self.well) < _far(seen, self.ill)


def do(ward: Ward, steps: Iterable[Step], *, check: bool = False) -> None:
    """Run some commands, one after another.

    Args:
        check: raise LabError if one fails.  A learner may have mended half of it, so that there is nothing to undo.
    """
    for place, command in steps:
        ward.run(place, command, check=check)


def break_in(ward: Ward, fault: Fault) -> Marks:
    """Put the fault into the ward.

    Raises:
        LabError: a command failed.
    """
    well = _shown(ward, *fault.own)
    do(ward, fault.steps, check=True)
    return Marks(well, _until(lambda: _shown(ward, *fault.own), lambda seen: seen != well, _PATIENCE))


def is_symptom(command: str) -> bool:
    """Does the command only try whether something works?"""
    try:
        words = shlex.split(command)
    except ValueError:  # a quotation mark is missing; the shell will say so
        return False
    return any(Path(word).name in _PROBES for word in words)


def is_several(command: str) -> bool:
    """Are these several commands, of which one may happen to show it?  A pipe is one, and so is ``sh -c`` with one."""
    if _NEXT.search(_QUOTED.sub("_", command)):
        return True
    try:
        words = shlex.split(command)
    except ValueError:  # as above
        return False
    return any(
        Path(shell).name in _SHELLS and re.fullmatch("-[a-z]*c", option) and is_several(inner)
        for shell, option, inner in zip(words, words[1:], words[2:], strict=False)
    )


def tells(ward: Ward, fault: Fault, marks: Marks, place: str, command: str) -> str:
    """Why what the command shows is no evidence, or nothing if it is: it differs with the fault and without it.

    The fault is taken away and put back, twice.  What differs each time, such as the hour, is no evidence.  Where the
    learner has mended it already, it stays mended, whatever the command shows, and also if this is interrupted.

    Raises:
        NotFound: there is no such place.
    """

    def show() -> _Lines:
        return _shown(ward, place, command)

    def change(well: bool) -> None:
        do(ward, fault.cure if well else fault.steps)
        _until(lambda: _shown(ward, *fault.own), lambda now: marks.is_well(now) is well, _PATIENCE)

    try:
        seen = [show()]
    except TimedOut:
        return "it does not end by itself; write it so that it does, such as `timeout 5 …`"
    if fault.says and fault.says not in command and any(fault.says in line for line in seen[0]):
        return ""
    first = is_well = marks.is_well(_shown(ward, *fault.own))
    is_whole = True  # nothing is half done
    try:
        for _ in range(4):
            is_well, is_whole = not is_well, False
            change(is_well)
            is_whole = True
            seen.append(_until(show, partial(ne, seen[-1]), fault.lag))
            if seen[1:] == seen[:1]:
                return f"its output says the same with the fault and without it{_quoted(seen[0])}"
    except TimedOut:
        return "it does not always end"
    finally:
        if is_well is not first or not is_whole:
            do(ward, fault.cure)  # not twice ill
            change(first)
    _, one, other, again, once_more = seen
    # what the learner's own way of mending shows is not compared: it may look otherwise than the cure's
    if one & again != other & once_more:
        return ""
    return f"its output differs, but not because of the fault{_quoted(seen[0])}"


def _quoted(lines: _Lines) -> str:
    """The beginning of what a command wrote, for who wonders why it is the same."""
    first = next((line for line in lines if line.strip()), "")
    return f": {first[:_MOST]}" if first else ": there is none"


def _far(one: _Lines, other: _Lines) -> int:
    """How many lines only one of the two has."""
    return ((one - other) + (other - one)).total()


def _shown(ward: Ward, place: str, command: str) -> _Lines:
    """The lines that it shows, each as it is and once more without numbers.

    So a line with the number of a process, as ``ss -ltnp`` has, still says the same after a restart.
    """
    lines = _TIME.sub("TIME", ward.run(place, command)).splitlines()
    return Counter([*lines, *(_NUMBER.sub("N", line) for line in lines)])


def _until(show: Callable[[], _Lines], enough: Callable[[_Lines], bool], patience: float) -> _Lines:
    """What is shown as soon as it is enough; or at the end."""
    end = time.monotonic() + patience
    while not enough(seen := show()) and time.monotonic() < end:
        time.sleep(_OFTEN)
    return seen
