"""What is on a wire, byte by byte: a packet socket and a little struct, apart from the decoder under test elsewhere."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from labhelpers.lab import Namespace
from tests.netns.kernel import eventually

__all__ = ["Outer", "Wire", "outer", "outer_of_packet", "recorded"]

_IGMP = 2


@dataclass(frozen=True)
class Outer:
    """The outermost IPv4 header of a frame."""

    source: str
    destination: str
    protocol: int
    ttl: int
    #: bytes of the whole packet
    length: int
    #: what follows the header
    payload: bytes


def outer(frame: bytes) -> Outer | None:
    """Of an Ethernet frame; ``None`` if it holds no IPv4."""
    return outer_of_packet(frame[14:]) if frame[12:14] == b"\x08\x00" else None


def outer_of_packet(packet: bytes) -> Outer:
    """Of an IPv4 packet."""
    (length,) = struct.unpack_from("!H", packet, 2)
    return Outer(
        source=socket.inet_ntoa(packet[12:16]),
        destination=socket.inet_ntoa(packet[16:20]),
        protocol=packet[9],
        ttl=packet[8],
        length=length,
        payload=packet[(packet[0] & 15) * 4 : length],
    )


class Wire:
    """The frames that pass an interface since it was made."""

    def __init__(self, packet_socket: socket.socket) -> None:
        self._socket = packet_socket
        self.frames: list[bytes] = []

    def packets(self) -> list[Outer]:
        """The IPv4 packets so far, outermost headers only, without IGMP, which the nodes' switch sends by itself."""
        while True:
            try:
                self.frames.append(self._socket.recv(1 << 17))
            except BlockingIOError:
                return [packet for packet in map(outer, self.frames) if packet and packet.protocol != _IGMP]

    def wait_for(self, wanted: Callable[[Outer], bool]) -> list[Outer]:
        """All packets so far, once such a one is among them."""
        assert eventually(lambda: any(map(wanted, self.packets()))), self.packets()
        time.sleep(0.05)  # what belongs to it
        return self.packets()


@contextmanager
def recorded(where: Namespace, device: str = "eth0") -> Iterator[Wire]:
    """Record the frames of an interface while the block runs."""
    with where._kernel.visit(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)) as packet_socket:
        packet_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        packet_socket.bind((device, 3))  # ETH_P_ALL
        packet_socket.setblocking(False)
        yield Wire(packet_socket)
