"""Call a function soon after anything changed in any namespace."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable

from labhelpers.linux.interrupt import held
from labhelpers.linux.monitor import Monitor
from labhelpers.topology.find import places

__all__ = ["Watch"]

_LOOK_FOR_NEW = 0.5  # seconds between looks for namespaces that nobody's event announced


class Watch:
    """Call ``callback()`` from a thread of its own after changes, however they were made.

    Args:
        callback: must not block for long; an exception in it ends the watch and is kept in ``error``.
        debounce: seconds; changes this close together are one call.

    Raises:
        NotInSandbox, NeedsPrivilege: from ``start``.
    """

    def __init__(self, callback: Callable[[], None], *, debounce: float = 0.1) -> None:
        self._callback = callback
        self._debounce = debounce
        self._thread: threading.Thread | None = None
        self.error: Exception | None = None

    def start(self) -> Watch:
        """Begin to listen.  When this returns, no later change is missed."""
        if self._thread is None:
            with held():
                self._monitor = Monitor()
                try:
                    self._monitor.follow(places())
                    self._wake, self._stop = os.pipe()
                except BaseException:
                    self._monitor.close()
                    raise
                self._thread = threading.Thread(target=self._listen, name="topology watch", daemon=True)
                self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening.  The callback is not called again after this returns."""
        if self._thread is None:
            return
        os.close(self._stop)
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._thread = None

    def __enter__(self) -> Watch:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _listen(self) -> None:
        try:
            while not self._stopped():
                changed = self._monitor.wait(_LOOK_FOR_NEW, self._wake)
                if changed:
                    time.sleep(self._debounce)
                    self._monitor.wait(0, self._wake)
                changed |= self._monitor.follow(places())
                if changed and not self._stopped():
                    self._callback()
        except Exception as error:  # kept for whoever asks: nobody waits for this thread
            self.error = error
        finally:
            self._monitor.close()
            os.close(self._wake)

    def _stopped(self) -> bool:
        """The writing end of the pipe is closed: reading gives the end of file at once."""
        closed = select.poll()  # not select.select: a notebook may have more than 1024 files open
        closed.register(self._wake, select.POLLIN)
        return bool(closed.poll(0))
