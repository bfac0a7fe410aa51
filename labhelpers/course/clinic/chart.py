"""The chart: which cases a learner has had, how long each took, and with how many hints.

It is a small file beside the progress.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labhelpers.course import keepsake
from labhelpers.course.progress import path
from labhelpers.linux.records import Rows

__all__ = ["Entry", "Standing", "chart", "earlier", "note", "standing"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One case of the chart."""

    case: str
    level: int = 0
    #: which layers it was about, as soon as that is known to the learner
    layer: str = ""
    #: everything was found, before it was told
    solved: bool = False
    #: the story was told before everything was found, at least once
    told: bool = False
    #: the network did everything that a healthy one does
    repaired: bool = False
    #: until everything was found, or was told; with all admissions before
    seconds: int = 0
    hints: int = 0
    answers: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How far somebody is in a level, or in a layer."""

    what: str
    cases: int
    found: int
    #: found, and afterwards the network did everything
    mended: int


def chart() -> Rows[Entry]:
    """The cases so far.  Changes nothing."""
    return Rows(
        [Entry(case, **kept) for case, kept in sorted(_read().items(), key=lambda one: int(one[0]))], "cases so far"
    )


def earlier(case: str) -> Entry:
    """What the chart has of a case before it is admitted once more."""
    return next((one for one in chart() if one.case == case), Entry(case))


def note(now: Entry, before: Entry) -> None:
    """Write down how a case stands.  A file that cannot be written is said and spoils nothing.

    Time, hints and answers of earlier admissions are added: to begin again makes nothing undone.  What was found once
    keeps the numbers with which it was found.
    """
    kept = {
        **asdict(now),
        "layer": now.layer or before.layer,
        "told": now.told or before.told,
        "solved": now.solved or before.solved,
        "repaired": now.repaired or before.repaired,
    }
    for name in ("seconds", "hints", "answers"):
        old = getattr(before, name)
        kept[name] = old if before.solved else old + kept[name]
    del kept["case"]
    try:
        with keepsake.locked(_path()):
            keepsake.write(_path(), {"cases": {**_read(), now.case: kept}})
    except OSError as error:
        print(f"Your chart could not be written to {_path()}: {error.strerror}.", file=sys.stderr)


def standing(groups: Iterable[tuple[str, Iterable[str]]]) -> Rows[Standing]:
    """How many of each group of cases were found, and mended.  Changes nothing.

    Args:
        groups: what each is called, and the numbers of its cases.
    """
    found = {one.case: one for one in chart() if one.solved}
    rows = []
    for what, cases in groups:
        mine = list(cases)
        there = [found[case] for case in mine if case in found]
        rows.append(Standing(what, len(mine), len(there), sum(one.repaired for one in there)))
    return Rows(rows, "how far you are")


def _path() -> Path:
    return path().with_name("clinic.json")


def _read() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] | None = keepsake.read(_path(), "chart", _understood)
    return found or {}


def _understood(value: Any) -> dict[str, dict[str, Any]]:
    for case, kept in value["cases"].items():
        int(case)
        Entry(case, **kept)
    return dict(value["cases"])
