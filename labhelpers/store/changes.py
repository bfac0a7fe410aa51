"""``Log``: the latest changes of one kind of object, and ``Watch``: a reader's place in it.

A watch is a place in a shared log and has no queue of its own.  So a slow reader costs nothing, sees every change once
and in order, and is told ``Gone`` when the log has moved on without it.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from labhelpers.store.objects import Object, copied, key_of
from labhelpers.store.refused import Gone

__all__ = ["Change", "Event", "Log", "Watch"]

Test = Callable[[Object], bool]


@dataclass(frozen=True, slots=True)
class Event:
    """What a watch tells: ``ADDED``, ``MODIFIED``, ``DELETED`` or ``BOOKMARK``, and the object as it was then."""

    type: str
    object: Object


@dataclass(frozen=True, slots=True)
class Change:
    """One write: the object before (none: created) and after (none: deleted, with its last state in ``last``)."""

    version: int
    before: Object | None
    after: Object | None
    last: Object

    def seen_through(self, test: Test) -> Event | None:
        """The event for somebody who sees only what passes the test: an object that begins to pass is added."""
        was = self.before is not None and test(self.before)
        is_now = self.after is not None and test(self.after)
        if not was and not is_now:
            return None
        kind = ("MODIFIED" if is_now else "DELETED") if was else "ADDED"
        return Event(kind, copied(self.last))


@dataclass(slots=True)
class Log:
    """The latest changes of one kind, at most ``limit`` of them.  Guarded by its owner's lock."""

    limit: int
    changes: list[Change] = field(default_factory=list)
    forgotten: int = 0  # the version of the latest change that is no longer here

    def add(self, change: Change) -> None:
        """Append one change, and forget the oldest in batches."""
        self.changes.append(change)
        if len(self.changes) > 2 * self.limit:
            self.forgotten = self.changes[-self.limit - 1].version
            del self.changes[: -self.limit]

    def after(self, version: int) -> list[Change]:
        """The changes after a version.  Raises ``Gone`` if some of them are forgotten."""
        if version < self.forgotten:
            raise Gone(f"too old resource version: {version} ({self.forgotten})", "List again, and watch from there.")
        return self.changes[bisect_right(self.changes, version, key=lambda change: change.version) :]

    def rewound(self, objects: Mapping[tuple[str, str], Object], version: int) -> Mapping[tuple[str, str], Object]:
        """The objects as they were at a version, from what they are now.  Raises ``Gone`` as ``after`` does."""
        since = self.after(version)
        if not since:
            return objects
        then = dict(objects)
        for change in reversed(since):
            if change.before is None:
                del then[key_of(change.last)]
            else:
                then[key_of(change.last)] = change.before
        return then


class Watch:
    """A place in a log.  Use it as a context manager; iterate over it, or ask ``next`` and ``poll``.

    It needs no thread and no clean-up of its own: closing it only ends an iteration that waits in another thread.
    """

    def __init__(
        self,
        changed: threading.Condition,
        log: Log,
        version: Callable[[], int],
        since: int,
        test: Test,
        first: list[Event],
    ) -> None:
        self._changed, self._log, self._version, self._test = changed, log, version, test
        self._at = since
        self._ready = first
        self._closed = False

    @property
    def resource_version(self) -> str:
        """Everything up to here was told.  A new watch can begin from it."""
        return str(self._at)

    @property
    def closed(self) -> bool:
        """Was it closed?"""
        return self._closed

    def poll(self) -> list[Event]:
        """The events since the last call, in order; none if nothing happened.  Never waits.

        Raises:
            Gone: too much has happened since; list again.
        """
        with self._changed:
            ready, self._ready = self._ready, []
            told = [event for one in self._log.after(self._at) if (event := one.seen_through(self._test))]
            self._at = max(self._at, self._version())
            return ready + told

    def next(self, timeout: float | None = None) -> Event | None:
        """The next event, or ``None`` after ``timeout`` seconds or when the watch is closed.  Raises ``Gone``."""
        end = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._closed:
                if ready := self.poll():
                    self._ready = ready[1:]
                    return ready[0]
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    break
                self._changed.wait(left)
        return None

    def __iter__(self) -> Iterator[Event]:
        while (event := self.next()) is not None:
            yield event

    def close(self) -> None:
        """End it, also for a thread that waits in it."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
