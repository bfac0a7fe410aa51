"""What must be the same before and after a test: all that it could leave behind in the sandbox or in this process."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PATIENCE", "State", "files", "left_behind", "remove_what_is_new"]

PATIENCE = 3.0  # seconds: the kernel takes links of a namespace away some time after its name
_NET = "/proc/sys/net"
_ENDED = " (ended)"


@dataclass(frozen=True)
class State:
    """One moment, as lines of text by kind."""

    lines: dict[str, frozenset[str]]

    @classmethod
    def now(cls) -> State:
        """Look at everything."""
        processes = _processes()
        opened = files()
        return cls(
            {
                "named namespace": frozenset(os.listdir("/run/netns")),
                "namespace": frozenset(_namespaces(processes, opened)),
                "process": frozenset(f"{pid} {command}" for pid, command in processes.items()),
                "file": frozenset(opened),
                "thread": frozenset(f"{one.name} {one.native_id}" for one in threading.enumerate()),
                "mount": frozenset(Path("/proc/self/mountinfo").read_text().splitlines()),
                "interface, route or rule": frozenset(_interfaces()),
                "nft table": frozenset(_lines(["nft", "list", "tables"])),
                "sysctl": frozenset(_sysctls()),
            }
        )

    def since(self, before: State) -> list[str]:
        """What is more or less than before, one a line; a process that had ended already is not missed."""
        return [
            f"{kind} {sign} {line}"
            for kind, now in self.lines.items()
            for sign, lines in (("more:", now - before.lines[kind]), ("less:", before.lines[kind] - now))
            for line in sorted(lines)
            if not (sign == "less:" and line.endswith(_ENDED))
        ]


def left_behind(before: State) -> list[str]:
    """What differs from ``before``, after waiting for what the kernel or the interpreter does a little later."""
    end = time.monotonic() + PATIENCE
    while differences := State.now().since(before):
        if time.monotonic() > end:
            return differences
        gc.collect()
        time.sleep(0.02)
    return []


def remove_what_is_new(before: State) -> None:
    """End processes and take names away that were not there before: the tests that follow are not to blame."""
    now = State.now().lines
    for line in now["process"] - before.lines["process"]:
        try:
            os.kill(int(line.split()[0]), signal.SIGKILL)
        except ProcessLookupError:
            continue
    for name in now["named namespace"] - before.lines["named namespace"]:
        subprocess.run(["ip", "netns", "delete", name], check=False)


def _processes() -> dict[int, str]:
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                found[int(entry)] = _words(Path("/proc", entry))
            except OSError:
                continue
    return found


def _words(process: Path) -> str:
    """Its command line.  One that is being started has none for a moment, although its parent goes on already."""
    end = time.monotonic() + 1
    while True:
        if words := process.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip():
            return words
        name, _, rest = process.joinpath("stat").read_text().partition(" (")[2].rpartition(") ")
        if rest[0] in "ZX" or time.monotonic() > end:
            return f"{name}{_ENDED}"
        time.sleep(0.001)


def files() -> list[str]:
    """The open files of this process: number and what it is."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}")
        except OSError:  # the one that listed the folder
            continue
    return found


def _namespaces(processes: dict[int, str], opened: list[str]) -> set[str]:
    """Network namespaces that a process, a thread of ours, a name or a file of ours keeps alive."""
    found = {line.split(" ", 1)[1] for line in opened if " net:[" in line}
    for path in (
        *(f"/proc/{pid}/ns/net" for pid in processes),
        *(f"/proc/self/task/{thread}/ns/net" for thread in os.listdir("/proc/self/task")),
        *(f"/run/netns/{name}" for name in os.listdir("/run/netns")),
    ):
        try:
            found.add(f"net:[{os.stat(path).st_ino}]")
        except OSError:  # it has ended
            continue
    return found


def _interfaces() -> list[str]:
    script = "link show\naddress show\nroute show table all\nrule show\n"
    return _lines(["ip", "-oneline", "-details", "-batch", "-"], script)


def _sysctls() -> list[str]:
    found = []
    for top, _, names in os.walk(_NET):
        for name in names:
            try:
                fd = os.open(f"{top}/{name}", os.O_RDONLY)
            except OSError:  # one that can only be written
                continue
            try:
                found.append(f"{top}/{name} = {os.read(fd, 4096).decode().strip()}")
            except OSError:  # it has no value yet
                continue
            finally:
                os.close(fd)
    return found


def _lines(command: list[str], text: str = "") -> list[str]:
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
