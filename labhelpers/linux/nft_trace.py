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

from labhelpers.linux import nfnetlink
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.netlink import attribute, nested
from labhelpers.linux.nfnetlink import be32
from labhelpers.linux.nft_steps import Decoder, hear
from labhelpers.linux.worker import visit_each

__all__ = ["Dropped", "Trace"]

_TABLE = "walk_trace"
_PREROUTING, _OUTPUT = 0, 3  # NF_INET_PRE_ROUTING, NF_INET_LOCAL_OUT
_BEFORE_ALL_OTHERS = -350  # after fragments were put together, before raw
_META_L4PROTO, _META_NFTRACE = 16, 12
_REGISTER, _EQUAL = 1, 0  # NFT_REG_1, NFT_CMP_EQ
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
        self._decoders = [Decoder() for _ in namespaces]
        table = f"{_TABLE}_{os.getpid()}"  # one that nobody has
        changes = [nfnetlink.table("inet", table, owned=True)]
        for name, hook in (("prerouting", _PREROUTING), ("output", _OUTPUT)):
            changes.append(nfnetlink.chain("inet", table, name, "filter", hook, _BEFORE_ALL_OTHERS))
            changes += [nfnetlink.rule("inet", table, name, *_marks(protocol)) for protocol in sorted(set(protocols))]

        def start() -> socket.socket | None:
            owner = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, nfnetlink.NETFILTER)
            owner.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            try:
                nfnetlink.commit(changes, owner)
            except OSError:
                owner.close()
                return None
            hear(owner)
            return owner

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
                self.dropped += [
                    Dropped(namespace, one.family, one.table, one.chain, one.handle, one.network, one.transport)
                    for one in self._decoders[namespace].steps(data)
                    if one.verdict == "drop"
                ]

    def close(self) -> None:
        """Stop; the tables go."""
        for _, listening in self._sockets.values():
            listening.close()
        self._sockets.clear()

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _marks(protocol: int) -> tuple[tuple[str, bytes], ...]:
    """The expressions of ``meta l4proto PROTOCOL meta nftrace set 1``."""
    value = nested(3, attribute(1, bytes([protocol])))
    return (
        ("meta", be32(1, _REGISTER) + be32(2, _META_L4PROTO)),
        ("cmp", be32(1, _REGISTER) + be32(2, _EQUAL) + value),
        ("immediate", be32(1, _REGISTER) + nested(2, attribute(1, b"\1"))),
        ("meta", be32(2, _META_NFTRACE) + be32(3, _REGISTER)),
    )
