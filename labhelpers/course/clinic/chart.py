"""The chart: which cases a learner has had, how long each took, and with how many hints.

It is a small file beside the progress.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labhelpers.course import keepsake
from labhelpers.course.progress import path
from labhelpers.linux.records import Rows

__all__ = ["Entry", "chart", "note"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One case of the chart."""

    case: str
    level: int = 0
    #: everything was found, before it was told
    solved: bool = False
    #: afterwards the network did everything that a healthy one does
    repaired: bool = False
    #: until everything was found, or was told
    seconds: int = 0
    hints: int = 0
    answers: int = 0


def chart() -> Rows[Entry]:
    """The cases so far.  Changes nothing."""
    return Rows(
        [Entry(case, **kept) for case, kept in sorted(_read().items(), key=lambda one: int(one[0]))], "cases so far"
    )


def note(case: str, **news: Any) -> None:
    """Write down what is new about a case.  A file that cannot be written is said and spoils nothing."""
    try:
        with keepsake.locked(_path()):
            cases = _read()
            cases[case] = {**cases.get(case, {}), **news}
            keepsake.write(_path(), {"cases": cases})
    except OSError as error:
        print(f"Your chart could not be written to {_path()}: {error.strerror}.", file=sys.stderr)


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
