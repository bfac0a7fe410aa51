"""Namespace ids: the small numbers by which one namespace knows another (``ip netns list-id``)."""

from __future__ import annotations

import struct

from labhelpers.linux import constants as c
from labhelpers.linux.netlink import (
    Message,
    NetlinkRefusal,
    NetlinkSocket,
    attributes,
    number,
)

__all__ = ["assign", "get"]

_HEADER = b"\0\0\0\0"  # struct rtgenmsg, padded
_I32 = struct.Struct("=i")


def get(socket: NetlinkSocket, fd: int) -> int:
    """The id by which the socket's namespace knows the namespace behind ``fd``; -1 if it has none.

    Shell: ``ip netns list-id``.
    """
    try:
        body = socket.get(c.RTM_GETNSID, _HEADER + number(c.NETNSA_FD, fd))
    except NetlinkRefusal:
        return -1
    found: int = _I32.unpack(attributes(body, 4)[c.NETNSA_NSID])[0]
    return found


def assign(socket: NetlinkSocket, fd: int) -> None:
    """Give the namespace behind ``fd`` an id in the socket's namespace, if it has none.  It holds no reference.

    Shell: ``ip netns set NAME auto``.
    """
    any_id = number(c.NETNSA_NSID, 0xFFFFFFFF)
    try:
        socket.send([Message(c.RTM_NEWNSID, 0, _HEADER + any_id + number(c.NETNSA_FD, fd))])
    except NetlinkRefusal as refusal:
        if refusal.errno != 17:  # EEXIST: it has one
            raise
