"""Rounds and ratios, the same in every benchmark.

What is compared is measured in turns, in one run, in an order that moves on by one each round: whatever else the
machine does strikes all alike.  The ratio is that of the minimums, because noise only ever adds.  Beside it stands
A/A, the same reference measured twice: how far from 1 a ratio is by chance alone.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["Job", "Row", "Times", "Unmeasured", "a_a", "in_turns", "options", "ratio", "report"]

#: seconds, by what was measured
Times = Mapping[str, Sequence[float]]
_HEADINGS = ("what", "median", "minimum", "against", "ratio", "A/A", "target", "verdict")
_NOISY = 1.15
_SMALL = 1e-4  # seconds: what is less is told in microseconds
_TERMINAL = sys.stderr.isatty()


class Unmeasured(Exception):
    """Something to compare with cannot be had here.  The text says why."""


@dataclass(frozen=True)
class Job:
    """Something to measure: ``run`` does it once and returns seconds, by what was measured.

    Args:
        every: for slow ones, to take part in every so many rounds only.
    """

    name: str
    run: Callable[[], Mapping[str, float]]
    every: int = 1


@dataclass(frozen=True)
class Row:
    """A line of the table: a time, how it compares, and what was aimed at."""

    what: str
    times: Sequence[float] = ()
    against: str = ""
    ratio: float | None = None
    a_a: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    #: in place of a verdict, for what could not be measured
    note: str = ""

    @property
    def _beyond(self) -> float | None:
        """How many times worse than the target; ``None`` where there is none, or nothing was measured."""
        if self.ratio is None:
            return None
        if self.at_most is not None:
            return self.ratio / self.at_most
        return self.at_least / self.ratio if self.at_least is not None else None

    @property
    def met(self) -> bool | None:
        """Is the target met?  ``None`` where there is nothing to say."""
        return None if self._beyond is None else self._beyond <= 1

    @property
    def verdict(self) -> str:
        """``met`` or ``MISSED``, and whether the noise is too large to tell."""
        if self._beyond is None:
            return self.note
        noise = self.a_a or 1
        if 1 < self._beyond <= noise:
            return "MISSED, within A/A"
        return ("met" if self.met else "MISSED") + (", noisy" if noise > _NOISY else "")

    def cells(self) -> tuple[str, ...]:
        """The texts of the line, in order of the headings."""
        times = [median(self.times), min(self.times)] if self.times else [None, None]
        target = f"<= {self.at_most:.4g}" if self.at_most is not None else ""
        target = f">= {self.at_least:.4g}" if self.at_least is not None else target
        return (
            self.what,
            *("" if one is None else _words(one) for one in times),
            self.against,
            *("" if one is None else f"{one:.2f}" for one in (self.ratio, self.a_a)),
            target,
            self.verdict,
        )


def _words(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms" if seconds >= _SMALL else f"{seconds * 1e6:.2f} µs"


def options(description: str, rounds: int) -> argparse.ArgumentParser:
    """A parser that knows ``--rounds``."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help="how often everything is measured")
    return parser


def in_turns(jobs: Sequence[Job], rounds: int) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Measure all jobs in turns.

    Returns:
        the times, and by job the reason why it could not be measured.
    """
    times: dict[str, list[float]] = defaultdict(list)
    left_out: dict[str, str] = {}
    for number in range(rounds):
        first = number % len(jobs)
        if not _TERMINAL:
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for job in (*jobs[first:], *jobs[:first]):
            if number % job.every or job.name in left_out:
                continue
            _progress(f"round {number + 1} of {rounds}: {job.name}")
            try:
                for what, seconds in job.run().items():
                    times[what].append(seconds)
            except Unmeasured as reason:
                left_out[job.name] = str(reason)
    _progress("")
    return dict(times), left_out


def _progress(text: str) -> None:
    """One line that changes, on a terminal."""
    if _TERMINAL:
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def ratio(times: Sequence[float], reference: Sequence[float]) -> float:
    """How many times the reference: of the minimums."""
    return min(times) / min(reference)


def a_a(one: Sequence[float], same: Sequence[float]) -> float:
    """The ratio of two measurements of the same thing, the larger over the smaller."""
    return max(ratio(one, same), ratio(same, one))


def report(title: str, rows: Sequence[Row]) -> None:
    """Print the table and, in one line, how many targets are met."""
    table = [_HEADINGS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    print(f"\n{title}\n")
    for line in table:
        left, *middle, right = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join((left, *middle, right)).rstrip())
    verdicts = [row.met for row in rows if row.met is not None]
    print(f"\n{sum(verdicts)} of {len(verdicts)} targets met.\n", flush=True)
