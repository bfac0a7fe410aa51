"""Which firewall rule dropped a packet: nftables tells of every rule that a marked packet meets (``man 8 nft``, TRACE).

The mark is set by a table of our own.  It belongs to a socket, and the kernel removes it when the socket closes, also
when the process that opened it is killed.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labhelpers.linux import constants as c
from labhelpers.linux import nfnetlink
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.netlink import attribute, attributes, nested, split
from labhelpers.linux.nfnetlink import be32
from labhelpers.linux.worker import visit_each

__all__ = ["Dropped", "Trace"]

_TABLE = "walk_trace"
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
_GROUP = 9  # NFNLGRP_NFTRACE
_MESSAGE = 10 << 8 | 17  # NFNL_SUBSYS_NFTABLES, NFT_MSG_TRACE
_PREROUTING, _OUTPUT = 0, 3  # NF_INET_PRE_ROUTING, NF_INET_LOCAL_OUT
_BEFORE_ALL_OTHERS = -350  # after fragments were put together, before raw
_POLICY, _RULE = 1, 3  # NFT_TRACETYPE_POLICY, NFT_TRACETYPE_RULE
_META_L4PROTO, _META_NFTRACE = 16, 12
_REGISTER, _EQUAL = 1, 0  # NFT_REG_1, NFT_CMP_EQ
_DROP = 0  # NF_DROP, also of a rule that rejects
_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Dropped:
    """A chain where a packet ended."""

    #: which of the namespaces that were given, counted from 0
    namespace: int
    family: str
    table: str
    chain: str
    #: number of the rule, 0 if it was the chain's policy
    handle: int
    #: the packet's IP header, and its transport header
    network: bytes
    transport: bytes


class Trace:
    """Trace packets of some protocols in these namespaces, from ``open`` to ``close``.

    Where the kernel has no nftables, or does not let us, nothing is traced.

    Args:
        namespaces: a file descriptor of each.
        protocols: 1 for ICMP, 4 for IP in IP, 6 for TCP, 17 for UDP.

    Shell: ``nft add rule … meta l4proto icmp meta nftrace set 1``, ``nft monitor trace``.
    """

    def __init__(self, namespaces: Sequence[int], protocols: Iterable[int]) -> None:
        require_sandbox()
        self.dropped: list[Dropped] = []
        self._headers: dict[tuple[int, bytes], tuple[bytes, bytes]] = {}
        table = f"{_TABLE}_{os.getpid()}"  # one that nobody has
        changes = [nfnetlink.table("inet", table, owned=True)]
        for name, hook in (("prerouting", _PREROUTING), ("output", _OUTPUT)):
            changes.append(nfnetlink.chain("inet", table, name, "filter", hook, _BEFORE_ALL_OTHERS))
            changes += [nfnetlink.rule("inet", table, name, *_marks(protocol)) for protocol in sorted(set(protocols))]

        def start() -> socket.socket | None:
            listening = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, nfnetlink.NETFILTER)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            try:
                nfnetlink.commit(changes, listening)
            except OSError:
                listening.close()
                return None
            listening.setsockopt(c.SOL_NETLINK, c.NETLINK_ADD_MEMBERSHIP, _GROUP)
            listening.setblocking(False)
            return listening

        self._sockets = {
            one.fileno(): (place, one) for place, one in enumerate(visit_each(namespaces, start)) if one is not None
        }

    def read(self, timeout: float) -> None:
        """Wait for events, at most ``timeout`` seconds, and note where packets ended."""
        ready = select.poll()
        for fd in self._sockets:
            ready.register(fd, select.POLLIN)
        for fd, _ in ready.poll(timeout * 1000):
            namespace, listening = self._sockets[fd]
            while True:
                try:
                    data = listening.recv(1 << 16)
                except BlockingIOError:
                    break
                except OSError:  # more happened than the socket could hold
                    continue
                for kind, _, _, begin, end in split(data):
                    if kind == _MESSAGE:
                        self._note(namespace, data[begin], attributes(data[:end], begin + 4))

    def _note(self, namespace: int, family: int, found: dict[int, bytes]) -> None:
        """Remember the event, if it is about the end of a packet."""
        packet = namespace, found.get(6, b"")
        if 8 in found:  # only the first event of a packet in a chain has its headers
            self._headers[packet] = found[8], found.get(9, b"")
        kind = _number(found.get(4))
        verdicts = {_RULE: attributes(found.get(5, b"")).get(1), _POLICY: found.get(16)}
        verdict = verdicts.get(kind)
        if verdict is None or _number(verdict) != _DROP:
            return
        self.dropped.append(
            Dropped(
                namespace,
                _FAMILIES.get(family, str(family)),
                _text(found.get(1)),
                _text(found.get(2)),
                _number(found.get(3)) if kind == _RULE else 0,
                *self._headers.get(packet, (b"", b"")),
            )
        )

    def close(self) -> None:
        """Stop; the tables go."""
        for _, listening in self._sockets.values():
            listening.close()
        self._sockets.clear()

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _number(value: bytes | None) -> int:
    return int.from_bytes(value or b"", "big")


def _text(value: bytes | None) -> str:
    return (value or b"").rstrip(b"\0").decode(errors="replace")


def _marks(protocol: int) -> tuple[tuple[str, bytes], ...]:
    """The expressions of ``meta l4proto PROTOCOL meta nftrace set 1``."""
    value = nested(3, attribute(1, bytes([protocol])))
    return (
        ("meta", be32(1, _REGISTER) + be32(2, _META_L4PROTO)),
        ("cmp", be32(1, _REGISTER) + be32(2, _EQUAL) + value),
        ("immediate", be32(1, _REGISTER) + nested(2, attribute(1, b"\1"))),
        ("meta", be32(2, _META_NFTRACE) + be32(3, _REGISTER)),
    )
