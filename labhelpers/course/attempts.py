"""How often each exercise was checked until it was passed, in a small file beside the progress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labhelpers.course import keepsake
from labhelpers.course.progress import passed
from labhelpers.course.progress import path as progress_file

__all__ = ["count", "path"]


def path() -> Path:
    """Where the numbers are kept."""
    return progress_file().with_name("attempts.json")


def count(id: str) -> int:
    """Write down one more check of exercise ``id``, unless it is passed already.

    Returns:
        how many there were up to now, this one included; 0 if that could not be kept.
    """
    try:
        with keepsake.locked(path()):
            numbers: dict[str, int] = keepsake.read(path(), "number of attempts", _understood) or {}
            if id not in passed():
                numbers[id] = numbers.get(id, 0) + 1
                keepsake.write(path(), numbers)
            return numbers.get(id, 0)
    except OSError:  # progress says so when there is a pass to be kept
        return 0


def _understood(value: Any) -> dict[str, int]:
    numbers = {str(id): number for id, number in value.items() if isinstance(number, int)}
    if len(numbers) != len(value):
        raise TypeError("no numbers")
    return numbers
