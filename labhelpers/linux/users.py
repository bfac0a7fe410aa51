"""Which user ids there are (``man 7 user_namespaces``)."""

from __future__ import annotations

from pathlib import Path

__all__ = ["has_all", "only_one"]

_ALL = 4294967295


def _count() -> int:
    """How many user ids this process's user namespace has."""
    return sum(int(line.split()[2]) for line in Path("/proc/self/uid_map").read_text().splitlines())


def has_all() -> bool:
    """Is this the machine's own user namespace, or one like it?"""
    return _count() >= _ALL


def only_one() -> bool:
    """Is there nobody but root?"""
    return _count() == 1
