"""nftables without the ``nft`` program: what the kernel can do does not depend on what is installed.

Netfilter takes its changes in a batch, all or nothing: a message that begins it, the changes, a message that ends it.
Numbers inside are big endian.  Source: ``include/uapi/linux/netfilter/{nfnetlink,nf_tables}.h``.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence

from labhelpers.linux import constants as c
from labhelpers.linux.netlink import HEADER, attribute, nested, split, text

__all__ = ["FAMILIES", "NETFILTER", "be32", "chain", "commit", "rule", "table"]

FAMILIES = {"inet": 1, "ip": 2, "netdev": 5, "bridge": 7}
_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_OWNER = 2  # NFT_TABLE_F_OWNER
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEWTABLE, _NEWCHAIN, _NEWRULE = (_SUBSYSTEM << 8 | number for number in (0, 3, 6))
_FAMILY = struct.Struct("!BBH")  # struct nfgenmsg: family, version, resource
NETFILTER = 12  # NETLINK_NETFILTER, the kind of netlink socket
_PATIENCE = 2.0  # seconds; the answer is there when the call returns, unless the kernel has none

Change = tuple[int, bytes]


def be32(kind: int, value: int) -> bytes:
    """A 32 bit attribute, big endian."""
    return attribute(kind, struct.pack("!i", value))


def table(family: str, name: str, *, owned: bool = False) -> Change:
    """A new table.

    Args:
        owned: it belongs to the socket that commits it, and goes when that is closed.

    Shell: ``nft add table FAMILY NAME``, with ``{ flags owner; }``.
    """
    body = text(1, name) + (be32(2, _OWNER) if owned else b"")
    return _NEWTABLE, _FAMILY.pack(FAMILIES[family], 0, 0) + body


def chain(family: str, in_table: str, name: str, kind: str, hook: int, priority: int = 0, device: str = "") -> Change:
    """A new base chain.

    Args:
        kind: ``filter`` or ``nat``.
        hook: its number, NF_INET_LOCAL_IN = 1 … or NF_NETDEV_INGRESS = 0.
        device: the interface, for the family netdev.

    Shell: ``nft add chain FAMILY TABLE NAME '{ type KIND hook HOOK priority PRIORITY; }'``.
    """
    where = be32(1, hook) + be32(2, priority) + (text(3, device) if device else b"")
    body = text(1, in_table) + text(3, name) + nested(4, where) + text(7, kind)
    return _NEWCHAIN, _FAMILY.pack(FAMILIES[family], 0, 0) + body


def rule(family: str, in_table: str, in_chain: str, *expressions: tuple[str, bytes]) -> Change:
    """A new rule: what it does, one expression after the other, each with its attributes.

    Shell: ``nft add rule FAMILY TABLE CHAIN EXPRESSION …``.
    """
    elements = [nested(1, text(1, name), *([nested(2, data)] if data else [])) for name, data in expressions]
    body = text(1, in_table) + text(2, in_chain) + nested(4, *elements)
    return _NEWRULE, _FAMILY.pack(FAMILIES[family], 0, 0) + body


def commit(changes: Sequence[Change], netfilter: socket.socket | None = None) -> None:
    """Change the ruleset of the calling thread's namespace: everything, or nothing.

    Args:
        netfilter: the socket to use, which then owns the tables that are to be owned; a new one by default.

    Raises:
        OSError: of the first change that was refused.

    Shell: ``nft -f -``.
    """
    if netfilter is None:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETFILTER) as own:
            commit(changes, own)
        return
    edge = _FAMILY.pack(0, 0, _SUBSYSTEM)
    create = c.NLM_F_REQUEST | c.NLM_F_CREATE | c.NLM_F_ACK
    messages = [(_BATCH_BEGIN, c.NLM_F_REQUEST, edge)]
    messages += [(kind, create, body) for kind, body in changes]
    messages += [(_BATCH_END, c.NLM_F_REQUEST, edge)]
    packets = [
        HEADER.pack(16 + len(body), kind, flags, number, 0) + body
        for number, (kind, flags, body) in enumerate(messages)
    ]
    netfilter.settimeout(_PATIENCE)
    netfilter.sendall(b"".join(packets))
    answered: set[int] = set()
    while not answered >= set(range(1, len(changes) + 1)):
        data = netfilter.recv(1 << 16)
        for kind, _, number, begin, _ in split(data):
            (code,) = struct.unpack_from("=i", data, begin)
            if kind == c.NLMSG_ERROR and code:
                raise OSError(-code, os.strerror(-code))
            answered.add(number)
