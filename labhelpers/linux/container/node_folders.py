"""Folders that a container runtime has on a node, in the node's own mount namespace."""

from __future__ import annotations

import os

from labhelpers.linux import libc
from labhelpers.linux.enter import in_own_thread, like_nsenter
from labhelpers.linux.inside import require_sandbox

__all__ = ["give_own", "show"]


def show(pid: int, source: str, target: str) -> None:
    """Mount a folder of the sandbox in the node that process ``pid`` keeps; what is there twice is mounted once.

    A bind mount cannot cross mount namespaces, a detached copy of a mount can.

    Args:
        target: a folder of the node below its own /run; it is made.

    Raises:
        OSError.
    """
    require_sandbox()
    fd = libc.open_tree(source)

    def job() -> None:
        like_nsenter(pid)
        os.makedirs(target, exist_ok=True)
        if not os.path.ismount(target):
            libc.mount_fd(fd, target)

    try:
        in_own_thread(job)
    finally:
        os.close(fd)


def give_own(pid: int, folder: str) -> None:
    """Mount an empty file system over a folder of the node, unless it has one there.

    Shell, on the node: ``mount -t tmpfs tmpfs FOLDER``.

    Raises:
        OSError.
    """
    require_sandbox()

    def job() -> None:
        like_nsenter(pid)
        if not os.path.ismount(folder):
            libc.mount("tmpfs", folder, "tmpfs", options="mode=755")

    in_own_thread(job)
