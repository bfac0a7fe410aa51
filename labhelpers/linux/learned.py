"""``Learned``: hear which MAC addresses a tunnel learns, behind which other end (``man 7 rtnetlink``)."""

from __future__ import annotations

import errno
import socket

from labhelpers.linux import constants as c
from labhelpers.linux import fdb
from labhelpers.linux.neighbour import HEADER
from labhelpers.linux.netlink import NetlinkSocket, attributes, split

__all__ = ["Learned"]

_AF_BRIDGE = 7
_LARGEST = 1 << 16


class Learned:
    """Listens to the kernel, in the calling thread's namespace.  Nothing else changes.

    Args:
        device: a VXLAN device with ``learning``.

    Raises:
        OSError: there is no such interface.

    Shell: ``bridge monitor fdb``.
    """

    def __init__(self, device: str) -> None:
        self._device, self._index = device, socket.if_nametoindex(device)
        self._kernel = NetlinkSocket()
        self._events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
        self._events.bind((0, 0))
        self._events.setsockopt(c.SOL_NETLINK, c.NETLINK_ADD_MEMBERSHIP, c.RTNLGRP_NEIGH)

    def fileno(self) -> int:
        """The file descriptor, to wait for news."""
        return self._events.fileno()

    def receive(self) -> list[tuple[bytes, str]]:
        """What was learned since it was last asked: MAC address, and the IP address of the other end."""
        found: list[tuple[bytes, str]] = []
        while True:
            try:
                data = self._events.recv(_LARGEST)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                found += self._all()  # more happened than the socket could hold
                continue
            for kind, _, _, start, end in split(data):
                if kind == c.RTM_NEWNEIGH:
                    body = data[start:end]
                    family, index, state, flags, _ = HEADER.unpack_from(body)
                    if (family, index) == (_AF_BRIDGE, self._index) and flags & c.NTF_SELF:
                        parts = attributes(body, HEADER.size)
                        mac, remote = parts.get(c.NDA_LLADDR), parts.get(c.NDA_DST)
                        if mac and remote and len(remote) == 4 and not state & c.NUD_PERMANENT:
                            found.append((mac, socket.inet_ntoa(remote)))

    def _all(self) -> list[tuple[bytes, str]]:
        entries = fdb.dump(self._kernel, {self._index: self._device}).where(device=self._device, kind="learned")
        return [(bytes.fromhex(one.mac.replace(":", "")), one.destination) for one in entries if one.destination]

    def close(self) -> None:
        """Stop listening."""
        self._events.close()
        self._kernel.close()
