"""Everything a test has started, found by a variable that children inherit, wherever they went."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["VARIABLE", "Chain", "Family", "Process", "until"]

VARIABLE = "STARTED_BY_TEST"
_PATIENCE = 20.0  # seconds; only a test that fails waits that long


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for the condition; the test fails if it does not come."""
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.02)


@dataclass(frozen=True)
class Process:
    """A process as the host sees it."""

    pid: int
    parent: int
    command: str
    net: str

    def namespace(self, kind: str) -> str:
        return os.readlink(f"/proc/{self.pid}/ns/{kind}")


@dataclass(frozen=True)
class Chain:
    """Process ids, seen from outside, of what a sandbox is made of."""

    supervisor: int
    init: int
    kernel: int


class Family:
    """The processes that have this mark in their environment."""

    def __init__(self, mark: str) -> None:
        self._mark = f"{VARIABLE}={mark}".encode()

    def alive(self) -> list[Process]:
        found = (self._look(Path("/proc", name)) for name in os.listdir("/proc") if name.isdigit())
        return [process for process in found if process]

    def named(self, program: str) -> list[Process]:
        return [process for process in self.alive() if process.command.split(" ")[0].endswith(program)]

    def child(self, parent: int) -> Process | None:
        return next((process for process in self.alive() if process.parent == parent), None)

    def chain(self, supervisor: int) -> Chain:
        init = self.child(supervisor)
        assert init, "the supervisor has no child"
        kernel = self.child(init.pid)
        assert kernel, "init has no child"
        return Chain(supervisor, init.pid, kernel.pid)

    def wait_for_end(self) -> None:
        """Until none is left; the test fails if one stays, and says which."""
        try:
            until(lambda: not self.alive(), "every process has ended")
        except AssertionError:
            raise AssertionError(f"processes are left: {self.alive()}") from None

    def kill(self) -> None:
        """After a test that failed: the next one should not suffer."""
        for process in self.alive():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

    def _look(self, entry: Path) -> Process | None:
        try:
            if self._mark not in (entry / "environ").read_bytes().split(b"\0"):
                return None
            command = (entry / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            return Process(int(entry.name), parent, command, os.readlink(entry / "ns/net"))
        except OSError:  # it has ended, or is somebody else's
            return None
