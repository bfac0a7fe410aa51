"""An interrupt (Ctrl-C, a notebook's stop button) must not come in the middle of something.

Python raises it between any two instructions: after the kernel made a namespace and before anybody noted its name.
Helpers hold it back while they work, for milliseconds, and look at it where they can still undo everything.
"""

from __future__ import annotations

import _thread
import os

TYPE_CHECKING = False  # see netlink.py
if TYPE_CHECKING:
    import signal
    from typing import Any
else:
    import _signal as signal  # the Python half makes enums, which takes a CNI plugin longer than its own work

__all__ = ["Interrupt", "held", "let_through"]


class Interrupt:
    """Did somebody interrupt since the block began?"""

    def __init__(self) -> None:
        self.pending = False
        #: the handler that was there
        self.before: Any = None

    def note(self, *_: object) -> None:
        """The handler while interrupts are held back."""
        self.pending = True

    def check(self) -> None:
        """Raise ``KeyboardInterrupt`` if so: here it can be dealt with."""
        if self.pending:
            self.pending = False
            raise KeyboardInterrupt


_outermost: Interrupt | None = None


def held() -> _Held:
    """Hold interrupts back until the block has ended; one that came is raised then.  Nested blocks are one.

    Only the main thread is ever interrupted, so in any other this does nothing.
    """
    return _Held()


def let_through() -> _LetThrough:
    """Let interrupts come all the same, inside ``held``: for a block that waits long, and may end at any point.

    The first one that comes ends the block, and is the last: from then on they are held back again, so that whoever
    began can tidy up.  Outside ``held`` this does nothing.
    """
    return _LetThrough()


def _in_main_thread() -> bool:
    return _thread.get_native_id() == os.getpid()


class _Held:
    _interrupt: Interrupt | None = None

    def __enter__(self) -> Interrupt:
        global _outermost
        if not _in_main_thread():
            return Interrupt()
        if _outermost is not None:
            return _outermost
        interrupt = Interrupt()
        interrupt.before = signal.getsignal(signal.SIGINT)
        if interrupt.before is not None:  # one that is not Python's cannot be put back
            self._interrupt = interrupt
            signal.signal(signal.SIGINT, interrupt.note)
            _outermost = interrupt
        return interrupt

    def __exit__(self, kind: object, *_: object) -> None:
        global _outermost
        interrupt = self._interrupt
        if interrupt is None:
            return
        _outermost = None
        signal.signal(signal.SIGINT, interrupt.before)
        if interrupt.pending and kind is None:  # after an error, the error is what is raised
            signal.raise_signal(signal.SIGINT)


class _LetThrough:
    _interrupt: Interrupt | None = None

    def __enter__(self) -> None:
        if _outermost is None or not _in_main_thread():
            return
        self._interrupt = _outermost
        try:
            self._open()
            self._interrupt.check()
        except BaseException:
            self._close()
            raise

    def __exit__(self, *_: object) -> None:
        if self._interrupt is not None:
            self._close()

    def _open(self) -> None:
        global _outermost
        _outermost = None
        signal.signal(signal.SIGINT, self._pass_on)

    def _close(self) -> None:
        global _outermost
        assert self._interrupt
        signal.signal(signal.SIGINT, self._interrupt.note)
        _outermost = self._interrupt

    def _pass_on(self, *_: object) -> None:
        assert self._interrupt
        signal.signal(signal.SIGINT, self._interrupt.before)
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            self._close()
        self._open()  # the handler that was there did not end anything
