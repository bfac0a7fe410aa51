"""Counting what pytest reported, and judging the skips."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Skip", "Tally", "allowed_reasons", "count"]


@dataclass(frozen=True)
class Skip:
    """A test that did not run, and the reason it gave."""

    test: str
    reason: str


@dataclass(frozen=True)
class Tally:
    """What tests came to: how many passed, which failed, which were skipped."""

    passed: int = 0
    failed: tuple[str, ...] = ()
    skipped: tuple[Skip, ...] = ()
    #: those that failed among others and passed alone; they are among the passed
    unsteady: tuple[str, ...] = ()

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.unsteady + other.unsteady,
        )

    def __str__(self) -> str:
        parts = [f"{len(self.failed)} failed"] if self.failed else []
        parts.append(f"{self.passed} passed")
        if self.skipped:
            parts.append(f"{len(self.skipped)} skipped")
        return ", ".join(parts)

    def judged(self, allowed: list[re.Pattern[str]]) -> Tally:
        """The same, where a skip whose whole reason no allowed expression matches is a failure."""
        fine = tuple(skip for skip in self.skipped if any(one.fullmatch(skip.reason) for one in allowed))
        bad = tuple(
            f"{skip.test}: skipped for a reason not allowed: {skip.reason}" for skip in self.skipped if skip not in fine
        )
        return Tally(self.passed, self.failed + bad, fine, self.unsteady)

    def after(self, again: Tally) -> Tally:
        """The same, after those that failed have run once more.

        One that failed is unsteady only if the second run is whole: as many passed or failed as had failed.
        """
        if again.passed + len(again.failed) != len(self.failed) or set(again.failed) - set(self.failed):
            return self
        unsteady = tuple(name for name in self.failed if name not in again.failed)
        return Tally(self.passed + len(unsteady), again.failed, self.skipped, unsteady)


def count(report: Path, exit_code: int) -> Tally:
    """The tally of a JUnit report.

    A run that wrote none, found no test, or ended badly without naming a failed test counts as one failure.
    An expected failure counts as a skip: it needs a reason too.
    """
    if not report.exists():
        return Tally(failed=(f"no report was written, exit status {exit_code}",))
    passed, failed, skipped = 0, [], []
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(name)
        elif skip is not None:
            skipped.append(Skip(name, skip.get("message", "")))
        else:
            passed += 1
    if not failed and not (passed or skipped):
        failed.append("found no test")
    if not failed and exit_code:
        failed.append(f"exit status {exit_code}")
    return Tally(passed, tuple(failed), tuple(skipped))


def allowed_reasons(text: str) -> list[re.Pattern[str]]:
    """The expressions of the list of allowed skips; each must have a comment above it that says why."""
    expressions, explained = [], False
    for line in text.splitlines():
        if not line.strip():
            explained = False
        elif line.startswith("#"):
            explained = True
        elif explained:
            expressions.append(re.compile(line.strip()))
        else:
            raise ValueError(f"allowed skip without a comment that says why: {line}")
    return expressions
