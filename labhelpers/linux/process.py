"""Processes inside namespaces (``ip netns exec``, ``nsenter``)."""

from __future__ import annotations

import os
import select
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labhelpers.errors import BadInput, LabError, TimedOut, ToolMissing
from labhelpers.linux.enter import in_own_thread, like_ip_netns_exec, like_nsenter
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.interrupt import held
from labhelpers.linux.namespace import NetworkNamespace

__all__ = ["Completed", "Process", "arguments", "end", "end_all_in", "find", "namespaces_of_processes", "run", "spawn"]

Command = str | Sequence[str]
_PACKAGES = {
    "bird": "bird2", "birdc": "bird2", "bridge": "iproute2", "ethtool": "ethtool", "ip": "iproute2", "iperf3": "iperf3",
    "iptables": "iptables", "nft": "nftables", "ping": "iputils-ping", "sleep": "coreutils", "ss": "iproute2",
    "sysctl": "procps", "tc": "iproute2", "tcpdump": "tcpdump", "wg": "wireguard-tools",
    "wireguard-go": "wireguard-go",
}  # fmt: skip
_LONGEST_COMM = 15  # bytes of a program's name that the kernel keeps
_PATIENCE = 2.0  # seconds for the kernel to take a killed process away


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that ran: its exit status and what it wrote.  ``print`` shows what it wrote."""

    args: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Did it end with status 0?"""
        return self.returncode == 0

    def __str__(self) -> str:
        return (self.stdout + self.stderr).rstrip("\n")

    __repr__ = __str__


class Process:
    """A program running in the background inside a namespace.

    What it writes waits to be read from ``stdout``; a program that has written 64 KiB unread stops until it is.
    """

    def __init__(self, child: subprocess.Popen[str], namespace: str) -> None:
        self._child = child
        self.args = tuple(str(part) for part in child.args) if isinstance(child.args, (list, tuple)) else ()
        self.namespace = namespace
        self.pid = child.pid

    @property
    def running(self) -> bool:
        """Has it not ended yet?"""
        return self._child.poll() is None

    @property
    def stdout(self) -> Any:
        """What it writes, as a text stream."""
        return self._child.stdout

    def stop(self) -> None:
        """End the process: SIGTERM, and SIGKILL after a second.  Shell: ``kill PID``."""
        if self.running:
            self._child.terminate()
            try:
                self._child.wait(1)
            except subprocess.TimeoutExpired:
                self._child.kill()
        self._child.wait()
        for stream in (self._child.stdout, self._child.stderr, self._child.stdin):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self.running else f"ended with {self._child.returncode}"
        return f"<Process {shlex.join(self.args)} in {self.namespace}: {state}>"


def arguments(command: Command, *, root: str = "") -> list[str]:
    """A command line as a list.  A string is split as a shell would, but no shell runs.

    Args:
        root: where a program with an absolute path is looked for: a node's ``/proc/PID/root``.
    """
    try:
        args = shlex.split(command) if isinstance(command, str) else [str(part) for part in command]
    except ValueError:
        raise BadInput(f"{command!r} has a quotation mark without its partner.", "Close it.") from None
    if not args or not args[0]:
        raise BadInput("There is no command.", "Write it like 'ip address'.")
    if any("\0" in part for part in args):
        raise BadInput("A command cannot contain a zero byte.", "Leave it out.")
    if shutil.which(f"{root}{args[0]}" if args[0].startswith("/") else args[0]) is None:
        package = _PACKAGES.get(Path(args[0]).name)
        raise ToolMissing(
            f"The program {args[0]!r} is not installed.",
            f"Install it outside the notebook: `sudo apt-get install {package}`."
            if package
            else "Check the spelling; pipes and redirections need ['bash', '-c', '…'] or the %%ns magic.",
        )
    return args


def run(
    namespace: NetworkNamespace,
    command: Command,
    *,
    pid: int = 0,
    input: str | None = None,
    timeout: float | None = None,
    environment: Mapping[str, str] | None = None,
    when_started: Callable[[], object] = lambda: None,
) -> Completed:
    """Run a program inside the namespace and wait for it.

    Args:
        command: ``"ping -c 1 10.0.1.11"`` or a list of arguments.
        pid: a process whose mount and UTS namespaces are entered too (a node's); 0 for none.
        input: text for its standard input.
        timeout: seconds; then the program is killed.
        environment: all its environment variables; ours by default.
        when_started: called when it has been started, and before it gets its input.

    Raises:
        ToolMissing, Vanished, NotInSandbox, TimedOut.

    Shell: ``ip netns exec NAME COMMAND``; with ``pid``: ``nsenter -t PID -n -m -u COMMAND``.
    """
    require_sandbox()
    args = arguments(command, root=f"/proc/{pid}/root" if pid else "")
    stdin = subprocess.PIPE if input is not None else subprocess.DEVNULL
    child: subprocess.Popen[str] | None = None
    try:
        with held():
            child = _start(namespace, pid, args, stdin, environment)
        when_started()
        out, err = child.communicate(input, timeout)
    except BaseException as error:
        with held():
            if child is not None:
                _abandon(child)
        if isinstance(error, subprocess.TimeoutExpired):
            raise TimedOut(
                f"`{shlex.join(args)}` in {namespace.name} did not end within {timeout:g} s and was killed.",
                "Give it a limit of its own, such as `ping -c 1 -W 1`.",
            ) from None
        raise
    return Completed(tuple(args), child.returncode, out, err)


def spawn(namespace: NetworkNamespace, command: Command, *, pid: int = 0) -> Process:
    """Start a program inside the namespace and do not wait.  Shell: ``ip netns exec NAME COMMAND &``."""
    require_sandbox()
    args = arguments(command, root=f"/proc/{pid}/root" if pid else "")
    child: subprocess.Popen[str] | None = None
    try:
        with held():
            child = _start(namespace, pid, args, subprocess.DEVNULL)
    except BaseException:
        with held():
            if child is not None:
                _abandon(child)
        raise
    return Process(child, namespace.name)


def _start(
    namespace: NetworkNamespace,
    pid: int,
    args: list[str],
    stdin: int,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Start it in a session of its own, so that an interrupt reaches it through us only, and can end all of it."""
    require_sandbox()
    fd = namespace.open()
    pipe = subprocess.PIPE

    def job() -> subprocess.Popen[str]:
        if pid:
            like_nsenter(pid)
        else:
            like_ip_netns_exec(fd, namespace.name)
        return subprocess.Popen(
            args,
            stdin=stdin,
            stdout=pipe,
            stderr=pipe,
            env=environment,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    try:
        return in_own_thread(job)
    except OSError as error:
        raise LabError(
            f"`{shlex.join(args)}` in {namespace.name} was not started: {(error.strerror or str(error)).lower()}.",
            "Run doctor() to see what this sandbox may do.",
            errno=error.errno,
        ) from error
    finally:
        os.close(fd)


def _abandon(child: subprocess.Popen[str]) -> None:
    """End a program and all it has started, and forget what it wrote: its offspring may keep the pipes open."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            stream.close()
    child.wait()


def end_all_in(inodes: set[int]) -> None:
    """End every process that lives in one of these network namespaces, and wait until they are gone.

    Shell: ``ip netns pids NAME | xargs kill -9``.
    """
    require_sandbox()
    inodes = inodes - {os.stat("/proc/self/ns/net").st_ino}
    latest = time.monotonic() + _PATIENCE
    # again, because a process may have started another between being found and being ended
    while pids := [pid for pid, inode in namespaces_of_processes() if inode in inodes]:
        end(pids)
        if time.monotonic() > latest:
            raise LabError(
                f"Process {pids[0]} did not end after SIGKILL.", f"See what it waits for: `cat /proc/{pids[0]}/stack`."
            )


def end(pids: Sequence[int]) -> None:
    """End these processes, and wait until they are gone.  Shell: ``kill -9 PID …``."""
    require_sandbox()
    ended = select.poll()
    watched = []
    for pid in pids:
        try:
            watched.append(os.pidfd_open(pid))
            os.kill(pid, signal.SIGKILL)
        except OSError:  # it ended by itself
            continue
    for fd in watched:
        # readable once the process has ended, whoever its parent is
        ended.register(fd, select.POLLIN)
        ended.poll(_PATIENCE * 1000)
        ended.unregister(fd)
        os.close(fd)
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # a grandchild, or already collected
            continue


def find(inode: int, program: str) -> list[int]:
    """The processes of a program inside a network namespace, by the name of its file.  Changes nothing.

    Shell: ``ip netns pids NAME``, and of each ``cat /proc/PID/comm``.
    """
    found = []
    for pid, namespace in namespaces_of_processes():
        if namespace == inode:
            try:
                name = Path(f"/proc/{pid}/comm").read_text().rstrip("\n")
            except OSError:  # it has ended
                continue
            if name == program[:_LONGEST_COMM]:
                found.append(pid)
    return found


def namespaces_of_processes() -> list[tuple[int, int]]:
    """Every process and the inode number of its network namespace."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                found.append((int(entry), os.stat(f"/proc/{entry}/ns/net").st_ino))
            except OSError:  # it has ended, or is not ours to look at
                continue
    return found
