"""Who may work at the same time: one operation per container, any number of containers, and GC alone.

Source: https://www.cni.dev/docs/spec/#lifecycle--ordering, specification 1.1.0, section 3.  The locks are files in the
node's /run, so they hold between processes too, and end with the process that holds them.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labhelpers.linux.interrupt import let_through

__all__ = ["Locks"]

_FOLDER = "/run/cni-locks"
_ALL = "all-containers"


class Locks:
    """The locks of one node.

    Args:
        root: of the node's file system, as seen from here.
    """

    def __init__(self, root: str) -> None:
        self._folder = Path(f"{root}{_FOLDER}")

    @contextmanager
    def container(self, container: str) -> Iterator[None]:
        """Wait until nobody works on this container, on any network, and no GC runs, and keep it so."""
        with self._held(_ALL, fcntl.LOCK_SH), self._held(f"container-{container}", fcntl.LOCK_EX):
            yield

    @contextmanager
    def everything(self) -> Iterator[None]:
        """Wait until nobody works on any container, and keep it so."""
        with self._held(_ALL, fcntl.LOCK_EX):
            yield

    @contextmanager
    def _held(self, name: str, how: int) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / name).open("w") as file:
            with let_through():
                fcntl.flock(file, how)
            yield
