"""Neighbours: which MAC address answers for an IP address on the same link (ARP, RFC 826; ``ip neighbour``)."""

from __future__ import annotations

import socket as s
import struct

from labhelpers.linux import constants as c
from labhelpers.linux import names
from labhelpers.linux.changes import Changes
from labhelpers.linux.netlink import NetlinkSocket, attribute, attributes
from labhelpers.linux.records import Neighbour, Rows

__all__ = ["HEADER", "add", "delete", "dump"]

HEADER = struct.Struct("=BxxxiHBB")  # struct ndmsg: family, index, state, flags, type
_DUMP_REQUEST = HEADER.pack(0, 0, 0, 0, 0)
_STATES = {
    0x00: "none", 0x01: "incomplete", 0x02: "reachable", 0x04: "stale", 0x08: "delay",
    0x10: "probe", 0x20: "failed", 0x40: "noarp", 0x80: "permanent",
}  # fmt: skip


def add(changes: Changes, address: str, mac: str, device: str) -> None:
    """Add a permanent neighbour entry, so that nobody needs to be asked.

    Shell: ``ip neighbour replace 10.0.1.1 lladdr 0a:58:0a:00:01:01 dev eth0 nud permanent``.
    """
    ip = names.address(address)
    changes.add(
        f"ip neighbour replace {address} lladdr {mac} dev {device} nud permanent",
        c.RTM_NEWNEIGH,
        c.NLM_F_CREATE | c.NLM_F_REPLACE,
        _header(ip, changes.index(device), c.NUD_PERMANENT)
        + attribute(c.NDA_DST, ip.packed)
        + attribute(c.NDA_LLADDR, names.mac(mac)),
    )


def delete(changes: Changes, address: str, device: str) -> None:
    """Forget a neighbour.  Shell: ``ip neighbour delete 10.0.1.1 dev eth0``."""
    ip = names.address(address)
    changes.add(
        f"ip neighbour delete {address} dev {device}",
        c.RTM_DELNEIGH,
        0,
        _header(ip, changes.index(device), 0) + attribute(c.NDA_DST, ip.packed),
    )


def _header(ip: names.Address, index: int, state: int) -> bytes:
    return HEADER.pack(s.AF_INET if ip.version == 4 else s.AF_INET6, index, state, 0, 0)


def dump(socket: NetlinkSocket, devices: dict[int, str]) -> Rows[Neighbour]:
    """Read the neighbour tables, without multicast entries.  Shell: ``ip neighbour``."""
    rows = []
    for body in socket.dump(c.RTM_GETNEIGH, _DUMP_REQUEST):
        family, index, state, _, _ = HEADER.unpack_from(body)
        if family not in (s.AF_INET, s.AF_INET6) or state & c.NUD_NOARP:
            continue
        found = attributes(body, 12)
        rows.append(
            Neighbour(
                address=s.inet_ntop(family, found[c.NDA_DST]),
                device=devices.get(index, ""),
                mac=found.get(c.NDA_LLADDR, b"").hex(":"),
                state=_STATES.get(state, hex(state)),
            )
        )
    return Rows(rows, "neighbours")
