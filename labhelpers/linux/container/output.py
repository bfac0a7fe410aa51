"""What a container writes: into its log, in the form of the container runtime interface, and to whoever is attached.

A line of the log is ``2026-01-31T12:00:00.123456789Z stdout F the line``; ``P`` for a part of a longer line.

Source: https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

__all__ = ["LARGEST_LOG", "Log", "Output"]

#: bytes of a log until it is put aside; the one put aside before goes.  The kubelet's ``containerLogMaxSize``.
LARGEST_LOG = 10 * 1024 * 1024
_LONGEST_LINE = 16384
_AT_ONCE = 65536


class Log:
    """A log file, appended to.  ``NAME.old`` is the part before it, once it has grown too large."""

    def __init__(self, path: str) -> None:
        self._path = path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self._open()

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._fd).st_size

    def write(self, text: bytes) -> None:
        """Append; a full disk loses it, and does not stop the container."""
        if self._size > LARGEST_LOG:
            os.close(self._fd)
            os.replace(self._path, f"{self._path}.old")
            self._open()
        with suppress(OSError):
            self._size += os.write(self._fd, text)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


class Output:
    """One stream of a container, as it is read from its pipe or its terminal."""

    def __init__(self, fd: int, stream: str, log: Log) -> None:
        self.fd = fd
        self.stream = stream
        self._log = log
        self._rest = b""
        #: sockets of those attached, which get everything as it comes
        self._attached: list[int] = []
        os.set_blocking(fd, False)

    def attach(self, fd: int) -> None:
        """From now on write to this descriptor too."""
        os.set_blocking(fd, False)
        self._attached.append(fd)

    def read(self) -> bool:
        """Take what is there.  Returns whether more may come."""
        try:
            data = os.read(self.fd, _AT_ONCE)
        except BlockingIOError:
            return True
        except OSError:  # a terminal that nobody has open any more
            data = b""
        if not data:
            self._end()
            return False
        self._pass_on(data)
        self._write(data)
        return True

    def _pass_on(self, data: bytes) -> None:
        for fd in tuple(self._attached):
            try:
                sent = os.write(fd, data)
            except OSError:  # it has gone, or does not read
                sent = 0
            if sent < len(data):  # a stream with a hole in it is worse than one that ends
                self._attached.remove(fd)
                os.close(fd)

    def _write(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        head = f"{_now()} {self.stream} ".encode()
        parts = []
        for line in lines:
            while len(line) > _LONGEST_LINE:
                parts.append(head + b"P " + line[:_LONGEST_LINE] + b"\n")
                line = line[_LONGEST_LINE:]
            parts.append(head + b"F " + line + b"\n")
        while len(self._rest) > _LONGEST_LINE:
            parts.append(head + b"P " + self._rest[:_LONGEST_LINE] + b"\n")
            self._rest = self._rest[_LONGEST_LINE:]
        if parts:
            self._log.write(b"".join(parts))

    def _end(self) -> None:
        if self._rest:
            self._log.write(f"{_now()} {self.stream} P ".encode() + self._rest + b"\n")
            self._rest = b""
        self.release()

    def release(self) -> None:
        """Let those go who are attached."""
        for fd in self._attached:
            os.close(fd)
        self._attached.clear()


def _now() -> str:
    nanoseconds = time.time_ns()
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(nanoseconds // 10**9))
    return f"{seconds}.{nanoseconds % 10**9:09d}Z"
