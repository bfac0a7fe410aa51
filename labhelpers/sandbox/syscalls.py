"""System calls that Python's standard library does not have."""

from __future__ import annotations

import ctypes
import os
import signal

__all__ = [
    "CLONE_NEWIPC", "CLONE_NEWNET", "CLONE_NEWNS", "CLONE_NEWPID", "CLONE_NEWUSER", "CLONE_NEWUTS",
    "MNT_DETACH", "MS_BIND", "MS_NODEV", "MS_NOEXEC", "MS_NOSUID", "MS_RDONLY", "MS_REC", "MS_REMOUNT", "MS_SHARED",
    "MS_SLAVE", "die_with_parent", "libc", "mount", "umount", "unshare",
]  # fmt: skip

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 1 << 17, 1 << 26, 1 << 27
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 1 << 28, 1 << 29, 1 << 30
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_SLAVE, MS_SHARED = 4096, 16384, 1 << 19, 1 << 20
MNT_DETACH = 2
_PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)
libc.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]


def _check(result: int, stage: str) -> None:
    """Raise OSError with the stage in ``filename``: the explanation of a refusal depends on it."""
    if result:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno), stage)


def unshare(flags: int) -> None:
    """Move this process into new namespaces (``man 2 unshare``)."""
    _check(libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Attach a file system at ``target`` (``man 2 mount``)."""
    result = libc.mount(*map(os.fsencode, (source, target, kind)), flags, os.fsencode(options))
    _check(result, f"mount {kind or source} on {target}")


def umount(target: str) -> None:
    """Detach what is mounted at ``target``, also while it is in use (``man 2 umount``)."""
    _check(libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def die_with_parent() -> None:
    """Ask for SIGKILL when the parent ends (``man 2 prctl``, PR_SET_PDEATHSIG)."""
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
