"""Forwarding databases: behind which port of a bridge a MAC address lives (``bridge fdb``)."""

from __future__ import annotations

import socket as s
import struct

from labhelpers.linux import constants as c
from labhelpers.linux import names
from labhelpers.linux.changes import Changes
from labhelpers.linux.neighbour import HEADER
from labhelpers.linux.netlink import NetlinkSocket, attribute, attributes
from labhelpers.linux.records import FdbEntry, Rows

__all__ = ["EVERYBODY", "add", "delete", "delete_remote", "dump", "pin", "set_remote"]

#: in the database of a tunnel: where to send what no other entry is for
EVERYBODY = "00:00:00:00:00:00"
_AF_BRIDGE = 7
_DUMP_REQUEST = HEADER.pack(_AF_BRIDGE, 0, 0, 0, 0)
_U16 = struct.Struct("=H")
_U32 = struct.Struct("=I")


def add(changes: Changes, mac: str, port: str) -> None:
    """Tell the bridge where a MAC address lives, instead of letting it learn.

    Shell: ``bridge fdb add MAC dev PORT master static``.
    """
    changes.add(
        f"bridge fdb add {mac} dev {port} master static",
        c.RTM_NEWNEIGH,
        c.NLM_F_CREATE | c.NLM_F_EXCL,
        HEADER.pack(_AF_BRIDGE, changes.index(port), c.NUD_NOARP, c.NTF_MASTER, 0)
        + attribute(c.NDA_LLADDR, names.mac(mac)),
    )


def pin(changes: Changes, mac: str, port: str) -> None:
    """Tell the bridge where a MAC address lives, whatever it has learned or will see: an entry that does not move.

    Shell: ``bridge fdb replace MAC dev PORT master static sticky``.
    """
    changes.add(
        f"bridge fdb replace {mac} dev {port} master static sticky",
        c.RTM_NEWNEIGH,
        c.NLM_F_CREATE | c.NLM_F_REPLACE,
        HEADER.pack(_AF_BRIDGE, changes.index(port), c.NUD_NOARP, c.NTF_MASTER | c.NTF_STICKY, 0)
        + attribute(c.NDA_LLADDR, names.mac(mac)),
    )


def delete(changes: Changes, mac: str, port: str) -> None:
    """Make the bridge forget a MAC address.  Shell: ``bridge fdb delete MAC dev PORT master``."""
    changes.add(
        f"bridge fdb delete {mac} dev {port} master",
        c.RTM_DELNEIGH,
        0,
        HEADER.pack(_AF_BRIDGE, changes.index(port), 0, c.NTF_MASTER, 0) + attribute(c.NDA_LLADDR, names.mac(mac)),
    )


def set_remote(changes: Changes, mac: str, device: str, remote: str) -> None:
    """Tell a VXLAN device behind which other tunnel end a MAC address lives; it replaces what was known of it.

    Args:
        mac: an address, or ``EVERYBODY``, which can be behind several ends: each gets a copy.
        remote: IP address of the other end.

    Shell: ``bridge fdb replace MAC dev DEVICE dst ADDRESS self permanent``; for ``EVERYBODY`` with ``append``.
    """
    verb, flag = ("append", c.NLM_F_APPEND) if mac == EVERYBODY else ("replace", c.NLM_F_REPLACE)
    changes.add(
        f"bridge fdb {verb} {mac} dev {device} dst {remote} self permanent",
        c.RTM_NEWNEIGH,
        c.NLM_F_CREATE | flag,
        _remote(changes, mac, device, remote, c.NUD_NOARP | c.NUD_PERMANENT),
    )


def delete_remote(changes: Changes, mac: str, device: str, remote: str) -> None:
    """Make a VXLAN device forget an entry.  Shell: ``bridge fdb delete MAC dev DEVICE dst ADDRESS self``."""
    changes.add(
        f"bridge fdb delete {mac} dev {device} dst {remote} self",
        c.RTM_DELNEIGH,
        0,
        _remote(changes, mac, device, remote, 0),
    )


def _remote(changes: Changes, mac: str, device: str, remote: str, state: int) -> bytes:
    packed = bytes(6) if mac == EVERYBODY else names.mac(mac)
    return (
        HEADER.pack(_AF_BRIDGE, changes.index(device), state, c.NTF_SELF, 0)
        + attribute(c.NDA_DST, names.address(remote).packed)
        + attribute(c.NDA_LLADDR, packed)
    )


def dump(socket: NetlinkSocket, devices: dict[int, str]) -> Rows[FdbEntry]:
    """Read the forwarding entries of bridges and tunnels, without multicast entries.  Shell: ``bridge fdb``."""
    rows = []
    for body in socket.dump(c.RTM_GETNEIGH, _DUMP_REQUEST):
        _, index, state, flags, _ = HEADER.unpack_from(body)
        found = attributes(body, 12)
        mac = found.get(c.NDA_LLADDR, b"")
        if not mac or (mac[0] & 1 and not flags & c.NTF_MASTER):
            continue  # a device's own multicast filter
        destination = found.get(c.NDA_DST, b"")
        master = found.get(c.NDA_MASTER)
        rows.append(
            FdbEntry(
                mac=mac.hex(":"),
                device=devices.get(index, ""),
                master=devices.get(_U32.unpack(master)[0], "") if master else "",
                kind="permanent" if state & c.NUD_PERMANENT else "static" if state & c.NUD_NOARP else "learned",
                destination=s.inet_ntop(s.AF_INET if len(destination) == 4 else s.AF_INET6, destination)
                if destination
                else "",
                vlan=_U16.unpack(found[c.NDA_VLAN])[0] if c.NDA_VLAN in found else 0,
            )
        )
    return Rows(sorted(rows, key=lambda row: (row.master, row.device, row.kind, row.mac)), "fdb")
