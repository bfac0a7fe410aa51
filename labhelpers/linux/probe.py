"""One packet, or one conversation, that can be told from all others: what a packet walk follows."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import termios
import time
from dataclasses import dataclass
from itertools import count

from labhelpers.linux.namespace import NetworkNamespace

__all__ = ["LARGEST", "PROTOCOLS", "Answer", "Probe", "send"]

#: bytes that a packet of 65535 has room for, without its IP header and the transport's own
LARGEST = {"ICMP": 65507, "UDP": 65507, "TCP": 1 << 20}
PROTOCOLS = {"ICMP": 1, "TCP": 6, "UDP": 17}
_IP_RECVERR = 11  # linux/in.h; Python 3.10 has no name for it
_FIRST_PORT, _PORTS = 20000, 12000  # below those that the kernel gives by itself
_ECHO = struct.Struct("!BBHHH")

#: each probe its own port or identifier; the first of a process is always the same, so that outputs can be compared
_numbers = count()


@dataclass(frozen=True, slots=True)
class Probe:
    """What is sent.

    Args:
        protocol: ``ICMP``, ``TCP`` or ``UDP``.
        port: where to, for TCP and UDP.
        size: payload bytes.
        number: the client's port, or the identifier of an ICMP echo.
        token: the payload begins with it, as far as there is room.
    """

    protocol: str
    destination: str
    port: int
    size: int
    number: int
    token: bytes

    @classmethod
    def make(cls, protocol: str, destination: str, port: int = 0, size: int = 56) -> Probe:
        """A probe that nobody else's packet looks like."""
        number = _FIRST_PORT + next(_numbers) % _PORTS
        return cls(protocol, destination, port, size, number, b"walk" + os.urandom(8))

    @property
    def payload(self) -> bytes:
        """All bytes that it carries."""
        return (self.token + bytes(max(0, self.size - len(self.token))))[: self.size]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender learnt: an answer, a refusal, or nothing."""

    ok: bool
    #: who answered, or sent an error
    from_: str = ""
    #: the name of the errno, ``""`` if there was none
    error: str = ""

    @property
    def words(self) -> str:
        """The error in words."""
        code = getattr(errno, self.error, 0)
        return os.strerror(code).lower() if code else self.error


def send(probe: Probe, namespace: NetworkNamespace, *, timeout: float) -> Answer:
    """Send the probe from inside a namespace and wait for an answer, at most ``timeout`` seconds.

    TCP opens a connection, sends the payload, waits until it is acknowledged and breaks the connection off.

    Raises:
        Vanished: the namespace is gone.
    """
    job = {"ICMP": _echo, "TCP": _connection, "UDP": _datagram}[probe.protocol]
    kind, protocol = {
        "ICMP": (socket.SOCK_RAW, socket.IPPROTO_ICMP),
        "TCP": (socket.SOCK_STREAM, 0),
        "UDP": (socket.SOCK_DGRAM, 0),
    }[probe.protocol]
    with namespace.visit(lambda: socket.socket(socket.AF_INET, kind, protocol)) as probing:
        probing.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)  # routers' errors reach us as errno
        try:
            return job(probe, probing, time.monotonic() + timeout)
        except TimeoutError as error:
            return Answer(False, error="" if error.errno is None else _name(error))
        except OSError as error:
            return Answer(False, error=_name(error))


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error))


def _wait(probing: socket.socket, end: float) -> None:
    probing.settimeout(max(0.001, end - time.monotonic()))


def _checksum(data: bytes) -> int:
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def _echo(probe: Probe, probing: socket.socket, end: float) -> Answer:
    """ICMP echo request and reply (RFC 792)."""
    header = _ECHO.pack(8, 0, 0, probe.number, 1)
    header = _ECHO.pack(8, 0, _checksum(header + probe.payload), probe.number, 1)
    probing.connect((probe.destination, 0))
    probing.send(header + probe.payload)
    while time.monotonic() < end:
        _wait(probing, end)
        answer, sender = probing.recvfrom(65535)
        body = answer[(answer[0] & 15) * 4 :]
        if body[:1] == b"\0" and body[4:6] == header[4:6] and body[8:] == probe.payload:
            return Answer(True, sender[0])
    return Answer(False)


def _bind(probe: Probe, probing: socket.socket) -> None:
    probing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probing.bind(("", probe.number))


def _connection(probe: Probe, probing: socket.socket, end: float) -> Answer:
    _bind(probe, probing)
    # closed by a reset: nothing of the connection lingers
    probing.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    probing.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _wait(probing, end)
    probing.connect((probe.destination, probe.port))
    if probe.size:
        _wait(probing, end)
        probing.sendall(probe.payload)
        _acknowledged(probing, end)
    time.sleep(0.01)  # the last acknowledgement is on its way
    return Answer(True, probe.destination)


def _acknowledged(probing: socket.socket, end: float) -> None:
    """Wait until the other end has everything (``man 7 tcp``, SIOCOUTQ)."""
    while time.monotonic() < end:
        (left,) = struct.unpack("=i", fcntl.ioctl(probing.fileno(), termios.TIOCOUTQ, bytes(4)))
        if not left:
            return
        time.sleep(0.001)
    raise TimeoutError


def _datagram(probe: Probe, probing: socket.socket, end: float) -> Answer:
    _bind(probe, probing)
    probing.connect((probe.destination, probe.port))
    probing.send(probe.payload)
    _wait(probing, end)
    probing.recv(65535)
    return Answer(True, probe.destination)
