"""A transparent proxy: a program that is handed connections between others, and keeps both their addresses.

The firewall's ``tproxy`` gives a packet to the proxy's socket as it is; a mark and a rule have the packet delivered
here although its destination is elsewhere.  Towards the server the proxy's socket has the client's address, so that the
server sees who asks.  Source: Documentation/networking/tproxy.rst; the numbers are those that Cilium uses.
"""

from __future__ import annotations

import random
import socket
import struct

from labhelpers.linux import constants as c
from labhelpers.linux import rule
from labhelpers.linux.changes import Changes
from labhelpers.linux.netlink import NetlinkSocket, number

__all__ = ["MARK", "deliver_here", "deliver_no_more", "delivers_here", "listening", "towards"]

MARK, MASK, TABLE, PRIORITY = 0x200, 0xF00, 2004, 9
_IP_TRANSPARENT = 19
_RTMSG = struct.Struct("=BBBBBBBBI")
_LOCAL, _HOST_SCOPE, _BOOT = 2, 254, 3  # RTN_LOCAL, RT_SCOPE_HOST, RTPROT_BOOT
#: the proxy's own ports towards servers: below those that clients get, so that no two connections look alike
_OWN_PORTS = range(10_000, 32_768)
_TRIES = 50


def deliver_here(changes: Changes) -> None:
    """Have packets with the proxy's mark delivered to this namespace's own sockets, whatever their destination is.

    Shell: ``ip rule add priority 9 fwmark 0x200/0xf00 lookup 2004``, ``ip route add local default dev lo table 2004``.
    """
    rule.add(changes, PRIORITY, TABLE, mark=MARK, mask=MASK)
    command = f"ip route add local default dev lo table {TABLE}"
    changes.add(command, c.RTM_NEWROUTE, c.NLM_F_CREATE | c.NLM_F_REPLACE, _route(changes))


def deliver_no_more(changes: Changes) -> None:
    """Undo ``deliver_here``.  Shell: ``ip rule delete priority 9 …``, ``ip route flush table 2004``."""
    rule.delete(changes, PRIORITY, TABLE, mark=MARK, mask=MASK)
    changes.add(f"ip route delete local default dev lo table {TABLE}", c.RTM_DELROUTE, 0, _route(changes))


def delivers_here(netlink: NetlinkSocket) -> bool:
    """Is the rule there?  Changes nothing."""
    return any(one.priority == PRIORITY and one.table == str(TABLE) for one in rule.dump(netlink))


def _route(changes: Changes) -> bytes:
    header = _RTMSG.pack(socket.AF_INET, 0, 0, 0, 0, _BOOT, _HOST_SCOPE, _LOCAL, 0)
    return header + number(c.RTA_TABLE, TABLE) + number(c.RTA_OIF, changes.index("lo"))


def listening(port: int) -> socket.socket:
    """A TCP socket that takes the connections that ``tproxy`` hands to a port of 127.0.0.1.

    Raises:
        OSError: EADDRINUSE, EPERM.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)
        made.bind(("127.0.0.1", port))
        made.listen(1024)
    except BaseException:
        made.close()
        raise
    return made


def towards(client: str) -> socket.socket:
    """A TCP socket to connect to a server with, as if the client did.

    Raises:
        OSError: EADDRINUSE: there is no port left.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for tried in range(_TRIES):
            try:
                made.bind((client, random.choice(_OWN_PORTS)))
                break
            except OSError:
                if tried == _TRIES - 1:
                    raise
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made
