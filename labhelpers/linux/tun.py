"""TUN devices: an interface whose cable ends in a program (Documentation/networking/tuntap.rst)."""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from labhelpers.errors import KernelFeatureMissing, NeedsPrivilege
from labhelpers.linux import names

__all__ = ["open_tun", "require"]

_DEVICE = "/dev/net/tun"
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000


def open_tun(name: str) -> int:
    """Create a TUN device in the calling thread's namespace.  It goes when the file descriptor is closed.

    Returns:
        a file descriptor: what is written is received, what is sent can be read, one IP packet each.

    Raises:
        OSError: ENOENT or ENODEV without the driver, EPERM.

    Shell: ``ip tuntap add NAME mode tun``, which keeps it.
    """
    fd = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        # struct ifreq: 16 bytes of name, then a union of which the flags are the first two bytes
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", names.link_name(name).encode(), _IFF_TUN | _IFF_NO_PI))
    except BaseException:
        os.close(fd)
        raise
    return fd


def require() -> None:
    """Change nothing: may a program make TUN devices here?

    Raises:
        NeedsPrivilege: the file by which it asks the kernel for one may not be opened.
        KernelFeatureMissing: there is no such file, or no driver behind it.

    Shell: ``: <> /dev/net/tun``.
    """
    try:
        os.close(os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise NeedsPrivilege(
                f"{_DEVICE} may not be opened here.",
                f"Outside the notebook: `sudo chmod 666 {_DEVICE}`.",
                errno=error.errno,
            ) from None
        raise KernelFeatureMissing(
            f"{_DEVICE} cannot be opened: {(error.strerror or str(error)).lower()}.",
            "Run doctor() to see what brings it.",
            errno=error.errno,
        ) from None
