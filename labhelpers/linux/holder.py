"""A process that does nothing but keep the namespaces of a node."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from labhelpers.linux import libc, process
from labhelpers.linux.enter import in_own_thread
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.namespace import explained

__all__ = ["collect", "start"]

_started: set[int] = set()


def start(hostname: str, prepare: Callable[[], None]) -> int:
    """Create network, mount and UTS namespaces, and a process that keeps them: a machine without a machine.

    Args:
        hostname: of the UTS namespace.
        prepare: called inside, before the process starts, to mount what the node has of its own.

    Returns:
        the process id.  Call it with interrupts held, so that this is not lost.

    Raises:
        ToolMissing, NotInSandbox, NeedsPrivilege, LabError.

    Shell: ``unshare --net --mount --uts sleep infinity &``.
    """
    require_sandbox()
    args = process.arguments(["sleep", "infinity"])

    def job() -> int:
        libc.unshare(libc.CLONE_NEWNET | libc.CLONE_NEWNS | libc.CLONE_NEWUTS)
        socket.sethostname(hostname)
        prepare()
        silent = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
        return os.posix_spawnp(args[0], args, os.environ, file_actions=silent, setsid=True)

    collect()
    try:
        pid = in_own_thread(job)
    except OSError as error:
        raise explained(error, hostname) from error
    _started.add(pid)
    return pid


def collect() -> None:
    """Let the kernel forget holders that have ended; until their parent asks, they stay in the list of processes."""
    for pid in tuple(_started):
        try:
            ended, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # somebody has asked already
            ended = pid
        if ended:
            _started.discard(pid)
