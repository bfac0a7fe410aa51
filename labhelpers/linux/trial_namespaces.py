"""Trials: may this process make namespaces, and mounts in them?

A trial does the thing once, small, in a child process, and what was made ends with that.  It raises ``OSError`` where
the kernel refuses.  Run them in a process with one thread: only such a one may enter a user namespace, or fork safely.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from labhelpers.linux import libc
from labhelpers.linux.namespace import FOLDER

__all__ = ["enter_throw_away", "mounts", "namespaces", "overlay", "user_namespace"]

_KINDS = {
    "net": libc.CLONE_NEWNET,
    "mnt": libc.CLONE_NEWNS,
    "pid": libc.CLONE_NEWPID,
    "uts": libc.CLONE_NEWUTS,
    "ipc": libc.CLONE_NEWIPC,
}
_BROKE = 255  # exit status of a child that failed otherwise; no errno is as large


def user_namespace() -> None:
    """Change nothing that stays: enter a user namespace as its root, and use a right that gives.

    Shell: ``unshare --user --map-root-user --root=/ true``.
    """
    _in_child(_become_root)


def _become_root() -> None:
    uid, gid = os.geteuid(), os.getegid()
    libc.unshare(libc.CLONE_NEWUSER)
    with suppress(FileNotFoundError):
        Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    # AppArmor lets an ordinary user make the namespace and takes the rights in it away; this needs one of them
    os.chroot("/")


def namespaces() -> None:
    """Change nothing that stays: make a namespace of each kind that nodes and pods have.

    Raises:
        OSError: ``filename`` is the kind that was refused first: net, mnt, pid, uts or ipc.

    Shell: ``unshare --net --mount --pid --uts --ipc true``.
    """
    for kind, flag in _KINDS.items():
        try:
            _in_child(lambda flag=flag: libc.unshare(flag))  # type: ignore[misc]
        except OSError as error:
            raise OSError(error.errno, error.strerror, kind) from None


def mounts() -> None:
    """Change nothing that stays: mount an empty file system, a folder at a second place, and a /proc.

    Shell: ``unshare --mount --pid --fork sh -c 'mount -t tmpfs none /mnt; mount -t proc none /proc'``.
    """

    def mount_all() -> None:
        _scratch()
        for name in ("here", "there"):
            (FOLDER / name).mkdir()
        libc.mount(str(FOLDER / "here"), str(FOLDER / "there"), flags=libc.MS_BIND)
        libc.mount("proc", "/proc", "proc")

    def job() -> None:
        libc.unshare(libc.CLONE_NEWNS | libc.CLONE_NEWPID)
        _in_child(mount_all)  # a /proc needs a process of the new pid namespace

    _in_child(job)


def overlay() -> None:
    """Change nothing that stays: lay a writable folder over another one.

    Shell: ``unshare --mount mount -t overlay none /mnt -o lowerdir=…,upperdir=…,workdir=…,userxattr``.
    """

    def job() -> None:
        libc.unshare(libc.CLONE_NEWNS)
        _scratch()
        folders = {name: FOLDER / name for name in ("lowerdir", "upperdir", "workdir")}
        for folder in (*folders.values(), FOLDER / "merged"):
            folder.mkdir()
        options = ",".join([*(f"{name}={folder}" for name, folder in folders.items()), "userxattr"])
        libc.mount("overlay", str(FOLDER / "merged"), "overlay", options=options)
        (FOLDER / "merged" / "file").touch()

    _in_child(job)


def enter_throw_away() -> None:
    """Move this process into a network and a mount namespace that end with it; there, /run/netns is empty.

    Shell: ``unshare --net --mount``.
    """
    libc.unshare(libc.CLONE_NEWNET | libc.CLONE_NEWNS)
    _scratch()


def _scratch() -> None:
    """Cover a folder that every sandbox has, in this process's own mount namespace: none must be made."""
    libc.mount("", "/", flags=libc.MS_PRIVATE | libc.MS_REC)
    libc.mount("tmpfs", str(FOLDER), "tmpfs", options="mode=755")


def _in_child(job: Callable[[], object]) -> None:
    """Run a job in a forked process, and raise here the ``OSError`` it raised there."""
    child = os.fork()
    if not child:
        status = _BROKE
        try:
            job()
            status = 0
        except OSError as error:
            status = error.errno or _BROKE
        finally:
            os._exit(status)
    _, waited = os.waitpid(child, 0)
    status = os.waitstatus_to_exitcode(waited)
    if status in (_BROKE, *range(-64, 0)):
        raise RuntimeError(f"the trial itself broke, with status {status}")
    if status:
        raise OSError(status, os.strerror(status))
