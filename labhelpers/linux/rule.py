"""Policy routing rules: which routing table is asked (``ip rule``)."""

from __future__ import annotations

import socket as s
import struct
from functools import lru_cache

from labhelpers.errors import BadInput
from labhelpers.linux import constants as c
from labhelpers.linux.changes import Changes
from labhelpers.linux.netlink import NetlinkSocket, attributes, number
from labhelpers.linux.records import Rows, Rule
from labhelpers.linux.route import TABLES

__all__ = ["add", "delete", "dump"]

# struct fib_rule_hdr: family, destination and source prefix, tos, table, two reserved, action, flags
_HEADER = struct.Struct("=BBBBBBBBI")
_ACTIONS = {6: "blackhole", 7: "unreachable", 8: "prohibit"}
_U32 = struct.Struct("=I")
_ALL_BITS = 0xFFFFFFFF


def add(
    changes: Changes, priority: int, table: int, *, mark: int = 0, mask: int = _ALL_BITS, inverted: bool = False
) -> None:
    """Ask a routing table of one's own for some packets (IPv4).

    Args:
        priority: rules are tried from 0 on; that of the main table is 32766.
        table: its number.
        mark: only packets with this mark, which a firewall or the socket's owner sets; 0 for all packets.
        mask: which bits of the mark count.
        inverted: all packets but those.

    Shell: ``ip rule add priority 99 [not] fwmark 0x200000/0x200000 lookup 1``.
    """
    command, body = _body(priority, table, mark, mask, inverted)
    changes.add(f"ip rule add {command}", c.RTM_NEWRULE, c.NLM_F_CREATE | c.NLM_F_EXCL, body)


def delete(
    changes: Changes, priority: int, table: int, *, mark: int = 0, mask: int = _ALL_BITS, inverted: bool = False
) -> None:
    """Remove a rule; arguments as for ``add``.  Shell: ``ip rule delete priority 99 … lookup 1``."""
    command, body = _body(priority, table, mark, mask, inverted)
    changes.add(f"ip rule delete {command}", c.RTM_DELRULE, 0, body)


def _body(priority: int, table: int, mark: int, mask: int, inverted: bool) -> tuple[str, bytes]:
    if not 0 <= priority <= _ALL_BITS or not 0 < table <= _ALL_BITS:
        raise BadInput(
            f"A rule of priority {priority} for table {table} is not possible.", "Both are numbers of 32 bits."
        )
    command = f"priority {priority} {'not ' if inverted else ''}{_mark(mark, mask) or 'from all'} lookup {table}"
    body = _HEADER.pack(
        s.AF_INET, 0, 0, 0, table if table < 256 else 0, 0, 0, c.FR_ACT_TO_TBL, c.FIB_RULE_INVERT if inverted else 0
    )
    body += number(c.FRA_PRIORITY, priority) + number(c.FRA_TABLE, table)
    if mark:
        body += number(c.FRA_FWMARK, mark) + number(c.FRA_FWMASK, mask)
    return command, body


def dump(socket: NetlinkSocket) -> Rows[Rule]:
    """Read the IPv4 rules.  Shell: ``ip rule``."""
    request = _HEADER.pack(s.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
    return Rows((_rule(body) for body in socket.dump(c.RTM_GETRULE, request)), "rules")


@lru_cache(maxsize=100)  # nearly every namespace has the same three
def _rule(body: bytes) -> Rule:
    family, to_prefix, from_prefix, _, table, _, _, action, flags = _HEADER.unpack_from(body)
    found = attributes(body, 12)
    if c.FRA_TABLE in found:
        table = _U32.unpack(found[c.FRA_TABLE])[0]
    return Rule(
        priority=_U32.unpack(found[c.FRA_PRIORITY])[0] if c.FRA_PRIORITY in found else 0,
        selector=("not " if flags & c.FIB_RULE_INVERT else "") + _selector(family, to_prefix, from_prefix, found),
        table=_ACTIONS.get(action) or TABLES.get(table, str(table)),
    )


def _selector(family: int, to_prefix: int, from_prefix: int, found: dict[int, bytes]) -> str:
    source = found.get(c.FRA_SRC)
    parts = [f"from {s.inet_ntop(family, source)}/{from_prefix}" if source else "from all"]
    if c.FRA_DST in found:
        parts.append(f"to {s.inet_ntop(family, found[c.FRA_DST])}/{to_prefix}")
    for kind, word in ((c.FRA_IIFNAME, "iif"), (c.FRA_OIFNAME, "oif")):
        if kind in found:
            parts.append(f"{word} {found[kind].rstrip(bytes(1)).decode()}")
    if c.FRA_FWMARK in found:
        mask = _U32.unpack(found[c.FRA_FWMASK])[0] if c.FRA_FWMASK in found else _ALL_BITS
        parts.append(_mark(_U32.unpack(found[c.FRA_FWMARK])[0], mask))
    return " ".join(parts)


def _mark(mark: int, mask: int) -> str:
    if not mark:
        return ""
    return f"fwmark {mark:#x}" if mask == _ALL_BITS else f"fwmark {mark:#x}/{mask:#x}"
