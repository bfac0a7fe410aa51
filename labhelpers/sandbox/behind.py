"""The process that stays behind, where the supervisor came from.

It does what can only be done from there.  It maps the user ids of the new user namespace.  And if there can be no
sandbox, it becomes the process that says so: whatever the supervisor had moved already, this one is on the bare
machine, and sees what every other program of the user sees.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from labhelpers.sandbox import facts
from labhelpers.sandbox.syscalls import die_with_parent

__all__ = ["Behind", "leave_behind"]

_LONGEST = 1 << 16
_MAP = b"map"


@dataclass(frozen=True)
class Behind:
    """The supervisor's handle of the process that stays behind."""

    pid: int
    line: socket.socket

    def map_ids(self) -> None:
        """Map the ids of the user namespace this process has just entered.  That it failed shows in ``geteuid``."""
        self.line.send(_MAP)
        self.line.recv(1)

    def dismiss(self) -> None:
        """There is a sandbox: it is not needed any more."""
        self.line.close()
        os.waitpid(self.pid, 0)

    def refuse(self, refusal: str) -> int:
        """There is no sandbox: it becomes the process that says so.  Returns its process id."""
        self.line.send(refusal.encode())
        self.line.close()
        return self.pid


def leave_behind(refuse: Callable[[str], NoReturn]) -> Behind:
    """Fork the process that stays behind; ``refuse`` is called in it with the explanation why there is no sandbox."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    supervisor = os.getpid()
    pid = os.fork()
    if pid:
        theirs.close()
        return Behind(pid, ours)
    ours.close()
    die_with_parent()
    while True:
        request = theirs.recv(_LONGEST)
        if not request:
            os._exit(0)
        if request != _MAP:
            theirs.close()
            refuse(request.decode())
        with suppress(OSError):
            _write_maps(supervisor)
        theirs.send(b"x")


def _write_maps(pid: int) -> None:
    for name, text in _maps().items():
        with open(f"/proc/{pid}/{name}", "w") as file:
            file.write(text)


def _maps() -> dict[str, str]:
    """Who is who inside: a root that may keeps all its ids, everybody else is root and nobody else."""
    if os.geteuid() == 0 and facts.has_capability(facts.CAP_SETUID) and facts.has_capability(facts.CAP_SETGID):
        return {name: _same(facts.read(f"/proc/self/{name}")) for name in ("uid_map", "gid_map")}
    return {"setgroups": "deny", "uid_map": f"0 {os.geteuid()} 1", "gid_map": f"0 {os.getegid()} 1"}


def _same(id_map: str) -> str:
    ranges = (line.split() for line in id_map.splitlines())
    return "\n".join(f"{inside} {inside} {count}" for inside, _, count in ranges)
