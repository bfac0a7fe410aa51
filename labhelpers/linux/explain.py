"""From the kernel's errno to a sentence, and to the right branch of the error tree."""

from __future__ import annotations

import errno as e
import os

from labhelpers.errors import (
    AlreadyExists,
    BadInput,
    KernelFeatureMissing,
    KernelRefused,
    LabError,
    NeedsPrivilege,
    NotFound,
)

__all__ = ["refused"]

_KINDS: dict[int, tuple[type[LabError], str, str]] = {
    e.EEXIST: (AlreadyExists, "It is already there", "Choose another name or value, or delete the old one first."),
    e.ENODEV: (NotFound, "There is no such interface", "See which there are with `ip link`."),
    e.ENOENT: (NotFound, "It is not there", "See what is there, for example with `ip address` or `bridge fdb`."),
    e.ESRCH: (NotFound, "There is no such entry", "See which there are with `ip route`."),
    e.EADDRNOTAVAIL: (NotFound, "The interface does not have this address", "See which it has with `ip address`."),
    e.ENETUNREACH: (
        BadInput,
        "The gateway is not on any subnet of an interface that is up",
        "Add an address from the gateway's subnet to the interface and set it up, then add the route.",
    ),
    e.EHOSTUNREACH: (BadInput, "The gateway cannot be reached directly", "Name a gateway in a connected subnet."),
    e.ENETDOWN: (BadInput, "The interface is down", "Set it up first: `ip link set … up`."),
    e.EPERM: (NeedsPrivilege, "It is not permitted", "Run doctor() to see what this sandbox may do."),
    e.EACCES: (NeedsPrivilege, "It is not permitted", "Run doctor() to see what this sandbox may do."),
    e.EOPNOTSUPP: (
        KernelFeatureMissing,
        "This kernel cannot do it, or not on an interface of this kind",
        "Run doctor() to see what this kernel has.",
    ),
    e.ERANGE: (BadInput, "The value is outside the allowed range", "Run doctor(), or try a usual value."),
    e.EINVAL: (BadInput, "The values do not fit together", "Compare the values in the command with one that works."),
    e.EBUSY: (KernelRefused, "It is in use", "Detach it from what uses it first."),
    e.ELOOP: (BadInput, "That would be a loop", "A bridge cannot be a port of itself."),
}


def refused(errno: int, from_kernel: str, command: str) -> LabError:
    """The exception for a refusal: what the kernel said, what to do, and the equivalent command."""
    otherwise = (KernelRefused, f"The kernel refused: {os.strerror(errno).lower()}", "Try the command by hand.")
    kind, sentence, to_do = _KINDS.get(errno, otherwise)
    said = from_kernel.strip().rstrip(".")
    return kind(f"{said or sentence}: `{command}`.", to_do, command=command, errno=errno)
