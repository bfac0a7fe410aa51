"""What programs of a node tell of, at socket files in one folder: one JSON object a line, to everybody who listens."""

from __future__ import annotations

import json
import os
import select
import socket
import time
from typing import Any

__all__ = ["FOLDER", "Told"]

#: on the node
FOLDER = "/run/flows"
_LOOK_FOR_NEW = 0.5  # seconds between looks for programs that have begun, or begun again
_LONGEST_LINE = 1 << 20


class Told:
    """Listen to every program of a node that tells of something, also to those that begin later.  Changes nothing.

    Args:
        root: the node's file system, seen from here: ``/proc/PID/root``.
    """

    def __init__(self, root: str) -> None:
        self._folder = root + FOLDER
        #: lines that a program could not send us, because we read too slowly
        self.missed = 0
        self._ready = select.epoll()
        self._known: dict[tuple[int, int], socket.socket] = {}
        self._rest: dict[int, bytes] = {}
        self._looked = 0.0
        self._look()

    def fileno(self) -> int:
        """To wait for, with ``poll``."""
        return self._ready.fileno()

    def read(self) -> list[dict[str, Any]]:
        """What was told since the last call."""
        if time.monotonic() - self._looked > _LOOK_FOR_NEW:
            self._look()
        found: list[dict[str, Any]] = []
        for identity, one in list(self._known.items()):
            while True:
                try:
                    data = one.recv(1 << 18)
                except BlockingIOError:
                    break
                except OSError:
                    data = b""
                if not data:  # the program has ended
                    self._forget(identity)
                    break
                found += self._lines(one.fileno(), data)
        return found

    def _lines(self, fd: int, data: bytes) -> list[dict[str, Any]]:
        *lines, rest = (self._rest.pop(fd, b"") + data).split(b"\n")
        if len(rest) < _LONGEST_LINE:
            self._rest[fd] = rest
        found = []
        for line in lines:
            try:
                told = json.loads(line)
            except ValueError:  # no program of ours
                continue
            if isinstance(told, dict):
                self.missed += int(told.pop("missed", 0))
                found.append(told)
        return found

    def _look(self) -> None:
        """Connect to programs that are not known yet."""
        self._looked = time.monotonic()
        try:
            names = sorted(name for name in os.listdir(self._folder) if name.endswith(".sock"))
        except OSError:  # nobody has told of anything yet, or the node has ended
            return
        for name in names:
            try:
                # /proc/self/fd, because the path of a socket must be short
                folder = os.open(self._folder, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                return
            try:
                self._connect(f"/proc/self/fd/{folder}/{name}")
            finally:
                os.close(folder)

    def _connect(self, path: str) -> None:
        try:
            file = os.stat(path)
        except OSError:
            return
        identity = file.st_ino, file.st_ctime_ns
        if identity in self._known:
            return
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            made.connect(path)
        except OSError:  # the program has ended, and left its file
            made.close()
            return
        self._known[identity] = made
        self._ready.register(made, select.EPOLLIN)

    def _forget(self, identity: tuple[int, int]) -> None:
        one = self._known.pop(identity)
        self._rest.pop(one.fileno(), None)
        one.close()

    def close(self) -> None:
        """Listen no more."""
        for identity in list(self._known):
            self._forget(identity)
        self._ready.close()
