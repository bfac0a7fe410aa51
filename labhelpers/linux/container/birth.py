"""What a child of the shim does between being forked and becoming the program: nothing of it comes back.

Each kind enters the namespaces it shares with others, makes those it has for itself, and starts the program.  The pid
namespace is the one thing that must be chosen before: a process stays in that it was born into.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from labhelpers.linux import libc
from labhelpers.linux.container import capabilities, rootfs, terminal
from labhelpers.linux.container.spec import ContainerSpec, ExecSpec, SandboxSpec, Spec, Who

__all__ = ["EXEC", "Stage", "become"]

#: the last step, whose failure is the user's business and not the machine's
EXEC = "exec"
_KINDS = {"net": libc.CLONE_NEWNET, "uts": libc.CLONE_NEWUTS, "ipc": libc.CLONE_NEWIPC, "mnt": libc.CLONE_NEWNS}
_PAUSE = ("sleep", "infinity")
#: the first two by Python, the last by the shim; a new program would inherit that
_IGNORED = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT)


class Stage:
    """Which step a child is at, for the error."""

    name = "enter"


def become(spec: Spec, stdio: Sequence[int], stage: Stage, has_terminal: Callable[[int], object]) -> NoReturn:
    """Be the program that the specification describes.

    Args:
        stdio: file descriptors for its input, output and error output; what has a terminal needs none.
        stage: is told of each step.
        has_terminal: is given the outer end of the terminal that was made.

    Raises:
        OSError: a step was refused.
    """
    os.setsid()
    libc.die_with_parent(signal.SIGKILL)
    os.umask(0o022)
    if isinstance(spec, SandboxSpec):
        _sandbox(spec)
        _start(_PAUSE, os.environ, stdio, stage)
    elif isinstance(spec, ContainerSpec):
        stage.name = "root"
        _container(spec)
        _program(spec, stdio, stage, has_terminal)
    else:
        _enter(spec.container, "net", "uts", "ipc", "mnt")
        _program(spec, stdio, stage, has_terminal)


def _sandbox(spec: SandboxSpec) -> None:
    """Of its own: ipc, mounts, and the hostname, unless it has the node's network and name."""
    netns = os.open(spec.netns, os.O_RDONLY | os.O_CLOEXEC) if spec.netns else -1
    _enter(spec.node, "net", "uts", "mnt")
    if spec.netns:
        libc.setns(netns, libc.CLONE_NEWNET)
        libc.unshare(libc.CLONE_NEWUTS)
        socket.sethostname(spec.hostname)
    libc.unshare(libc.CLONE_NEWIPC | libc.CLONE_NEWNS)
    libc.mount("", "/", flags=libc.MS_PRIVATE | libc.MS_REC)
    libc.mount("proc", "/proc", "proc", libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC)


def _container(spec: ContainerSpec) -> None:
    node = os.open(f"/proc/{spec.node}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    _enter(spec.sandbox, "net", "uts", "ipc")
    libc.setns(node, libc.CLONE_NEWNS)
    libc.unshare(libc.CLONE_NEWNS)
    libc.mount("", "/", flags=libc.MS_PRIVATE | libc.MS_REC)
    if spec.image == "/":
        libc.mount("proc", "/proc", "proc", libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC)
        return
    root = rootfs.mount_root(spec.image, spec.scratch)
    rootfs.enter(root, spec.mounts, privileged=spec.who.capabilities is None, read_only=spec.read_only)


def _enter(pid: int, *kinds: str) -> None:
    """The namespaces of a process, the mounts last: they change what is found below /proc."""
    fds = [(os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC), _KINDS[kind]) for kind in kinds]
    for fd, kind in fds:
        libc.setns(fd, kind)


def _program(
    spec: ContainerSpec | ExecSpec, stdio: Sequence[int], stage: Stage, has_terminal: Callable[[int], object]
) -> NoReturn:
    stage.name = "cwd"
    os.makedirs(spec.cwd, exist_ok=True)
    os.chdir(spec.cwd)
    if spec.tty:
        stage.name = "terminal"
        outer, inner = terminal.make(spec.who.uid)
        has_terminal(outer)
        os.close(outer)
        stdio = [inner] * 3
    stage.name = "user"
    _be(spec.who)
    _start(spec.args, spec.env, stdio, stage)


def _be(who: Who) -> None:
    if who.capabilities is not None:
        capabilities.keep_only(who.capabilities)
    with suppress(PermissionError):  # one that may not name groups has none to give up
        os.setgroups([])
    os.setgid(who.gid)
    os.setuid(who.uid)


def _start(args: Sequence[str], env: Mapping[str, str], stdio: Sequence[int], stage: Stage) -> NoReturn:
    for position, fd in enumerate(stdio):
        os.dup2(fd, position)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_DFL)
    stage.name = EXEC
    os.execvpe(args[0], list(args), dict(env))
