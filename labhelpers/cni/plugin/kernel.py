"""The two places a main plugin works in: the node's namespace, where it was started, and the container's.

A plugin is started in the node's network namespace and opens the container's by its path.
"""

from __future__ import annotations

import binascii
import os

from labhelpers.cni.plugin.skeleton import PluginError, Request
from labhelpers.errors import LabError
from labhelpers.linux import libc
from labhelpers.linux.changes import Changes
from labhelpers.linux.netlink import NetlinkSocket

TYPE_CHECKING = False  # from typing it would cost a millisecond
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import TypeVar

    Result = TypeVar("Result")

__all__ = ["Place", "container", "fixed_mac", "fixed_name", "node"]


class Place:
    """A network namespace and the changes to it.  Use it in a ``with`` block.

    A refusal of the kernel inside the block becomes the error object of code 100, with the sentence and the command.
    """

    def __init__(self, path: str = "") -> None:
        self.path = path

    def __enter__(self) -> Place:
        self.fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC) if self.path else -1
        self.socket = self.inside(NetlinkSocket)
        self.changes = Changes(self.socket, self.path.rpartition("/")[2])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.socket.close()
        if self.fd >= 0:
            os.close(self.fd)
        if isinstance(error, LabError):
            raise PluginError(100, error.what, error.to_do) from None

    def inside(self, job: Callable[[], Result]) -> Result:
        """Do something in this namespace and come back."""
        if self.fd < 0:
            return job()
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        libc.setns(self.fd, libc.CLONE_NEWNET)
        try:
            return job()
        finally:
            libc.setns(home, libc.CLONE_NEWNET)
            os.close(home)


def node() -> Place:
    """The namespace the plugin was started in."""
    return Place()


def container(request: Request) -> Place:
    """The namespace of the container."""
    return Place(request.netns)


def fixed_name(*parts: str) -> str:
    """A name for the node's end of a cable: ``veth`` and eight digits that follow from what it belongs to."""
    return f"veth{_number(*parts):08x}"


def fixed_mac(*parts: str) -> str:
    """A MAC address that follows from what it belongs to: locally administered, 02 and five bytes."""
    return "02:" + (_number(*parts).to_bytes(4, "big") + bytes([len(parts)])).hex(":")


def _number(*parts: str) -> int:
    return binascii.crc32("/".join(parts).encode())
