"""``Manager``: runs controllers, each a function that makes one object's world as it should be.

Level-triggered: a watch only says which keys to look at again; what to do is decided by what the store says then.  A
key is worked on by one thread at a time, and however many changes there were meanwhile, once.

Source: https://github.com/kubernetes/community/blob/main/contributors/devel/sig-api-machinery/controllers.md
"""

from __future__ import annotations

import heapq
import math
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Sequence
from typing import Protocol

from labhelpers.store import Conflict, Event, Gone, Refused, Resource, Store, Watching

__all__ = ["Controller", "Key", "Manager"]

#: namespace and name
Key = tuple[str, str]
_LOST = 0.5  # seconds until a watch that was refused is tried again
_AGAIN = (0.01, 5.0)  # seconds until a key that failed is tried again: the first time and at most


class Controller(Protocol):
    """What a manager runs."""

    @property
    def watches(self) -> Sequence[Resource]:
        """The kinds whose changes concern it."""

    def keys(self, resource: Resource, event: Event) -> Iterable[Key]:
        """Whom a change of this object concerns."""

    def sync(self, key: Key) -> float | None:
        """Make it so.  Called again after the seconds it returns, if any.  May raise any ``Refused``."""


class _Queue:
    """Keys to work on, each at most once; later ones wait for their time, each for the earliest it was given."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ready: dict[tuple[int, Key], None] = {}
        self._later: list[tuple[float, tuple[int, Key]]] = []
        #: when each is due; what else stands in the list counts no more, or every change would leave one behind
        self._due: dict[tuple[int, Key], float] = {}
        self._closed = False

    def add(self, item: tuple[int, Key], delay: float = 0.0) -> None:
        with self._changed:
            due = time.monotonic() + delay
            if delay > 0:
                if due < self._due.get(item, math.inf):
                    self._due[item] = due
                    heapq.heappush(self._later, (due, item))
            else:
                self._ready[item] = None
            self._changed.notify()

    def take(self) -> tuple[int, Key] | None:
        """The next one, as soon as there is one; none when it was closed."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                while self._later and self._later[0][0] <= now:
                    due, item = heapq.heappop(self._later)
                    if self._due.get(item) == due:
                        del self._due[item]
                        self._ready[item] = None
                if self._ready:
                    item = next(iter(self._ready))
                    del self._ready[item]
                    return item
                self._changed.wait(self._later[0][0] - now if self._later else None)
        return None

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Manager:
    """Runs controllers: one thread for each kind that is watched, one that works."""

    def __init__(self, store: Store, controllers: Sequence[Controller]) -> None:
        self._store, self._controllers = store, controllers
        self._queue = _Queue()
        self._closed = threading.Event()
        self._watching: dict[Resource, Watching] = {}
        self._failed: dict[tuple[int, Key], float] = {}
        kinds = dict.fromkeys(kind for one in controllers for kind in one.watches)
        self._threads = [
            threading.Thread(target=self._watch, args=(kind,), name=f"watch-{kind.plural}", daemon=True)
            for kind in kinds
        ]
        self._threads.append(threading.Thread(target=self._work, name="controllers", daemon=True))
        for thread in self._threads:
            thread.start()

    def _watch(self, resource: Resource) -> None:
        concerned = [(number, one) for number, one in enumerate(self._controllers) if resource in one.watches]
        while not self._closed.is_set():
            try:
                with self._store.watch(resource) as watch:
                    self._watching[resource] = watch
                    if self._closed.is_set():  # it was closed before the watch could be
                        return
                    for event in watch:
                        for number, controller in concerned:
                            for key in controller.keys(resource, event):
                                self._queue.add((number, key))
            except Gone:  # too far behind: look at everything again
                continue
            except Refused:  # the API server does not answer: when it does, look at everything again
                self._closed.wait(_LOST)

    def _work(self) -> None:
        while (item := self._queue.take()) is not None:
            number, key = item
            try:
                again = self._controllers[number].sync(key)
                self._failed.pop(item, None)
                if again is not None:
                    self._queue.add(item, max(again, _AGAIN[0]))
            except Conflict:  # somebody else wrote: with what is there now
                self._queue.add(item, _AGAIN[0])
            except Refused:
                self._queue.add(item, self._delay(item))
            except Exception:  # a mistake in one controller must not stop the others
                if not self._closed.is_set():
                    traceback.print_exc(file=sys.stderr)
                    self._queue.add(item, self._delay(item))

    def _delay(self, item: tuple[int, Key]) -> float:
        """Twice as long each time."""
        delay = min(2 * self._failed.get(item, _AGAIN[0] / 2), _AGAIN[1])
        self._failed[item] = delay
        return delay

    def close(self) -> None:
        """Stop, and wait until nothing is being done any more."""
        self._closed.set()
        self._queue.close()
        for watch in list(self._watching.values()):
            watch.close()
        for thread in self._threads:
            thread.join()
