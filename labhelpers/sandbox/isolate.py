"""Move this process into namespaces of its own (``man 7 namespaces``, ``man 7 user_namespaces``)."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from labhelpers.sandbox import facts, syscalls
from labhelpers.sandbox.syscalls import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
)

__all__ = ["isolate"]

_ALL_BUT_USER = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET


def isolate(map_ids: Callable[[], None]) -> None:
    """Enter new mount, UTS, IPC, pid and network namespaces, and a user namespace unless this is a capable root.

    The pid namespace takes effect for children.  A root that has CAP_SYS_ADMIN stays in its user namespace, because
    eBPF and tracing are for its owner only.  The process must have one thread.

    Args:
        map_ids: maps the ids of the new user namespace, from a process that stayed in the old one: who may map more
            than one id may do so only from there.

    Raises:
        OSError: ``filename`` is the stage that was refused, ``unshare`` or ``uid_map``.
    """
    if facts.has_capability(facts.CAP_SYS_ADMIN):
        with suppress(OSError):
            syscalls.unshare(_ALL_BUT_USER)
            return
    syscalls.unshare(CLONE_NEWUSER | _ALL_BUT_USER)
    map_ids()
    if os.geteuid() != 0:
        raise PermissionError(1, "could not map the user id", "uid_map")
