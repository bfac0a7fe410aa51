"""Hear every change in every namespace, on one socket.

A netlink socket hears the events of its own namespace, and with NETLINK_LISTEN_ALL_NSID those of every namespace
that has an id there (``man 7 netlink``).  The monitor makes a nameless namespace for that, so that the ids are seen
by nobody else, and gives an id to each namespace it is told of.  An id does not keep a namespace alive.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Iterable

from labhelpers.linux import constants as c
from labhelpers.linux import libc, nsid
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.netlink import NetlinkSocket, split
from labhelpers.linux.worker import visit

__all__ = ["Monitor"]

_GROUPS = (
    c.RTNLGRP_LINK,
    c.RTNLGRP_NEIGH,
    c.RTNLGRP_IPV4_IFADDR,
    c.RTNLGRP_IPV4_ROUTE,
    c.RTNLGRP_IPV4_RULE,
    c.RTNLGRP_IPV6_IFADDR,
    c.RTNLGRP_IPV6_ROUTE,
    c.RTNLGRP_NSID,
)


class Monitor:
    """Listen for changes of links, addresses, routes, rules, neighbours and forwarding entries.

    Shell: ``ip -all-nsid monitor``.
    """

    def __init__(self) -> None:
        require_sandbox()
        self._known: set[int] = set()
        visit(None, self._open)

    def _open(self) -> None:
        libc.unshare(libc.CLONE_NEWNET)
        self._ids = NetlinkSocket()
        self._events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
        self._events.bind((0, 0))  # without a port of its own it would pass for the sender and hear nothing
        self._events.setsockopt(c.SOL_NETLINK, c.NETLINK_LISTEN_ALL_NSID, 1)
        self._events.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        for group in _GROUPS:
            self._events.setsockopt(c.SOL_NETLINK, c.NETLINK_ADD_MEMBERSHIP, group)

    def follow(self, namespaces: Iterable[tuple[int, str]]) -> bool:
        """Listen to exactly these namespaces.

        Args:
            namespaces: inode number and path of each.

        Returns:
            whether any is new, or one followed before is gone.
        """
        now = dict(namespaces)
        changed = bool(self._known - now.keys())
        self._known &= now.keys()
        for inode in now.keys() - self._known:
            try:
                fd = os.open(now[inode], os.O_RDONLY | os.O_CLOEXEC)
            except OSError:  # gone meanwhile
                continue
            try:
                nsid.assign(self._ids, fd)
            except OSError:  # the file is no namespace (yet)
                continue
            finally:
                os.close(fd)
            self._known.add(inode)
            changed = True
        return changed

    def wait(self, timeout: float, wake: int) -> bool:
        """Wait for a change, at most ``timeout`` seconds, or until the file descriptor ``wake`` is readable or closed.

        Returns:
            whether there was a change.
        """
        ready = select.poll()  # not select.select: a notebook may have more than 1024 files open
        ready.register(self._events.fileno(), select.POLLIN)
        ready.register(wake, select.POLLIN)
        found = [fd for fd, _ in ready.poll(timeout * 1000)]
        return self._events.fileno() in found and self._drain()

    def _drain(self) -> bool:
        heard = False
        while True:
            try:
                data = self._events.recv(1 << 16)
            except BlockingIOError:
                return heard
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                # more happened than the socket could hold, perhaps also that a namespace ended
                self._known.clear()
                heard = True
                continue
            for kind, *_ in split(data):
                if kind == c.RTM_DELNSID:
                    # a namespace ended, and a new one may get its inode number: give out all ids again
                    self._known.clear()
                heard |= kind != c.RTM_NEWNSID  # that was us

    def close(self) -> None:
        """Stop listening; the nameless namespace goes."""
        self._events.close()
        self._ids.close()
