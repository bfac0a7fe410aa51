"""Start something in a sandbox: the supervisor, init, and the process the sandbox is for."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from labhelpers.sandbox import mounts
from labhelpers.sandbox.behind import leave_behind
from labhelpers.sandbox.environment import search_programs, settle_in
from labhelpers.sandbox.explain import explain
from labhelpers.sandbox.facts import myself
from labhelpers.sandbox.frontend import FrontEnd
from labhelpers.sandbox.isolate import isolate
from labhelpers.sandbox.supervise import SIGNALS, signal_group, supervise
from labhelpers.sandbox.syscalls import die_with_parent

__all__ = ["launch"]

_SIOCSIFFLAGS, _IFF_UP_RUNNING = 0x8914, 0x41
_MOST_FILES = 1 << 20
_READY = b"ready"


def launch(inside: Callable[[str], None], *, front_end: FrontEnd | None = None, files: Sequence[int] = ()) -> NoReturn:
    """Move into a sandbox and call ``inside`` in the process it is for.  Does not return.

    Args:
        inside: called with ``""``, or with the explanation why there is no sandbox.  In that case nothing is isolated,
            and it must not run what the user asked for.
        front_end: when it ends, so does the sandbox.
        files: file descriptors that only ``inside`` needs.
    """
    normal = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    who = myself()
    # Inside, the user may be root, whose home is another one.
    os.environ.setdefault("HOME", os.path.expanduser("~"))

    def begin(refusal: str, notes: Sequence[str] = (), pid_outside: str = "") -> NoReturn:
        os.setsid()
        die_with_parent()
        signal.pthread_sigmask(signal.SIG_SETMASK, normal)
        _prepare(refusal, notes, pid_outside)
        inside(refusal)
        sys.exit(0)  # and not os._exit: the user may have asked for something to be done in the end

    behind = leave_behind(begin)
    try:
        isolate(behind.map_ids)
        notes = mounts.mount_all()
        _set_lo_up()
        socket.sethostname(mounts.HOST_NAME)
    except OSError as error:
        child = behind.refuse(explain(error, who))
        _close(files)
        supervise(child, signal_group, front_end)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # After unshare(CLONE_NEWPID) this process cannot make threads any more: everything else happens in children.
    init = os.fork()
    if not init:
        behind.line.close()
        ours.close()
        if front_end:
            front_end.forget()
        pid_outside = _become_init(theirs, who)
        child = os.fork()
        if child:
            _close(files)
            supervise(child, signal_group)
        begin("", notes, pid_outside)
    theirs.close()
    refusal = _meet(ours, init)
    _close(files)
    if refusal:
        os.waitpid(init, 0)
        supervise(behind.refuse(refusal), signal_group, front_end)
    behind.dismiss()
    supervise(init, os.kill, front_end)


def _become_init(line: socket.socket, who: str) -> str:
    """Be pid 1 of the sandbox, and die with the supervisor.  Returns the process id as seen outside."""
    # Out of the front end's process group: it signals the whole group, and we would hear every interrupt twice.
    os.setsid()
    die_with_parent()
    line.send(_READY)
    pid_outside = line.recv(16).decode()
    if not pid_outside:  # the supervisor died before it could take us along
        os._exit(1)
    try:
        mounts.mount_proc()
        mounts.mark()
    except OSError as error:
        line.send(explain(error, who).encode())
        os._exit(1)
    line.send(_READY)
    line.close()
    return pid_outside


def _meet(line: socket.socket, init: int) -> str:
    """The supervisor's side of ``_become_init``.  Returns the explanation if init found that there is no sandbox."""
    with line, suppress(OSError):  # init was killed: whoever waits for it will see
        line.recv(len(_READY))
        line.send(str(init).encode())
        answer = line.recv(1 << 16)
        return "" if answer == _READY else answer.decode()
    return ""


def _close(files: Sequence[int]) -> None:
    for fd in files:
        os.close(fd)


def _set_lo_up() -> None:
    with socket.socket() as any_socket:
        request = struct.pack("16sH14x", b"lo", _IFF_UP_RUNNING)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)


def _prepare(refusal: str, notes: Sequence[str], pid_outside: str) -> None:
    """The environment and the limits of the process."""
    if refusal:
        search_programs()
    else:
        notes = [*notes, *settle_in()]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    os.environ["POD_NETWORKING_SANDBOX"] = "0" if refusal else "1"
    os.environ["POD_NETWORKING_SANDBOX_PID"] = pid_outside
    os.environ["POD_NETWORKING_SANDBOX_NOTES"] = "\n".join(notes)
