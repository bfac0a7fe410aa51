"""Who has which address, in files that survive the plugin: ``/var/lib/cni/networks/NETWORK/ADDRESS``.

Each file is named for an address and holds the container's id and the interface's name, in the form of the reference
plugin ``host-local``: either of the two can go on with the other's books.  Whoever changes anything holds the folder's
lock: plugins run side by side for different containers.
"""

from __future__ import annotations

import fcntl
import os

from labhelpers.cni.plugin.skeleton import PluginError

TYPE_CHECKING = False  # from typing it would cost a millisecond
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["FOLDER", "Leases"]

FOLDER = "/var/lib/cni/networks"
_LAST = "last_reserved_ip."
_LINE_BREAK = "\r\n"  # as host-local writes it, on Linux too


class Leases:
    """The leases of one network.  Use it in a ``with`` block, which holds the lock.

    Raises:
        PluginError: code 5, if the block cannot read or write the books: the disk is full, for example.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __enter__(self) -> Leases:
        try:
            os.makedirs(self.folder, exist_ok=True)
            self._lock = os.open(f"{self.folder}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        except OSError as error:
            raise self._unusable(error) from None
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        os.close(self._lock)
        if isinstance(error, OSError):
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> PluginError:
        return PluginError(5, f"the leases in {self.folder} cannot be kept", error.strerror or str(error))

    def taken(self) -> set[str]:
        """Every address that somebody has, as text."""
        return {name for name in os.listdir(self.folder) if not name.startswith(("lock", _LAST))}

    def of(self, owner: tuple[str, str]) -> list[str]:
        """The addresses of one container's interface."""
        return sorted(address for address, found in self.owners() if found == owner)

    def owners(self) -> Iterator[tuple[str, tuple[str, str]]]:
        """Each address with the container id and interface name that it belongs to."""
        for address in self.taken():
            words = self._read(address).split()
            yield address, (words[0] if words else "", words[1] if len(words) > 1 else "")

    def take(self, address: str, owner: tuple[str, str]) -> None:
        """Write down that the address belongs to this container's interface."""
        self._write(address, _LINE_BREAK.join(owner))

    def free(self, addresses: Iterable[str]) -> None:
        """Forget whose these addresses are."""
        for address in addresses:
            self._remove(address)

    def last(self, number: int) -> str:
        """The address given last from range set ``number``, ``""`` if none."""
        return self._read(f"{_LAST}{number}").strip()

    def remember_last(self, number: int, address: str) -> None:
        """Write down which address was given last."""
        self._write(f"{_LAST}{number}", address)

    def _read(self, name: str) -> str:
        try:
            fd = os.open(f"{self.folder}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return ""
        try:
            return os.read(fd, 4096).decode(errors="replace")
        finally:
            os.close(fd)

    def _write(self, name: str, text: str) -> None:
        """Whole or not at all: the process may be killed, and the disk may be full."""
        draft = f"{self.folder}/lock.new"
        try:
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            try:
                os.write(fd, text.encode())
            finally:
                os.close(fd)
            os.rename(draft, f"{self.folder}/{name}")
        except OSError:
            self._remove("lock.new")
            raise

    def _remove(self, name: str) -> None:
        try:
            os.unlink(f"{self.folder}/{name}")
        except FileNotFoundError:
            pass
