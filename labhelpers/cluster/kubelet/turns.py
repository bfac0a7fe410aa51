"""``Turns``: who comes first is served first.

Pods get their addresses in the order in which they came to the node, so that the same commands give the same addresses
in every run.  Sandboxes of one node are made one after the other; those of several nodes side by side, but not more at
once than there is any use in: plugins are programs, and would only wait for one another.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Turns"]

_ON_ALL_NODES = threading.BoundedSemaphore(4)


class Turns:
    """The queue of one node.  Whoever has joined must take its turn or leave, for the others wait."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: list[object] = []
        self._busy = False

    def join(self, who: object) -> None:
        """Be behind those who have joined already."""
        with self._changed:
            self._queue.append(who)

    def leave(self, who: object) -> None:
        """Need no turn any more."""
        with self._changed:
            if who in self._queue:
                self._queue.remove(who)
                self._changed.notify_all()

    @contextmanager
    def turn(self, who: object) -> Iterator[None]:
        """Wait for one's turn, and have it for the block.  Who tries again, and has had a turn, waits for nobody."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy and (who not in self._queue or self._queue[0] is who))
            self._busy = True
        try:
            with _ON_ALL_NODES:
                yield
        finally:
            with self._changed:
                self._busy = False
                if who in self._queue:
                    self._queue.remove(who)
                self._changed.notify_all()
