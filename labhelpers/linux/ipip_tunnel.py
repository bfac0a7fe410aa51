"""IP in IP without the kernel's module: a TUN device, a raw socket for protocol 4, and this program between them.

It is started on a node, returns when it is ready, and goes on in the background until its device is removed or the
node ends.  It works as the kernel's device without a fixed other end does: the outer destination is the router of the
route that led to the device, for which the kernel is asked, and the outer TTL is the inner one.

usage: python -m labhelpers.linux.ipip_tunnel DEVICE LOCAL-ADDRESS
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys

from labhelpers.linux import constants as c
from labhelpers.linux import route, tun
from labhelpers.linux.netlink import NetlinkRefusal, NetlinkSocket

__all__ = ["Tunnel", "main"]

_SHORTEST, _LARGEST = 20, 65535  # bytes of an IPv4 packet
_AT_ONCE = 64  # packets of one direction before the other gets its turn
_MOST_KNOWN = 10_000  # destinations
#: what is sent along with a packet to give the outer one this TTL (``man 7 ip``)
_TTL = [(socket.IPPROTO_IP, socket.IP_TTL, struct.pack("=i", ttl)) for ttl in range(256)]


class Tunnel:
    """A TUN device whose packets travel inside packets of protocol 4."""

    def __init__(self, device: str, local: str) -> None:
        self._tun = tun.open_tun(device)
        self._index = socket.if_nametoindex(device)
        self._outside = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IPIP)
        self._outside.bind((local, 0))
        self._outside.setblocking(False)
        self._kernel = NetlinkSocket()
        self._events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        self._events.bind((0, 0))
        self._events.setsockopt(c.SOL_NETLINK, c.NETLINK_ADD_MEMBERSHIP, c.RTNLGRP_IPV4_ROUTE)
        #: by destination, as the kernel said; forgotten whenever a route changes
        self._routers: dict[bytes, str] = {}

    def serve(self) -> None:
        """Carry packets until the device is removed."""
        ready = select.epoll()
        work = {
            self._tun: self._wrap,
            self._outside.fileno(): self._unwrap,
            self._events.fileno(): self._routes_changed,
        }
        for fd in work:
            ready.register(fd, select.EPOLLIN)
        while True:
            for fd, _ in ready.poll():
                if not work[fd]():
                    return

    def _wrap(self) -> bool:
        """From the device to the other node; the kernel puts the outer header before it."""
        for _ in range(_AT_ONCE):
            try:
                packet = os.read(self._tun, _LARGEST)
            except BlockingIOError:
                return True
            except OSError:  # EBADFD: the device was removed
                return False
            if len(packet) < _SHORTEST or packet[0] >> 4 != 4:  # IPv6, or what somebody pushed in by a packet socket
                continue
            if router := self._router(packet[16:20]):
                try:
                    self._outside.sendmsg([packet], [_TTL[packet[8]]], 0, (router, 0))
                except OSError:  # too large, no way, a full queue: a packet is lost, as on any wire
                    continue
        return True

    def _unwrap(self) -> bool:
        """From another node to the device, without the outer header."""
        for _ in range(_AT_ONCE):
            try:
                packet = self._outside.recv(_LARGEST)
            except BlockingIOError:
                return True
            except OSError:  # an ICMP error about an earlier packet
                continue
            inner = packet[(packet[0] & 15) * 4 :]
            try:
                os.write(self._tun, inner)
            except OSError:  # the inner packet is none, or the device is down
                continue
        return True

    def _router(self, destination: bytes) -> str:
        """The node to send to: the router of the kernel's route, if the route leads to the device."""
        known = self._routers.get(destination)
        if known is None:
            try:
                router, index, _ = route.get(self._kernel, socket.inet_ntoa(destination))
            except NetlinkRefusal:
                router, index = "", 0
            if len(self._routers) >= _MOST_KNOWN:
                self._routers.clear()
            known = self._routers[destination] = router if index == self._index else ""
        return known

    def _routes_changed(self) -> bool:
        self._routers.clear()
        while True:
            try:
                self._events.recv(_LARGEST)
            except BlockingIOError:
                return True
            except OSError:  # ENOBUFS: more than it could hold, all of the same meaning
                continue


def main(arguments: list[str]) -> None:
    """Open everything, then go into the background: who started it may use the device at once."""
    try:
        device, local = arguments
    except ValueError:
        sys.exit(f"usage: {__doc__.rpartition('usage: ')[2].strip()}")
    try:
        tunnel = Tunnel(device, local)
    except OSError as error:
        sys.exit(f"{device}: {(error.strerror or str(error)).lower()}")
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    tunnel.serve()


if __name__ == "__main__":
    main(sys.argv[1:])
