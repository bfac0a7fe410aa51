"""System calls that Python 3.10 does not have.  Python 3.12 has unshare and setns.

Source: ``man 2 unshare``, ``man 2 setns``, ``man 2 mount``, ``man 2 umount``, ``man 2 pivot_root``, ``man 2 prctl``;
open_tree and move_mount: ``include/uapi/linux/mount.h``.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # see netlink.py
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "CLONE_FS",
    "CLONE_NEWIPC",
    "CLONE_NEWNET",
    "CLONE_NEWNS",
    "CLONE_NEWPID",
    "CLONE_NEWUSER",
    "CLONE_NEWUTS",
    "MNT_DETACH",
    "MS_BIND",
    "MS_NODEV",
    "MS_NOEXEC",
    "MS_NOSUID",
    "MS_PRIVATE",
    "MS_RDONLY",
    "MS_REC",
    "MS_REMOUNT",
    "MS_SHARED",
    "MS_SLAVE",
    "bind_packet_socket",
    "die_with_parent",
    "drop_capability",
    "mount",
    "mount_fd",
    "open_tree",
    "pivot_root",
    "setns",
    "umount",
    "unshare",
]

CLONE_FS = 0x00000200
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MNT_DETACH = 2
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP = 1, 24
# these two have the same numbers on every architecture
_OPEN_TREE, _MOVE_MOUNT = 428, 429
_AF_PACKET, _SOCKADDR_LL = 17, 20
_AT_FDCWD, _OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH, _O_CLOEXEC = -100, 1, 4, 0o2000000

_libc: Any = None


def _call(name: str, subject: str, *arguments: bytes | int) -> int:
    import ctypes  # late: it is large, and a CNI plugin on a newer Python needs none of it

    global _libc
    if _libc is None:
        loaded = ctypes.CDLL(None, use_errno=True)
        loaded.mount.argtypes = (*(ctypes.c_char_p,) * 3, ctypes.c_ulong, ctypes.c_char_p)
        _libc = loaded
    result: int = getattr(_libc, name)(*arguments)
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno), subject)
    return result


def unshare(flags: int) -> None:
    """Move the calling thread into new namespaces (``unshare --net --mount …``)."""
    python: Callable[[int], None] | None = getattr(os, "unshare", None)
    python(flags) if python else _call("unshare", "unshare", flags)


def setns(fd: int, kind: int) -> None:
    """Move the calling thread into the namespace behind ``fd`` (``nsenter``)."""
    python: Callable[[int, int], None] | None = getattr(os, "setns", None)
    python(fd, kind) if python else _call("setns", "setns", fd, kind)


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Attach a file system, or with ``MS_BIND`` an existing file or folder, at ``target`` (``mount``)."""
    _call("mount", target, source.encode(), target.encode(), kind.encode(), flags, options.encode())


def umount(target: str, flags: int = 0) -> None:
    """Detach what is mounted at ``target`` (``umount``)."""
    _call("umount2", target, target.encode(), flags)


def pivot_root(new: str, old: str) -> None:
    """Make ``new`` the root of this mount namespace, and mount the root it had at ``old`` (``pivot_root``)."""
    _call("pivot_root", new, new.encode(), old.encode())


def open_tree(path: str) -> int:
    """A file descriptor of a copy of the mount at ``path``, to be attached in another mount namespace."""
    return _call("syscall", path, _OPEN_TREE, _AT_FDCWD, path.encode(), _OPEN_TREE_CLONE | _O_CLOEXEC)


def mount_fd(fd: int, target: str) -> None:
    """Attach at ``target`` what ``open_tree`` copied."""
    _call("syscall", target, _MOVE_MOUNT, fd, b"", _AT_FDCWD, target.encode(), _MOVE_MOUNT_F_EMPTY_PATH)


def die_with_parent(signal: int) -> None:
    """Have the kernel send this process a signal when its parent ends."""
    _call("prctl", "prctl", _PR_SET_PDEATHSIG, signal, 0, 0, 0)


def bind_packet_socket(fd: int, protocol: int) -> None:
    """Let a packet socket hear every interface from now on (``man 7 packet``); Python's ``bind`` needs one's name."""
    address = _AF_PACKET.to_bytes(2, sys.byteorder) + protocol.to_bytes(2, "big")
    _call("bind", "bind", fd, address.ljust(_SOCKADDR_LL, b"\0"), _SOCKADDR_LL)


def drop_capability(number: int) -> None:
    """Neither this process nor its children ever get the capability (back) by starting a program."""
    _call("prctl", "prctl", _PR_CAPBSET_DROP, number, 0, 0, 0)
