"""Hear every interface of many namespaces at once, with the kernel's time stamps (``man 7 packet``).

A packet socket that is bound to no interface hears all of its namespace, so one socket a namespace is enough.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from labhelpers.linux import packet_filter
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.interrupt import held
from labhelpers.linux.libc import bind_packet_socket
from labhelpers.linux.worker import visit_each

__all__ = ["Seen", "Taps", "stamped"]

_ETH_P_ALL = 0x0003
_SO_TIMESTAMPNS = 35
_SOL_PACKET, _PACKET_STATISTICS, _PACKET_AUXDATA = 263, 6, 8
_DIRECTIONS = {0: "in", 1: "in", 2: "in", 3: "other host", 4: "out"}
_WITH_ETHERNET = (1, 772)  # ARPHRD_ETHER, ARPHRD_LOOPBACK; a TUN device's frames begin with the IP header
_BEGINNING = 2048  # bytes of a frame that are kept: all of it, unless the kernel has not cut it yet
_WANTED_BUFFER = 1 << 22  # bytes; the system gives as much of it as it allows
_ANCILLARY = 128  # bytes for what comes beside a frame: its stamp and its length
_STAMP = struct.Struct("=qq")
_LENGTH = struct.Struct("=4xI")  # struct tpacket_auxdata: status, length of the whole frame
_PATIENCE = 0.5  # seconds for the kernel to begin stamping
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame as it passed one interface."""

    #: which of the namespaces that were given, counted from 0
    namespace: int
    device: str
    #: ``in``, ``out``, or ``other host``: it came in and is addressed to somebody else, as on a bridge's port
    direction: str
    #: nanoseconds since 1970, taken by the kernel when the frame passed
    stamp: int
    #: its first bytes
    data: bytes
    #: bytes in all
    length: int
    #: whether it begins with an Ethernet header
    ethernet: bool
    #: in which order the namespace's socket received it
    order: int


@contextmanager
def stamped() -> Iterator[None]:
    """Let the kernel stamp frames when they arrive, and not when they are read, while the ``with`` block runs.

    The kernel begins with it a moment after the first socket has asked for stamps.  So one is kept open here, and a
    packet to ourselves tells when it is so.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        keeper.settimeout(_PATIENCE)
        keeper.bind(("127.0.0.1", 0))
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            with suppress(OSError):  # lo is down, or a rule forbids it
                keeper.sendto(b"?", keeper.getsockname())
            sent = time.time_ns()
            time.sleep(0.002)
            try:
                if _beside(keeper.recvmsg(1, _ANCILLARY)[1])[0] <= sent:
                    break
            except TimeoutError:  # lo is down: it has had time enough
                break
        yield


def _beside(ancillary: list[tuple[int, int, bytes]]) -> tuple[int, int]:
    """A frame's time stamp and length."""
    stamp = length = 0
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _STAMP.unpack(data)
            stamp = seconds * 10**9 + nanoseconds
        elif level == _SOL_PACKET and kind == _PACKET_AUXDATA:
            (length,) = _LENGTH.unpack_from(data)
    return stamp, length


class Taps:
    """Record the frames of a conversation in many namespaces, from ``open`` to ``close``.

    Nothing changes in the kernel but that packet sockets exist.

    Args:
        namespaces: a file descriptor of each.
        program: which frames to hear, see :mod:`labhelpers.linux.packet_filter`.
        most: frames that are kept; of those beyond it only the number.

    Shell: ``tcpdump -i any`` in each namespace.
    """

    def __init__(self, namespaces: Sequence[int], program: bytes, *, most: int = 100_000) -> None:
        require_sandbox()
        #: what was recorded so far; grows while a thread reads
        self.seen: list[Seen] = []
        #: frames that were dropped because they came faster than they were read, and those beyond ``most``
        self.lost = 0
        self._most = most

        def open_socket() -> socket.socket:
            # of no protocol it hears nothing; so no frame of a storm gets in before the filter is attached
            tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WANTED_BUFFER)
            tap.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            tap.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
            tap.setblocking(False)
            packet_filter.attach(tap, program)
            bind_packet_socket(tap.fileno(), _ETH_P_ALL)
            return tap

        with held():
            self._sockets = {
                tap.fileno(): (number, tap)
                for number, tap in enumerate(visit_each(namespaces, open_socket))
                if tap is not None
            }
            self._wake, self._stop = os.pipe()
            self._thread = threading.Thread(target=self._read, name="taps", daemon=True)
            self._thread.start()

    def _read(self) -> None:
        ready = select.epoll()
        for fd in (*self._sockets, self._wake):
            ready.register(fd, select.EPOLLIN)
        stopping = False
        while True:
            found = [fd for fd, _ in ready.poll(0 if stopping else None)]
            stopping = stopping or self._wake in found
            frames = sum(self._drain(*self._sockets[fd]) for fd in found if fd in self._sockets)
            if stopping and not frames:
                break
        ready.close()

    def _drain(self, namespace: int, tap: socket.socket) -> int:
        count = 0
        while count < 1000:  # others have a turn, too
            try:
                data, ancillary, _, where = tap.recvmsg(_BEGINNING, _ANCILLARY)
            except BlockingIOError:
                break
            except OSError:  # an interface went down
                continue
            count += 1
            if len(self.seen) >= self._most:
                self.lost += 1
                continue
            device, _, kind, hardware, _ = where
            stamp, length = _beside(ancillary)
            self.seen.append(
                Seen(
                    namespace,
                    device,
                    _DIRECTIONS.get(kind, str(kind)),
                    stamp,
                    data,
                    length,
                    hardware in _WITH_ETHERNET,
                    len(self.seen),
                )
            )
        return count

    def close(self) -> None:
        """Stop, after what waits in the sockets was read."""
        with held():
            os.close(self._stop)
            self._thread.join()
            os.close(self._wake)
            taps = [tap for _, tap in self._sockets.values()]
            for tap in taps:
                self.lost += struct.unpack("=II", tap.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))[1]
            # to close one takes milliseconds, in which the kernel waits for all processors: side by side it waits once
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(socket.socket.close, taps))
            self._sockets.clear()
