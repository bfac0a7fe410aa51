"""Feed one reader with damaged input, one seed after another, until the time is over or it fails."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from types import FrameType

from tests.soak.targets import Target

__all__ = ["Finding", "Hang", "feed", "fuzz"]

_LONGEST = 10.0  # seconds; the longest input is 64 KiB
_MOST_FINDINGS = 20


class Hang(BaseException):
    """Reading did not end.  No ``Exception``: a reader that catches all of those must not catch it."""


@dataclass(frozen=True)
class Finding:
    """An input that a reader did not survive."""

    target: str
    seed: int
    what: str
    data: bytes

    def __str__(self) -> str:
        return f"{self.target}, seed {self.seed}: {self.what}\n  {self.data[:200]!r}"


@contextmanager
def _limit(seconds: float) -> Iterator[None]:
    def late(number: int, frame: FrameType | None) -> None:
        raise Hang(f"still reading after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def feed(target: Target, seed: int, longest: float = _LONGEST) -> Finding | None:
    """One input.  Returns what went wrong, if anything did.  In the main thread only."""
    data = target.make(Random(f"{target.name} {seed}"))
    try:
        with _limit(longest):
            target.feed(data)
    except (Exception, Hang) as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        name = place.filename.rpartition("/")[2]
        return Finding(target.name, seed, f"{type(error).__name__}: {str(error)[:200]} ({name}:{place.lineno})", data)
    return None


def fuzz(target: Target, seconds: float, first: int = 0) -> tuple[int, list[Finding]]:
    """Feed it for so long.  Returns how many inputs there were, and one finding for each kind of failure."""
    found: dict[str, Finding] = {}
    end, seed = time.monotonic() + seconds, first
    while time.monotonic() < end and len(found) < _MOST_FINDINGS:
        if finding := feed(target, seed):
            found.setdefault(finding.what.partition("(")[2], finding)
        seed += 1
    return seed - first, list(found.values())
