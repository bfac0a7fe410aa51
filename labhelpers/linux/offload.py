"""What the kernel leaves to the network card (``man 8 ethtool``)."""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct

from labhelpers.linux.changes import Changes
from labhelpers.linux.explain import refused
from labhelpers.linux.namespace import NetworkNamespace

__all__ = ["checksums_off"]

_SIOCETHTOOL, _ETHTOOL_STXCSUM = 0x8946, 0x17  # linux/sockios.h, linux/ethtool.h


def checksums_off(namespace: NetworkNamespace, changes: Changes, device: str) -> None:
    """Have the kernel itself write the checksums of what leaves an interface, and cut what is longer than its MTU.

    Between pods of one machine nobody does either: a packet that never leaves it needs no checksum, and may be 64 KiB
    long.  A program that takes frames off a cable and sends them elsewhere needs both.

    Raises:
        KernelRefused, NotFound.

    Shell: ``ethtool -K DEVICE tx off``.
    """
    changes.index(device)  # says which there are, if there is none of this name
    value = ctypes.create_string_buffer(struct.pack("=II", _ETHTOOL_STXCSUM, 0))
    request = struct.pack("16sP", device.encode(), ctypes.addressof(value)).ljust(40, b"\0")  # struct ifreq
    command = f"ethtool -K {device} tx off"

    def job() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, _SIOCETHTOOL, request)

    try:
        namespace.visit(job)
    except OSError as error:
        raise refused(error.errno or 0, "", command) from error
    changes.ran(command)
