"""How long to wait before trying again: 10 seconds, then twice as long each time, at most 5 minutes.

Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Backoff"]

_FIRST, _MOST = 10.0, 300.0
_FORGIVEN_AFTER = 600.0


class Backoff:
    """The waiting time of one thing that fails.  All times are seconds."""

    def __init__(
        self, first: float = _FIRST, most: float = _MOST, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._first, self._most, self._clock = first, most, clock
        #: how long to wait between a failure and the next attempt; 0 before the first failure
        self.wait = 0.0
        self._attempted = 0.0

    def attempt(self) -> None:
        """It is tried now: the next failure waits twice as long, unless the last one is long ago."""
        now = self._clock()
        if self.wait and now - self._attempted < _FORGIVEN_AFTER:
            self.wait = min(self.wait * 2, self._most)
        else:
            self.wait = self._first
        self._attempted = now
