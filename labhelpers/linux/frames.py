"""``FramePort``: a program at the end of a cable, which gets every frame that comes in and sends frames back.

So that a program can be a switch's port without a TAP device, for which a machine must have /dev/net/tun.
Source: ``man 7 packet``.
"""

from __future__ import annotations

import socket
from contextlib import suppress

from labhelpers.linux import packet_filter

__all__ = ["FramePort"]

_ETH_P_ALL = 0x0003
_SOL_PACKET, _PACKET_IGNORE_OUTGOING = 263, 23  # linux/if_packet.h
_LARGEST = 65536
_WANTED_BUFFER = 1 << 22  # bytes; the system gives as much of it as it allows


class FramePort:
    """Opens a packet socket on one interface of the calling thread's namespace.  Nothing else changes.

    Args:
        device: the interface.
        kind: take frames of this EtherType only; all by default.

    Raises:
        OSError: there is no such interface, or no privilege.

    Shell: ``tcpdump -i DEVICE``, which can only listen.
    """

    def __init__(self, device: str, kind: int = 0) -> None:
        # of no protocol it hears nothing, so that it gets no frame of another interface before it is bound
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)  # not what it has sent itself
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WANTED_BUFFER)
            self._socket.setblocking(False)
            if kind:
                # not by the socket's own protocol: of a bridge's port it would be asked after the bridge took the frame
                packet_filter.attach(self._socket, packet_filter.of_type(kind))
            self._socket.bind((device, _ETH_P_ALL))
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """The file descriptor, to wait for frames."""
        return self._socket.fileno()

    def receive(self) -> bytes | None:
        """The next frame, ``None`` if there is none now."""
        try:
            return self._socket.recv(_LARGEST)
        except OSError:  # nothing to read, or the interface went down
            return None

    def send(self, frame: bytes) -> bool:
        """Send a frame out of the interface.  A full queue, or an interface that is down, loses it: was it sent?"""
        with suppress(OSError):
            self._socket.send(frame)
            return True
        return False

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
