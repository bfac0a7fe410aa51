"""Enter namespaces of several kinds, in order to start a process there (``ip netns exec``, ``nsenter``).

Namespaces belong to a thread, and a child inherits those of the thread that forks it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from labhelpers.linux import libc, sysfs
from labhelpers.linux.interrupt import held

__all__ = ["in_own_thread", "like_ip_netns_exec", "like_nsenter"]

Result = TypeVar("Result")


def in_own_thread(job: Callable[[], Result]) -> Result:
    """Run a job that may enter or make namespaces of any kind, in a thread that is used once.

    The way back out of a mount namespace is not worth having.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            results.append(job())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=target, name="process starter", daemon=True)
    with held():
        thread.start()
        thread.join()
    if errors:
        raise errors[0]
    return results[0]


def like_ip_netns_exec(fd: int, name: str) -> None:
    """The network namespace, a sysfs that shows it, and /etc/netns/NAME over /etc (``man 8 ip-netns``)."""
    libc.setns(fd, libc.CLONE_NEWNET)
    if not name:
        return
    libc.unshare(libc.CLONE_NEWNS)
    libc.mount("", "/", flags=libc.MS_SLAVE | libc.MS_REC)
    with suppress(OSError):  # a container that hides parts of /sys: its own stays visible
        sysfs.mount_own(name)
    for file in Path("/etc/netns", name).glob("*"):
        target = Path("/etc", file.name)
        if target.exists():
            libc.mount(str(file), str(target), flags=libc.MS_BIND)


def like_nsenter(pid: int) -> None:
    """The network, UTS and mount namespaces of a node's holder process."""
    fds: list[tuple[int, int]] = []
    try:
        for name, kind in (("net", libc.CLONE_NEWNET), ("uts", libc.CLONE_NEWUTS), ("mnt", libc.CLONE_NEWNS)):
            fds.append((os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC), kind))
        folder = os.readlink("/proc/thread-self/cwd")
        libc.unshare(libc.CLONE_FS)
        for fd, kind in fds:
            libc.setns(fd, kind)
        os.chdir(folder if os.path.isdir(folder) else "/")
    finally:
        for fd, _ in fds:
            os.close(fd)
