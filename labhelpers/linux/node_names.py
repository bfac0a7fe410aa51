"""Names of namespaces that a node has for itself: files in its own /run/netns, which nobody else sees.

A container runtime names its pods' namespaces like that.  They are reached from outside through the node's root,
``/proc/PID/root``.
"""

from __future__ import annotations

import os
from pathlib import Path

from labhelpers.errors import LabError, NotFound
from labhelpers.linux import names, namespace
from labhelpers.linux.enter import in_own_thread, like_nsenter
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.interrupt import held
from labhelpers.linux.namespace import FOLDER, NetworkNamespace, SetUp

__all__ = ["attach", "create", "delete", "exists", "forget", "inodes", "listed"]


def _seen_from_here(pid: int, name: str) -> str:
    return f"/proc/{pid}/root{FOLDER}/{name}"


def create(pid: int, name: str, set_up: SetUp | None = None) -> NetworkNamespace:
    """Create a network namespace and give it a name on the node that process ``pid`` keeps.

    Args:
        set_up: what else to do in it.  If it raises, the namespace is removed again.

    Raises:
        BadInput, AlreadyExists, NotInSandbox, NeedsPrivilege.

    Shell: ``nsenter -t PID -n -m -u ip netns add NAME``.
    """
    require_sandbox()
    names.namespace_name(name)

    def job() -> NetworkNamespace:
        like_nsenter(pid)
        FOLDER.mkdir(parents=True, exist_ok=True)
        return namespace._create(name, set_up)

    with held() as interrupt:
        try:
            made = in_own_thread(job)
        except OSError as error:
            raise namespace.explained(error, name) from error
        try:
            interrupt.check()
        except BaseException:
            forget(pid, name)
            raise
        return NetworkNamespace(name, _seen_from_here(pid, name), made.inode)


def attach(pid: int, name: str) -> NetworkNamespace:
    """A namespace that has a name on the node, whoever gave it.

    Raises:
        NotFound: naming those that are there.
    """
    path = _seen_from_here(pid, names.namespace_name(name))
    inode = namespace.inode_at(path)
    if not inode:
        there = ", ".join(listed(pid)) or "none yet"
        raise NotFound(f"There is no namespace {name!r} on this node.", f"It has: {there}.")
    return NetworkNamespace(name, path, inode)


def exists(pid: int, name: str) -> bool:
    """Has the node a namespace of this name?  A name that is left of one that was unmounted does not count."""
    return namespace.inode_at(_seen_from_here(pid, names.namespace_name(name))) != 0


def delete(pid: int, one: NetworkNamespace) -> None:
    """Take the name away from the node.

    Raises:
        Vanished: the name is gone already, or belongs to another namespace now.

    Shell: ``nsenter -t PID -n -m -u ip netns delete NAME``.
    """
    os.close(one.open())
    forget(pid, one.name)


def forget(pid: int, name: str) -> None:
    """Take a name away from the node if it is there, also one that is left of a namespace that was unmounted.

    Shell: ``nsenter -t PID -n -m -u ip netns delete NAME``.
    """
    require_sandbox()
    if not os.path.lexists(_seen_from_here(pid, names.namespace_name(name))):
        return

    def job() -> None:
        like_nsenter(pid)
        namespace._unname(FOLDER / name)

    try:
        in_own_thread(job)
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise LabError(f"The name {name!r} was not taken away: {words}.", "Run doctor() to see why.") from error


def listed(pid: int) -> list[str]:
    """The names the node has.  Shell: ``nsenter -t PID -n -m -u ip netns list``."""
    try:
        return sorted(entry.name for entry in Path(_seen_from_here(pid, "")).iterdir())
    except FileNotFoundError:
        return []


def inodes(pid: int) -> set[int]:
    """The numbers of the namespaces that have a name on the node."""
    return {namespace.inode_at(_seen_from_here(pid, name)) for name in listed(pid)} - {0}
