"""The program that started us, as the supervisor sees it: is it still there?"""

from __future__ import annotations

import os
import select
from collections.abc import Iterable
from contextlib import suppress

__all__ = ["FrontEnd"]


class FrontEnd:
    """The front end; a sandbox does not outlive it.

    Made before the namespaces are, because process ids mean something else after that.
    """

    def __init__(self, announced: int = 0, files: Iterable[str] = ()) -> None:
        """Remember who started this process.

        Args:
            announced: the process id that the front end says is its own.  It is not our parent if we were started
                through another program, such as ``conda run``; then the end of either counts.
            files: what the front end removes in the end, and cannot remove if it is killed.
        """
        self._files = tuple(os.path.abspath(file) for file in files)
        self._parent = os.getppid()
        self._handle = _open(announced) if announced else None
        # killed before we came here, so that init is our parent
        self._was_gone = bool(announced) and self._handle is None and self._parent == 1

    def is_gone(self) -> bool:
        """Has it ended, or the program through which it started us?"""
        return self._has_ended() or os.getppid() != self._parent

    def clean_up(self) -> None:
        """Remove the files that it has left, if it is the front end that has ended."""
        for file in self._files if self._has_ended() else ():
            with suppress(OSError):
                os.unlink(file)

    def forget(self) -> None:
        """Only the supervisor watches: what lives in the sandbox should have no handle of a process outside."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _has_ended(self) -> bool:
        if self._handle is None:
            return self._was_gone
        return bool(select.select([self._handle], [], [], 0)[0])


def _open(pid: int) -> int | None:
    """A file descriptor that can be read when the process has ended (``man 2 pidfd_open``)."""
    try:
        return os.pidfd_open(pid)
    except OSError:  # no such process here: it has ended, or lives in another pid namespace
        return None
