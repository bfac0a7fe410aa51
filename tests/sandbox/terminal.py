"""A program in a terminal: what it writes is read, and keys are typed."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import time
from types import TracebackType

__all__ = ["Terminal"]

_PATIENCE = 60.0  # seconds; only a test that fails waits that long
_CONTROL = re.compile(rb"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>])")


class Terminal:
    """Runs a command with a terminal of its own, whose size is that of the old ones."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        pid, self._keyboard = pty.fork()
        if not pid:
            os.execvpe(command[0], command, {**os.environ, "TERM": "dumb", **(environment or {})})
        self.pid = pid
        self.status: int | None = None
        self._unread = b""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.status is None:
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._keyboard)

    def type(self, keys: str) -> None:
        os.write(self._keyboard, keys.encode())

    def read_until(self, pattern: str) -> str:
        """What was shown since the last time, up to and with what the pattern matches."""
        end = time.monotonic() + _PATIENCE
        while not (found := re.search(pattern.encode(), self._unread)):
            assert time.monotonic() < end, f"{pattern!r} was not shown, but: {self._unread!r}"
            assert self._read(), f"it ended and {pattern!r} was not shown, but: {self._unread!r}"
        shown, self._unread = self._unread[: found.end()], self._unread[found.end() :]
        return shown.decode(errors="replace").replace("\r", "")

    def wait(self) -> str:
        """Until it ends: the rest of what was shown.  The status is kept."""
        while self._read():
            pass
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._unread.decode(errors="replace").replace("\r", "")

    def _read(self) -> bool:
        if not select.select([self._keyboard], [], [], _PATIENCE)[0]:
            raise AssertionError(f"nothing more was shown, after: {self._unread!r}")
        try:
            data = os.read(self._keyboard, 1 << 16)
        except OSError:  # the other side is closed
            return False
        self._unread = _CONTROL.sub(b"", self._unread + data)
        return bool(data)
