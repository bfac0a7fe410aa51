"""A blocking netlink socket, and the two dozen lines that write and read netlink attributes.

A netlink message is a header, a fixed struct and a list of attributes (type, length, value).  RFC 3549 describes the
format.  pyroute2 speaks it too, but its synchronous interface runs an event loop per call, which fails inside a
notebook cell and costs more than the kernel's own work.  This transport sends bytes and waits for the answer.

CNI plugins import this module, and those that change something, at every call.  So none of them imports
``dataclasses``, ``enum``, ``re`` or ``typing``, each of which would take longer than the change.
"""

from __future__ import annotations

import _socket as socket  # the Python half of ``socket`` imports enum and selectors
import errno
import os
import struct

from labhelpers.linux import constants as c

TYPE_CHECKING = False  # from typing it would cost a millisecond
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "HEADER",
    "Message",
    "NetlinkRefusal",
    "NetlinkSocket",
    "attribute",
    "attributes",
    "nested",
    "number",
    "split",
    "text",
]

HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_U32 = struct.Struct("=I")
#: the kernel packs a table into pieces of at most 32 KiB; over 128 KiB Python would ask the system for memory each time
_RECEIVE_BYTES = 1 << 16
#: in one system call: each may be refused, and all the refusals must fit the socket's buffer; 250 do
_MOST_MESSAGES = 100
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")
_TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    length = 4 + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + _PADDING[length & 3]


def number(kind: int, value: int) -> bytes:
    """A 32 bit attribute."""
    return _ATTRIBUTE.pack(8, kind) + _U32.pack(value)


def text(kind: int, value: str) -> bytes:
    """A string attribute, zero terminated."""
    return attribute(kind, value.encode() + b"\0")


def nested(kind: int, *parts: bytes) -> bytes:
    """An attribute that holds other attributes."""
    return attribute(kind, b"".join(parts))


def attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes in ``data`` from ``offset`` on, by type."""
    found: dict[int, bytes] = {}
    end = len(data)
    unpack = _ATTRIBUTE.unpack_from
    while offset + 4 <= end:
        length, kind = unpack(data, offset)
        if length < 4 or offset + length > end:  # cut off, or not attributes
            break
        found[kind & _TYPE_MASK] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


class Message:
    """One request: its type (``RTM_…``), its flags and the body (struct and attributes)."""

    __slots__ = ("body", "flags", "kind")

    def __init__(self, kind: int, flags: int, body: bytes) -> None:
        self.kind, self.flags, self.body = kind, flags, body


class NetlinkRefusal(OSError):
    """The kernel refused message number ``position`` of those sent together; ``strerror`` is its own explanation."""

    def __init__(self, code: int, message: str, position: int = 0) -> None:
        super().__init__(code, message or os.strerror(code))
        self.position = position
        self.from_kernel = message
        #: every message refused, and how many were tried in all; the others among them were accepted
        self.positions: tuple[int, ...] = (position,)
        self.tried = position + 1


class NetlinkSocket:
    """A netlink socket in the network namespace of the thread that creates it.

    A socket belongs to the namespace it was born in, for all its life.  It also keeps that namespace alive, so close
    it soon.

    Args:
        protocol: 0 is ``NETLINK_ROUTE``: links, addresses, routes.
    """

    def __init__(self, protocol: int = 0) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        for option in (c.NETLINK_CAP_ACK, c.NETLINK_EXT_ACK, c.NETLINK_GET_STRICT_CHK):
            try:
                self._socket.setsockopt(c.SOL_NETLINK, option, 1)
            except OSError:  # older kernels: answers are longer, nothing else changes
                continue
        self._sequence = 0

    def __enter__(self) -> NetlinkSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; nothing in the kernel changes."""
        self._socket.close()

    def cookie(self) -> int:
        """The kernel's own number of the socket's namespace, which no other ever gets; 0 before Linux 5.14."""
        try:
            (number,) = struct.unpack("=Q", self._socket.getsockopt(socket.SOL_SOCKET, c.SO_NETNS_COOKIE, 8))
        except OSError:
            return 0
        return int(number)

    def send(self, messages: Sequence[Message]) -> None:
        """Change the kernel: a hundred messages in one system call, only the last of them acknowledged.

        The kernel works through them in order and reports every refusal, acknowledged or not.

        Raises:
            NetlinkRefusal: for the first message refused.  Those sent with it were tried all the same.
        """
        for start in range(0, len(messages), _MOST_MESSAGES):
            refusals = self._send(messages[start : start + _MOST_MESSAGES], start)
            if refusals:
                first = refusals[0]
                first.positions = tuple(one.position for one in refusals)
                first.tried = min(start + _MOST_MESSAGES, len(messages))
                raise first

    def _send(self, messages: Sequence[Message], before: int) -> list[NetlinkRefusal]:
        first = self._sequence + 1
        last = self._sequence = self._sequence + len(messages)
        packets = []
        for sequence, message in enumerate(messages, first):
            flags = c.NLM_F_REQUEST | message.flags | (c.NLM_F_ACK if sequence == last else 0)
            packets.append(HEADER.pack(16 + len(message.body), message.kind, flags, sequence, 0) + message.body)
        self._socket.sendall(b"".join(packets))
        refusals: list[NetlinkRefusal] = []
        while True:
            data = self._socket.recv(_RECEIVE_BYTES)
            for kind, flags, sequence, start, end in split(data):
                if kind != c.NLMSG_ERROR or not first <= sequence <= last:
                    continue
                refusal = _refusal(data, kind, flags, start, end)
                if refusal:
                    refusals.append(NetlinkRefusal(*refusal, before + sequence - first))
                if sequence == last:
                    return refusals

    def dump(self, kind: int, body: bytes) -> Iterator[bytes]:
        """Read a whole table: yields the body (struct and attributes) of every entry.

        Raises:
            NetlinkRefusal: the kernel does not know this table.
        """
        for _ in range(5):
            bodies, interrupted = self._ask(kind, c.NLM_F_DUMP, body)
            if not interrupted:
                break
        yield from bodies

    def get(self, kind: int, body: bytes) -> bytes:
        """Read one object."""
        bodies, _ = self._ask(kind, c.NLM_F_ACK, body)
        return bodies[0]

    def _ask(self, kind: int, flags: int, body: bytes) -> tuple[list[bytes], bool]:
        self._sequence += 1
        self._socket.sendall(HEADER.pack(16 + len(body), kind, c.NLM_F_REQUEST | flags, self._sequence, 0) + body)
        bodies: list[bytes] = []
        interrupted = False
        while True:
            data = self._socket.recv(_RECEIVE_BYTES)
            for answer, answer_flags, sequence, start, end in split(data):
                if sequence != self._sequence:
                    continue
                interrupted |= bool(answer_flags & c.NLM_F_DUMP_INTR)
                if answer in (c.NLMSG_ERROR, c.NLMSG_DONE):
                    refusal = _refusal(data, answer, answer_flags, start, end)
                    if refusal:
                        raise NetlinkRefusal(*refusal)
                    return bodies, interrupted
                bodies.append(data[start:end])


def split(data: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """The messages in one datagram: type, flags, sequence, start and end of the body."""
    offset, end = 0, len(data)
    unpack = HEADER.unpack_from
    while offset + 16 <= end:
        length, kind, flags, sequence, _ = unpack(data, offset)
        if length < 16 or offset + length > end:  # cut off, or not netlink
            return
        yield kind, flags, sequence, offset + 16, offset + length
        offset += (length + 3) & ~3


def _refusal(data: bytes, kind: int, flags: int, start: int, end: int) -> tuple[int, str] | None:
    """The errno of an error or of the end of a dump, and (NLM_F_ACK_TLVS) the kernel's own explanation."""
    if end - start < 4:
        return errno.EBADMSG, ""
    (code,) = struct.unpack_from("=i", data, start)
    if code == 0:
        return None
    extra = start + 4
    if kind == c.NLMSG_ERROR and end - start >= 20:  # struct nlmsgerr: the refused message comes between
        (refused_length,) = _U32.unpack_from(data, extra)
        extra += 16 if flags & c.NLM_F_CAPPED else (refused_length + 3) & ~3
    explained = attributes(data[:end], extra) if flags & c.NLM_F_ACK_TLVS else {}
    return -code, explained.get(c.NLMSGERR_ATTR_MSG, b"").rstrip(b"\0").decode(errors="replace")
