"""How far something is that takes minutes, for whoever shows it.  It prints nothing itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

__all__ = ["Progress"]


class Progress:
    """So many steps, of which some are done.

    Args:
        total: steps.
    """

    #: who shows it: called once at the beginning, and gives what is called after each change; set by ``views``
    shown_by: ClassVar[Callable[[Progress], Callable[[], None]] | None] = None

    def __init__(self, total: int) -> None:
        self.total, self.done, self.doing = total, 0, ""
        self._began = time.monotonic()
        shown_by = type(self).shown_by
        self._tell = shown_by(self) if shown_by is not None else lambda: None

    def step(self, doing: str) -> None:
        """The next one begins."""
        self.doing = doing
        self._tell()
        self.done += 1

    def end(self) -> None:
        """All is done, or it was broken off."""
        self.doing = ""
        self._tell()

    @property
    def left(self) -> float:
        """Seconds that the rest will take if it takes as long as what was done; 0 if nothing was done yet."""
        return (time.monotonic() - self._began) / self.done * (self.total - self.done) if self.done else 0.0

    def __str__(self) -> str:
        if not self.doing:
            return ""
        left = f", about {self.left:.0f} s left" if self.done else ""
        return f"{self.done} of {self.total}: {self.doing}{left}"
