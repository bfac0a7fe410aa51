"""Make the kernel refuse, Python fail, or a person interrupt, at the Nth step of what a helper does."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from labhelpers.errors import BadInput
from labhelpers.linux import libc, sysctl
from labhelpers.linux.netlink import NetlinkRefusal, NetlinkSocket

__all__ = ["FAULTS", "Crash", "fault_at"]

#: every way in which a helper changes something
_STEPS: tuple[tuple[Any, str], ...] = (
    (NetlinkSocket, "_send"),
    (libc, "mount"),
    (libc, "unshare"),
    (sysctl, "write"),
    (os, "symlink"),
    (os, "posix_spawnp"),
)


class Crash(Exception):
    """Something nobody thought of."""


def _refuse(name: str) -> None:
    if name == "_send":
        raise NetlinkRefusal(errno.ENOBUFS, "")
    if name == "write":
        raise BadInput("The kernel does not take it.", "Try another.")
    raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


def _crash(name: str) -> None:
    raise Crash(name)


def _interrupt(name: str) -> None:
    os.kill(os.getpid(), signal.SIGINT)


FAULTS: dict[str, Callable[[str], None]] = {"refused": _refuse, "crash": _crash, "interrupt": _interrupt}


@contextmanager
def fault_at(number: int, fault: Callable[[str], None], more: Sequence[tuple[Any, str]] = ()) -> Iterator[list[str]]:
    """Let ``fault`` happen before the step of this number, once.

    Args:
        more: other functions whose calls are steps too: their home and their name.

    Yields:
        the names of the steps taken so far.
    """
    taken: list[str] = []

    def watched(step: Callable[..., object], name: str) -> Callable[..., object]:
        def take(*arguments: Any, **options: Any) -> object:
            taken.append(name)
            if len(taken) == number:
                fault(name)
            return step(*arguments, **options)

        return take

    with pytest.MonkeyPatch.context() as patch:
        for home, name in (*_STEPS, *more):
            patch.setattr(home, name, watched(getattr(home, name), name))
        yield taken
