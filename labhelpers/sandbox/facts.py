"""What /proc says about this process."""

from __future__ import annotations

import os

__all__ = ["has_capability", "myself", "read", "status"]

CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN = 6, 7, 21


def read(path: str) -> str:
    """The text of a small file, ``""`` if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip("\0\n ")
    except OSError:
        return ""


def status(field: str) -> str:
    """One value of /proc/self/status."""
    lines = (line.split() for line in read("/proc/self/status").splitlines())
    return next((words[1] for words in lines if words[:1] == [f"{field}:"] and len(words) > 1), "")


def has_capability(number: int) -> bool:
    """Is this capability effective (``man 7 capabilities``)?"""
    return bool(int(status("CapEff") or "0", 16) >> number & 1)


def myself() -> str:
    """Who this process is, in the words of an explanation.  In a new user namespace all of it is different."""
    return f"euid {os.geteuid()}, CapEff {status('CapEff')}, Seccomp {status('Seccomp') or '-'}"
