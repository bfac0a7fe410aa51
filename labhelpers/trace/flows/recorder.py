"""``Recorder``: reads all sources of flows in a thread, and keeps the newest flows."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from labhelpers.trace.flows.flow import Flow, FlowSource
from labhelpers.trace.flows.names import Names

__all__ = ["Recorder"]

_MOST_FLOWS = 10_000
_TELL = 0.3  # seconds between two calls of ``heard``: drawing costs more than reading
_QUIET = 4  # turns without news after which all is known
_TURN = 0.1  # seconds: a source may have something to tell without any event, such as that nothing came


class Recorder:
    """Owns the sources: they are closed with it.

    Args:
        enrich: given flows with names, returns them with what else is known.
        heard: called from the thread after flows have come.
    """

    def __init__(
        self,
        sources: Sequence[FlowSource],
        enrich: Callable[[list[Flow]], list[Flow]],
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        self._sources = list(sources)
        self._enrich, self._heard = enrich, heard
        self._names = Names()
        self._flows: deque[Flow] = deque(maxlen=_MOST_FLOWS)
        self._all = 0
        self._turns = 0
        self._waiting = False
        self._lost = 0
        #: are there flows that ``heard`` was not called for, and when was it last called?
        self._news, self._told = False, 0.0
        self._changed = threading.Condition()
        #: why it stopped by itself
        self.error: Exception | None = None
        self._names.refresh()
        self._wake, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._listen, name="flow log", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Does it still listen?"""
        return self._thread.is_alive() and self.error is None

    @property
    def lost(self) -> int:
        """Flows that no source could tell of."""
        return self._lost + sum(one.lost for one in self._sources)

    @property
    def forgotten(self) -> int:
        """Flows that were read, and gave way to newer ones."""
        return self._all - len(self._flows)

    def flows(self) -> list[Flow]:
        """The newest, in the order in which they were read."""
        with self._changed:
            return list(self._flows)

    def wait(self, wanted: Callable[[list[Flow]], bool], timeout: float) -> bool:
        """Wait until the flows are as wanted, at most ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: wanted(list(self._flows)) or self.error is not None, timeout)

    def settle(self, timeout: float) -> None:
        """Wait until what has happened by now is known: a while without news, at most ``timeout`` seconds."""
        end = time.monotonic() + timeout
        with self._changed:
            seen, quiet = self._all, self._turns
            while time.monotonic() < end and self.error is None and self._turns < quiet + _QUIET:
                self._changed.wait(_TURN)
                if self._all != seen or self._waiting:
                    seen, quiet = self._all, self._turns

    def close(self) -> None:
        """Stop, and take away what the sources have put into the kernel."""
        if self._stop < 0:
            return
        os.close(self._stop)
        self._stop = -1
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._lost = self.lost  # a source that is closed cannot be asked any more
        sources, self._sources = self._sources, []
        for one in sources:
            one.close()

    def _listen(self) -> None:
        ready = select.poll()  # not select.select: a notebook may have more than 1024 files open
        for one in self._sources:
            for fd in one.descriptors():
                ready.register(fd, select.POLLIN)
        ready.register(self._wake, select.POLLIN | select.POLLHUP)
        try:
            while not any(fd == self._wake for fd, _ in ready.poll(_TURN * 1000)):
                self._turn()
        except Exception as error:  # kept for whoever asks: nobody waits for this thread
            self.error = error
        finally:
            os.close(self._wake)
            with self._changed:
                self._changed.notify_all()

    def _turn(self) -> None:
        found = self._enrich(self._names.named(flow for one in self._sources for flow in one.read()))
        with self._changed:
            self._flows.extend(found)
            self._all += len(found)
            self._turns += 1
            self._waiting = any(one.waiting for one in self._sources)
            self._changed.notify_all()
        self._news = self._news or bool(found)
        if self._news and time.monotonic() > self._told + _TELL:
            self._news, self._told = False, time.monotonic()
            self._heard()
