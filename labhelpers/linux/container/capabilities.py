"""What of root's powers a container may have (``man 7 capabilities``)."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from labhelpers.errors import BadInput
from labhelpers.linux import libc

__all__ = ["DEFAULT", "adjusted", "keep_only"]

#: in the kernel's order, include/uapi/linux/capability.h
_NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)  # fmt: skip

#: containerd's default: enough for servers and ping, and not for changing the network
DEFAULT = (
    "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
    "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
)  # fmt: skip


def adjusted(add: Iterable[str] = (), drop: Iterable[str] = ()) -> tuple[str, ...]:
    """The default set with a ``securityContext``'s ``add`` and ``drop``; ``ALL`` stands for all.

    Raises:
        BadInput: there is no such capability.
    """
    plus, minus = [_plain(one) for one in add], [_plain(one) for one in drop]
    kept = () if "ALL" in minus else tuple(one for one in DEFAULT if one not in minus)
    more = _NAMES if "ALL" in plus else plus
    return tuple(dict.fromkeys((*kept, *(one for one in more if one not in minus))))


def _plain(name: str) -> str:
    plain = name.upper().removeprefix("CAP_")
    if plain != "ALL" and plain not in _NAMES:
        raise BadInput(f"There is no capability {name!r}.", "Write it like NET_ADMIN; `man 7 capabilities` has all.")
    return plain


def keep_only(names: Iterable[str]) -> None:
    """Take all other capabilities from what this process will start."""
    kept = set(names)
    for number, name in enumerate(_NAMES):
        if name not in kept:
            with suppress(OSError):  # an older kernel that does not have it
                libc.drop_capability(number)
