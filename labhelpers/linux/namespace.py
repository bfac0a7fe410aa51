"""Network namespaces: a network stack of its own (``man 7 network_namespaces``, ``ip netns``)."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from labhelpers.errors import (
    AlreadyExists,
    LabError,
    NeedsPrivilege,
    NotFound,
    Vanished,
)
from labhelpers.linux import libc, names
from labhelpers.linux.changes import Changes
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.interrupt import held
from labhelpers.linux.netlink import NetlinkSocket
from labhelpers.linux.worker import visit, visit_each

__all__ = [
    "FOLDER",
    "NetworkNamespace",
    "SetUp",
    "attach",
    "create",
    "create_all",
    "delete",
    "explained",
    "give_name",
    "home",
    "inode_at",
    "sockets",
]  # fmt: skip

_AT_ONCE = 64  # namespaces whose sockets are open together

#: where ``ip netns`` keeps the names; the sandbox has a /run of its own
FOLDER = Path("/run/netns")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class NetworkNamespace:
    """A namespace by name, path and inode number.  It holds no reference: whoever deletes it, deletes it."""

    name: str
    path: str
    inode: int

    def open(self) -> int:
        """A file descriptor of the namespace.  It keeps the namespace alive: close it soon.

        Raises:
            Vanished: it was removed, or replaced by another of the same name.
        """
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise self._vanished("is gone: it was removed, by hand or by a new Lab()") from None
        found = os.fstat(fd)
        if found.st_ino == self.inode and found.st_dev == _file_system():
            return fd
        os.close(fd)
        if found.st_dev != _file_system():
            raise self._vanished("is gone: somebody unmounted it")
        raise self._vanished(
            "was removed, and another of the same name made",
            f'This variable means the earlier one. Use lab["{self.name}"].',
        )

    def _vanished(self, what: str, to_do: str = "Make it again, or start over with lab.reset().") -> Vanished:
        return Vanished(f"The namespace {self.name!r} {what}.", to_do)

    @property
    def exists(self) -> bool:
        """Is the path still there, and still of this namespace?"""
        return inode_at(self.path) == self.inode

    def visit(self, job: Callable[[], Result]) -> Result:
        """Run a short job inside the namespace and return its result.  Raises ``Vanished``, ``NeedsPrivilege``."""
        fd = self.open()
        try:
            return visit(fd, job)
        except PermissionError as error:
            raise NeedsPrivilege(
                f"This process may not enter the namespace {self.name!r}, or not do this in it.",
                "Run doctor() to see why.",
                errno=error.errno,
            ) from error
        finally:
            os.close(fd)

    @contextmanager
    def socket(self) -> Iterator[NetlinkSocket]:
        """A netlink socket of this namespace."""
        with self.visit(NetlinkSocket) as socket:
            yield socket

    @contextmanager
    def changes(self) -> Iterator[Changes]:
        """Change the namespace: what is collected in the block is sent to the kernel at its end.

        Raises:
            NotInSandbox: before anything is done.
            LabError: the kernel's refusal.
        """
        require_sandbox()
        with self.socket() as socket:
            changes = Changes(socket, self.name)
            yield changes
            changes.apply()


def sockets(namespaces: Sequence[NetworkNamespace]) -> Iterator[tuple[NetworkNamespace, NetlinkSocket]]:
    """A netlink socket of each of many namespaces, but of those that vanished meanwhile or may not be entered."""
    for start in range(0, len(namespaces), _AT_ONCE):
        with ExitStack() as opened:
            fds: dict[NetworkNamespace, int] = {}
            for one in namespaces[start : start + _AT_ONCE]:
                with suppress(Vanished):
                    fds[one] = one.open()
                    opened.callback(os.close, fds[one])
            made = [socket and opened.enter_context(socket) for socket in visit_each(list(fds.values()), NetlinkSocket)]
            yield from ((one, socket) for one, socket in zip(fds, made, strict=True) if socket)


def home() -> NetworkNamespace:
    """The sandbox's own namespace, where the notebook's Python lives."""
    path = "/proc/self/ns/net"
    return NetworkNamespace("", path, os.stat(path).st_ino)


def attach(name: str) -> NetworkNamespace:
    """A namespace that has a name, whoever gave it.

    Raises:
        NotFound: naming those that are there.
    """
    path = FOLDER / names.namespace_name(name)
    inode = inode_at(str(path))
    if not inode:
        there = ", ".join(sorted(entry.name for entry in FOLDER.glob("*"))) or "none yet"
        raise NotFound(f"There is no namespace {name!r}.", f"Namespaces: {there}.")
    return NetworkNamespace(name, str(path), inode)


def inode_at(path: str) -> int:
    """The inode number of the namespace at this path; 0 if there is none, or a file that is none.

    An empty file in /run/netns is a name whose namespace was unmounted.
    """
    try:
        found = os.stat(path)
    except OSError:
        return 0
    return found.st_ino if found.st_dev == _file_system() else 0


@cache
def _file_system() -> int:
    """The device number of nsfs, the file system whose files all namespaces are."""
    return os.stat("/proc/self/ns/net").st_dev


#: called in the new namespace with its changes and a file descriptor of it
SetUp = Callable[[Changes, int], None]


def create(name: str, set_up: SetUp | None = None) -> NetworkNamespace:
    """Create a network namespace and give it a name.  It has one interface, lo, which is down.

    Args:
        name: becomes a file in /run/netns.
        set_up: what else to do in it.  If it raises, the namespace is removed again.

    Raises:
        BadInput, AlreadyExists, NotInSandbox, NeedsPrivilege.

    Shell: ``ip netns add NAME``.
    """
    return create_all([(name, set_up)])[0]


def create_all(wanted: Sequence[tuple[str, SetUp | None]]) -> list[NetworkNamespace]:
    """Create several namespaces, all or none; see ``create``.  Others wait meanwhile: ask for a dozen or two."""
    require_sandbox()
    made: list[NetworkNamespace] = []

    def job() -> None:
        for name, set_up in wanted:
            made.append(_create(name, set_up))

    with held() as interrupt:
        try:
            visit(None, job)
            interrupt.check()
        except BaseException:
            for one in reversed(made):
                _unname(Path(one.path))
            raise
    return made


def _create(name: str, set_up: SetUp | None) -> NetworkNamespace:
    path = FOLDER / names.namespace_name(name)
    try:
        _reserve(path, name)
        try:
            libc.unshare(libc.CLONE_NEWNET)
            libc.mount("/proc/thread-self/ns/net", str(path), flags=libc.MS_BIND)
            if set_up is not None:
                _set_up(path, name, set_up)
            return NetworkNamespace(name, str(path), path.stat().st_ino)
        except BaseException:
            _unname(path)
            raise
    except OSError as error:
        raise explained(error, name) from error


def _reserve(path: Path, name: str) -> None:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
    except FileExistsError:
        raise AlreadyExists(
            f"There is a namespace {name!r} already.",
            f'Did you run this cell twice? lab["{name}"] is it, and lab["{name}"].delete() removes it.',
        ) from None


def _set_up(path: Path, name: str, set_up: SetUp) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with NetlinkSocket() as socket:
            changes = Changes(socket, name)
            changes.knows("lo", 1)
            set_up(changes, fd)
            changes.apply()
    finally:
        os.close(fd)


def explained(error: OSError, name: str) -> LabError:
    """The error for a namespace that was not made: a limit, a privilege, or what the system said."""
    if error.errno == errno.ENOSPC:
        return NeedsPrivilege(
            f"The limit of network namespaces is reached, so {name!r} was not made.",
            "Delete some, or raise it outside: `sudo sysctl -w user.max_net_namespaces=10000`.",
            errno=error.errno,
        )
    if error.errno in (errno.EPERM, errno.EACCES):
        return NeedsPrivilege(
            f"This process may not make the namespace {name!r}.", "Run doctor() to see why.", errno=error.errno
        )
    words = (error.strerror or str(error)).lower()
    return LabError(f"The namespace {name!r} was not made: {words}.", "Run doctor() to see why.", errno=error.errno)


def give_name(pid: int, name: str) -> NetworkNamespace:
    """Give the namespace that a process lives in a name.

    Raises:
        BadInput, AlreadyExists, NotFound (no such process), NotInSandbox, LabError.

    Shell: ``ip netns attach NAME PID``.
    """
    require_sandbox()
    path = FOLDER / names.namespace_name(name)
    with held():
        _reserve(path, name)
        try:
            libc.mount(f"/proc/{pid}/ns/net", str(path), flags=libc.MS_BIND)
        except BaseException as error:
            _unname(path)
            if isinstance(error, FileNotFoundError):
                raise NotFound(f"There is no process {pid}.", "Its namespace ended with it.") from None
            if isinstance(error, OSError):
                raise explained(error, name) from error
            raise
        return NetworkNamespace(name, str(path), path.stat().st_ino)


def delete(namespace: NetworkNamespace) -> None:
    """Take the name away.  The kernel frees the namespace when no process and no file keeps it.

    Raises:
        Vanished: the name is gone already, or belongs to another namespace now.

    Shell: ``ip netns delete NAME``.
    """
    require_sandbox()
    with held():
        os.close(namespace.open())
        _unname(Path(namespace.path))


def _unname(path: Path) -> None:
    """Take a name away, also one that is being given at this moment: ``create`` makes the file first, then mounts."""
    _unmount(path)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        _unmount(path)
        path.unlink(missing_ok=True)


def _unmount(path: Path) -> None:
    try:
        libc.umount(str(path), libc.MNT_DETACH)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):  # nothing was mounted there
            raise
