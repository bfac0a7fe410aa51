"""A /sys that shows the network interfaces of the namespace that looks at it."""

from __future__ import annotations

import os

from labhelpers.linux import libc

__all__ = ["mount_own"]

#: where sysfs has interfaces: links, and the folders they lead to
_INTERFACES = ("/sys/class/net", "/sys/devices/virtual/net")


def mount_own(name: str = "sysfs") -> None:
    """Mount a sysfs of the calling thread's network namespace at /sys; runs in a mount namespace of its own.

    A container's /sys is read-only and locked, and the kernel refuses any other one but a read-only one
    (``mount_too_revealing`` in ``fs/namespace.c``).  A read-only one of ours must not stay on top: ``ip netns exec``
    would unmount it and then mount one that can be written, in vain.  So only its folders of interfaces stay.

    Args:
        name: what /proc/mounts calls it; ``ip netns exec`` uses the namespace's name.

    Raises:
        OSError: neither is allowed, because parts of /sys are hidden; /sys is as it was.

    Shell: ``mount -t sysfs sysfs /sys``
    """
    try:
        libc.mount(name, "/sys", "sysfs")
        return
    except OSError:
        pass
    below = [os.open(folder, os.O_PATH | os.O_CLOEXEC) for folder in _INTERFACES]
    try:
        libc.mount(name, "/sys", "sysfs", libc.MS_RDONLY)
        try:
            for folder, fd in zip(_INTERFACES, below, strict=True):
                libc.mount(folder, f"/proc/self/fd/{fd}", flags=libc.MS_BIND)
        finally:
            libc.umount("/sys", libc.MNT_DETACH)
    finally:
        for fd in below:
            os.close(fd)
