"""Changes to one namespace: collected, sent to the kernel together, and remembered as shell commands."""

from __future__ import annotations

import struct

from labhelpers.errors import NotFound
from labhelpers.linux import constants as c
from labhelpers.linux.explain import refused
from labhelpers.linux.interrupt import held
from labhelpers.linux.netlink import (
    Message,
    NetlinkRefusal,
    NetlinkSocket,
    attributes,
    text,
)

__all__ = ["Changes"]

_IFINFOMSG = struct.Struct("=BxHiII")  # family, hardware type, index, flags, change mask


class Changes:
    """The changes of one helper call to one network namespace.

    The modules of this layer (``link``, ``address``, ``route`` …) add to it: each change is a netlink message and the
    shell command that does the same.  ``apply`` sends all messages in one system call.

    Args:
        socket: a netlink socket born in the namespace.
        namespace: its name in /run/netns, ``""`` for the sandbox's own.
    """

    def __init__(self, socket: NetlinkSocket, namespace: str = "") -> None:
        self.socket = socket
        self.namespace = namespace
        #: commands whose messages the kernel has accepted, in order
        self.done: list[str] = []
        self._pending: list[tuple[str, Message]] = []
        self._indexes: dict[str, int] = {}

    def add(self, command: str, kind: int, flags: int, body: bytes) -> None:
        """Add one message; ``command`` is what follows ``ip`` or ``bridge`` on a shell line."""
        tool, _, rest = command.partition(" ")
        where = f" -n {self.namespace}" if self.namespace else ""
        self._pending.append((f"{tool}{where} {rest}", Message(kind, flags, body)))

    def ran(self, command: str) -> None:
        """Remember a command whose effect was made in another way than by a netlink message."""
        self.apply()
        self.done.append(f"ip netns exec {self.namespace} {command}" if self.namespace else command)

    def knows(self, name: str, index: int) -> None:
        """Spare the kernel a question: the interface ``name`` has this index."""
        self._indexes[name] = index

    def index(self, name: str) -> int:
        """The index of an interface, asked once.

        Raises:
            NotFound: the namespace has no interface of this name.
        """
        if name not in self._indexes:
            self.ask(name)
        return self._indexes[name]

    def ask(self, name: str) -> bytes:
        """What the kernel says of an interface now: struct ifinfomsg and attributes.

        Raises:
            NotFound: the namespace has no interface of this name.
        """
        self.apply()
        try:
            body = self.socket.get(c.RTM_GETLINK, _IFINFOMSG.pack(0, 0, 0, 0, 0) + text(c.IFLA_IFNAME, name))
        except NetlinkRefusal as refusal:
            raise self.no_such_link(name) from refusal
        self._indexes[name] = _IFINFOMSG.unpack_from(body)[2]
        return body

    def require(self, *names: str) -> None:
        """Change nothing: raise ``NotFound`` unless all these interfaces are there, before the first one is changed."""
        for name in names:
            self.index(name)

    def no_such_link(self, name: str) -> NotFound:
        """The error for a missing interface, naming those that are there."""
        there = ", ".join(sorted(self._link_names())) or "none"
        place = f"namespace {self.namespace}" if self.namespace else "the sandbox's own namespace"
        return NotFound(f"There is no interface {name!r} in {place}.", f"It has: {there}.")

    def _link_names(self) -> list[str]:
        bodies = self.socket.dump(c.RTM_GETLINK, _IFINFOMSG.pack(0, 0, 0, 0, 0))
        return [attributes(b, 16)[c.IFLA_IFNAME].rstrip(b"\0").decode() for b in bodies]

    def apply(self) -> None:
        """Send the changes collected so far.

        Raises:
            LabError: of the kind that fits the first refusal, with the command that was refused.  Others may be made;
                ``done`` says which, and the caller undoes them if it must.
        """
        with held():  # the kernel's state and what is remembered of it belong together
            pending, self._pending = self._pending, []
            try:
                self.socket.send([message for _, message in pending])
            except NetlinkRefusal as refusal:
                tried = enumerate(pending[: refusal.tried])
                self.done += [command for position, (command, _) in tried if position not in refusal.positions]
                failed, _ = pending[refusal.position]
                raise refused(refusal.errno or 0, refusal.from_kernel, failed) from refusal
            self.done += [command for command, _ in pending]
