"""Find every network namespace there is.

Nothing is remembered.  A namespace is found through any process that lives in it (``/proc/PID/ns/net``), through a name
in ``/run/netns``, or through a name in the ``/run/netns`` that another process sees, as a node's processes do.  Found
twice, it is recognised by its inode number.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from labhelpers.linux import namespace
from labhelpers.linux.process import namespaces_of_processes

__all__ = ["Found", "find", "places"]


@dataclass(slots=True)
class Found:
    """A namespace and the ways to it."""

    inode: int
    path: str
    #: the name of a file that is this namespace
    file_name: str = ""
    #: processes that live in it
    pids: list[int] = field(default_factory=list)

    def open(self) -> int:
        """A file descriptor of the namespace, -1 if it is gone."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return -1
        if os.fstat(fd).st_ino == self.inode:
            return fd
        os.close(fd)
        return -1


def find() -> list[Found]:
    """Every namespace that has a process or a name; the sandbox's own is the first."""
    home = namespace.home()
    found = {home.inode: Found(home.inode, home.path)}
    folders = {_identity(str(namespace.FOLDER))}
    _find_names(str(namespace.FOLDER), found)
    for pid, inode in namespaces_of_processes():
        found.setdefault(inode, Found(inode, f"/proc/{pid}/ns/net")).pids.append(pid)
        folder = f"/proc/{pid}/root{namespace.FOLDER}"
        identity = _identity(folder)
        if identity not in folders:
            folders.add(identity)
            _find_names(folder, found)
    return list(found.values())


def places() -> list[tuple[int, str]]:
    """Inode number and path of every namespace."""
    return [(one.inode, one.path) for one in find()]


def _identity(folder: str) -> tuple[int, int]:
    try:
        stat = os.stat(folder)
    except OSError:  # there is none, or the process has ended
        return 0, 0
    return stat.st_dev, stat.st_ino


def _find_names(folder: str, found: dict[int, Found]) -> None:
    """Note the names in a folder, and the namespaces that have no other."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:  # no such folder: nothing has a name there
        return
    for name in names:
        path = f"{folder}/{name}"
        inode = namespace.inode_at(path)
        if inode:  # it was not removed meanwhile, and is a namespace
            one = found.setdefault(inode, Found(inode, path))
            one.file_name = one.file_name or name
