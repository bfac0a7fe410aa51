"""Which firewall rules a marked packet met, one after another: nftables tells of each (``man 8 nft``, TRACE).

Source: ``enum nft_trace_attributes`` in ``include/uapi/linux/netfilter/nf_tables.h``.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

from labhelpers.linux import constants as c
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.linux.netlink import attributes, split
from labhelpers.linux.nfnetlink import NETFILTER

__all__ = ["Decoder", "Step", "Steps", "hear"]

_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
_GROUP = 9  # NFNLGRP_NFTRACE
_MESSAGE = 10 << 8 | 17  # NFNL_SUBSYS_NFTABLES, NFT_MSG_TRACE
_TABLE, _CHAIN, _HANDLE, _TYPE, _VERDICT, _PACKET, _NETWORK, _TRANSPORT, _POLICY = 1, 2, 3, 4, 5, 6, 8, 9, 16
_BY_POLICY, _BY_RULE = 1, 3  # NFT_TRACETYPE_POLICY, NFT_TRACETYPE_RULE
_VERDICTS = {0: "drop", 1: "accept"}  # NF_DROP, also of a rule that rejects, and NF_ACCEPT
_BUFFER = 1 << 22  # the system gives as much of it as it allows
_MOST_PACKETS = 4096  # whose headers are remembered


@dataclass(frozen=True, slots=True)
class Step:
    """One rule that a packet met, or a chain's policy."""

    family: str
    table: str
    chain: str
    #: number of the rule, 0 if it was the chain's policy
    handle: int
    #: ``drop`` and ``accept`` end a packet's way through this chain; ``""`` for all others, as it goes on
    verdict: str
    #: the packet's IP header, and its transport header
    network: bytes
    transport: bytes


class Decoder:
    """What is in the kernel's messages; only the first of a packet in a chain has its headers, which are kept."""

    def __init__(self) -> None:
        self._headers: dict[bytes, tuple[bytes, bytes]] = {}

    def steps(self, data: bytes) -> list[Step]:
        """The steps that a datagram tells of."""
        found = []
        for kind, _, _, begin, end in split(data):
            if kind == _MESSAGE:
                step = self._step(data[begin], attributes(data[:end], begin + 4))
                if step:
                    found.append(step)
        return found

    def _step(self, family: int, given: dict[int, bytes]) -> Step | None:
        packet = given.get(_PACKET, b"")
        if _NETWORK in given:
            if len(self._headers) >= _MOST_PACKETS:
                self._headers.clear()
            self._headers[packet] = given[_NETWORK], given.get(_TRANSPORT, b"")
        kind = _number(given.get(_TYPE))
        verdicts = {_BY_RULE: attributes(given.get(_VERDICT, b"")).get(1), _BY_POLICY: given.get(_POLICY)}
        if verdicts.get(kind) is None:
            return None
        return Step(
            _FAMILIES.get(family, str(family)),
            _text(given.get(_TABLE)),
            _text(given.get(_CHAIN)),
            _number(given.get(_HANDLE)) if kind == _BY_RULE else 0,
            _VERDICTS.get(_number(verdicts[kind]), ""),
            *self._headers.get(packet, (b"", b"")),
        )


class Steps:
    """Listen to the steps of a namespace's marked packets, from now on.  The mark is for others to set.

    Shell: ``nft monitor trace``.
    """

    def __init__(self, namespace: NetworkNamespace) -> None:
        require_sandbox()
        self._decoder = Decoder()
        self._socket = namespace.visit(_listening)

    def fileno(self) -> int:
        """To wait for, with ``poll``."""
        return self._socket.fileno()

    def read(self) -> list[Step]:
        """Those since the last call.  Some are missing if more came than the socket could hold."""
        found: list[Step] = []
        while True:
            try:
                found += self._decoder.steps(self._socket.recv(1 << 16))
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


def _listening() -> socket.socket:
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETFILTER)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        made.bind((0, 0))
        hear(made)
    except BaseException:
        made.close()
        raise
    return made


def hear(netfilter: socket.socket) -> None:
    """Let a netlink socket hear of the steps in its namespace, and never wait for them."""
    netfilter.setsockopt(c.SOL_NETLINK, c.NETLINK_ADD_MEMBERSHIP, _GROUP)
    netfilter.setblocking(False)


def _number(value: bytes | None) -> int:
    return int.from_bytes(value or b"", "big")


def _text(value: bytes | None) -> str:
    return (value or b"").rstrip(b"\0").decode(errors="replace")
