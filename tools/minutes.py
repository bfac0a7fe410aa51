"""How long a chapter takes: what there is to read, type and look at is counted, and a run of its cells is measured.

usage: python -m tools.minutes [--no-run] [CHAPTER ...]

Prints a line for each chapter.  The sums are what ``labhelpers/course/catalogue.py`` and the head of each chapter say,
and a unit test compares them.  How long a class really took, ``python -m labhelpers.course minutes`` says.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labhelpers.course import catalogue
from tools import notebooks

#: Somebody who reads technical prose in a second language: Brysbaert (2019) found 238 words a minute for English
#: non-fiction read for pleasure, https://doi.org/10.1016/j.jml.2019.104047
WORDS_A_MINUTE = 180
MINUTES_A_LINE = 0.1  # of code that is read
MINUTES_A_CELL = 0.25  # to run it, and to look at what it says
MINUTES_AN_EXERCISE = 5  # to understand the task, to try, and to check
MINUTES_A_LINE_WRITTEN = 2  # of the solution


@dataclass(frozen=True)
class Count:
    """What a chapter asks of a learner."""

    words: int
    lines: int
    cells: int
    exercises: int
    #: of their solutions
    written: int

    def minutes(self, run_seconds: float = 0) -> float:
        """The time for all of it, and for a run of the cells."""
        return (
            self.words / WORDS_A_MINUTE
            + self.lines * MINUTES_A_LINE
            + self.cells * MINUTES_A_CELL
            + self.exercises * MINUTES_AN_EXERCISE
            + self.written * MINUTES_A_LINE_WRITTEN
            + run_seconds / 60
        )


def count(number: str, notebook: Any) -> Count:
    """What the chapter with this number has, by its notebook and its exercises."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    exercises = catalogue.exercises_of(number)
    return Count(
        words=sum(len(cell.source.split()) for cell in notebook.cells if cell.cell_type == "markdown"),
        lines=sum(bool(line.strip()) for source in code for line in source.splitlines()),
        cells=len(code),
        exercises=len(exercises),
        written=sum(len(exercise.solution.splitlines()) for exercise in exercises),
    )


def _run_seconds(path: Path) -> float:
    began = time.monotonic()
    notebooks.executed(path)
    return time.monotonic() - began


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How long a chapter takes.")
    parser.add_argument("--no-run", action="store_true", help="count only")
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help="for example 01; default: all")
    options = parser.parse_args(arguments)
    print("chapter  words  lines  cells  exercises  written  run (s)  minutes  catalogue")
    for path in notebooks.chosen(options.chapters):
        number = path.name[:2]
        [chapter] = (one for one in catalogue.CHAPTERS if one.number == number)
        found = count(number, notebooks.read(path))
        seconds = 0.0 if options.no_run else _run_seconds(path)
        print(
            f"{number:<7}  {found.words:5}  {found.lines:5}  {found.cells:5}  {found.exercises:9}  {found.written:7}"
            f"  {seconds:7.0f}  {found.minutes(seconds):7.0f}  {chapter.minutes:9}",
            flush=True,
        )


if __name__ == "__main__":
    main()
