"""What a learner has passed so far, in one small file that outlives the notebooks.

The file is ``$POD_NETWORKING_PROGRESS``, else ``$XDG_DATA_HOME/pod-networking/progress.json``, else
``~/.local/share/pod-networking/progress.json``.  It holds ids of exercises and nothing else.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from labhelpers.course import catalogue, keepsake

__all__ = ["Progress", "after", "passed", "path", "progress", "remember"]


def path() -> Path:
    """Where the progress is kept."""
    if chosen := os.environ.get("POD_NETWORKING_PROGRESS"):
        return Path(chosen)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "pod-networking" / "progress.json"


def remember(id: str) -> None:
    """Write exercise ``id`` down as passed.  A file that cannot be written is said and spoils nothing."""
    try:
        with keepsake.locked(path()):
            ids = set(passed())
            if id not in ids:
                keepsake.write(path(), {"passed": sorted({*ids, id}, key=_in_order)})
    except OSError as error:
        print(f"Your progress could not be written to {path()}: {error.strerror}.", file=sys.stderr)


def passed() -> tuple[str, ...]:
    """The ids of the exercises passed so far.  A file that makes no sense is put aside, and that is said."""
    found: tuple[str, ...] | None = keepsake.read(path(), "progress", _understood)
    return found or ()


def _understood(value: Any) -> tuple[str, ...]:
    ids = value["passed"]
    if not isinstance(ids, list) or not all(isinstance(id, str) for id in ids):
        raise TypeError("no list of exercises")
    return tuple(ids)


def after(id: str) -> str:
    """What to tell a learner who has just passed exercise ``id``: how far the chapter is, and what comes next."""
    number = catalogue.find(id).chapter
    ids = [exercise.id for exercise in catalogue.exercises_of(number)]
    done = {*passed(), id}
    place = ids.index(id) + 1
    left = [one for one in (*ids[place:], *ids[:place]) if one not in done]
    if left:
        return f"{len(ids) - len(left)} of {len(ids)} in this chapter. Next: {left[0]}."
    following = [chapter.number for chapter in catalogue.CHAPTERS if chapter.number > number]
    then = f"Next: chapter {following[0]}." if following else "It is the last one there is."
    return f"{len(ids)} of {len(ids)}: this chapter is done. {then}"


def progress() -> Progress:
    """Change nothing: show which exercises of which chapters are passed."""
    done = set(passed())
    return Progress(
        tuple(
            ChapterProgress(
                chapter,
                tuple((exercise.id, exercise.id in done) for exercise in catalogue.exercises_of(chapter.number)),
            )
            for chapter in catalogue.CHAPTERS
        )
    )


@dataclass(frozen=True)
class ChapterProgress:
    """One chapter and its exercises, each with whether it is passed."""

    chapter: catalogue.Chapter
    exercises: tuple[tuple[str, bool], ...]

    @property
    def state(self) -> str:
        if not self.exercises:
            return "no exercises"
        return " ".join(f"{id} {'✓' if ok else '○'}" for id, ok in self.exercises)

    @property
    def minutes(self) -> str:
        return f"{self.chapter.minutes} min"


@dataclass(frozen=True)
class Progress:
    """The course map with what is passed."""

    chapters: tuple[ChapterProgress, ...]

    @property
    def _headline(self) -> str:
        marks = [ok for chapter in self.chapters for _, ok in chapter.exercises]
        return f"{sum(marks)} of {len(marks)} exercises passed (✓ passed, ○ open)"

    def __repr__(self) -> str:
        lines = [self._headline]
        for row in self.chapters:
            chapter = row.chapter
            lines.append(f"  {chapter.number}  {chapter.title:<36} {row.minutes:>6}  {row.state}".rstrip())
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{row.chapter.number}</td><td style='text-align: left'>{escape(row.chapter.title)}</td>"
            f"<td>{row.minutes}</td><td style='text-align: left'>{escape(row.state)}</td></tr>"
            for row in self.chapters
        )
        return (
            f"<table><caption>{escape(self._headline)}</caption><thead><tr><th scope='col'>chapter</th>"
            "<th scope='col' style='text-align: left'>title</th><th scope='col'>time</th>"
            "<th scope='col' style='text-align: left'>exercises</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )


def _in_order(id: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in id.split("."))
