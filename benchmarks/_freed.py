"""When has the kernel freed a network namespace?

Taking its name away returns at once.  The kernel frees it later, in the background, many at a time: ``cleanup_net`` in
``net/core/net_namespace.c`` runs in a queue of one thread, takes all that are dead by then, first withdraws the ids by
which other namespaces know them, and at the end of its run has removed their interfaces and all else.

So: when no id is left, the run that frees the last of them has begun.  A witness that dies after that is taken up by
the next run, and that begins when the one before has ended.  The memory of the namespaces themselves is given back in
that next run; a second witness sees it end.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from labhelpers.linux import constants as c
from labhelpers.linux import namespace, nsid
from labhelpers.linux.netlink import NetlinkSocket

__all__ = ["Freed", "in_memory", "settle"]

_ALL = b"\0\0\0\0"  # struct rtgenmsg, padded
_PAUSE, _PATIENCE = 0.001, 120  # seconds
_WITNESS = "witness"


class Freed:
    """Knows these namespaces by an id from now on, and can wait until the last of them is freed.

    Raises from ``wait``:
        TimeoutError: somebody keeps one of them.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._home = NetlinkSocket()
        self._before = self._ids()
        for name in names:
            self._know(name)

    def _know(self, name: str) -> None:
        fd = namespace.attach(name).open()
        nsid.assign(self._home, fd)
        os.close(fd)

    def _ids(self) -> int:
        return sum(1 for _ in self._home.dump(c.RTM_GETNSID, _ALL))

    def _wait_for_ids(self) -> None:
        end = time.monotonic() + _PATIENCE
        while self._ids() > self._before:
            if time.monotonic() > end:
                raise TimeoutError(f"{self._ids() - self._before} namespaces are not freed after {_PATIENCE} s")
            time.sleep(_PAUSE)

    def wait(self) -> None:
        """Return when the kernel has freed all of them."""
        self._wait_for_ids()
        for _ in range(2):
            witness = namespace.create(_WITNESS)
            self._know(_WITNESS)
            namespace.delete(witness)
            self._wait_for_ids()
        self._home.close()


def settle() -> None:
    """Return when the kernel has freed what died before: the next measurement begins on a quiet machine."""
    Freed(()).wait()


def in_memory() -> int | None:
    """How many namespaces the kernel has memory for, give or take some dozens; ``None`` if only root may know."""
    try:
        lines = Path("/proc/slabinfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("net_namespace ")), None)
