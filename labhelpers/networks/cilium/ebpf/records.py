"""The entries of the programs' tables as bytes, as ``bpf/maps.h`` lays them out.  Touches no kernel."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Network

from labhelpers.networks.policy.model import Direction

__all__ = [
    "BLOCK",
    "COUNT",
    "DIRECTIONS",
    "ENDPOINT",
    "EVENT",
    "FLOW",
    "FRONTEND",
    "LOCATED",
    "NUMBER",
    "QUESTION",
    "RULE",
    "SERVICE",
    "SETTINGS",
    "SIDE",
    "SLOT",
    "STATE",
    "TARGET",
    "address",
    "answer",
    "block",
    "direction_of",
    "mac",
    "port_prefixes",
    "questions",
    "unanswer",
]

SETTINGS = struct.Struct("<III")  # uplink, overlay, how many services
NUMBER = struct.Struct("<I")
ENDPOINT = struct.Struct("<II6s6s")  # interface, identity, the pod's MAC, the node's end's
BLOCK = struct.Struct("<I4s")  # bits, address
LOCATED = struct.Struct("<I4s")  # identity, node
SIDE = struct.Struct("<II")  # identity, direction
QUESTION = struct.Struct("<IIIBB2s")  # bits, subject, remote, direction, protocol, port
_ANSWER = struct.Struct("<I4xQQ")  # rule, packets, bytes
RULE = struct.Struct("<320sI4x")  # policy, number
FLOW = struct.Struct("<4s4s2s2sB3x")  # source, destination, ports, protocol
STATE = struct.Struct("<QQQII")  # last, packets, bytes, answered, ending
FRONTEND = struct.Struct("<4s2sBx")  # address, port, protocol
SERVICE = struct.Struct("<II120s")  # number, how many backends, name
SLOT = struct.Struct("<II")  # service, number
TARGET = struct.Struct("<4s2s2x")  # address, port
#: time, source, destination, ports, protocol, reason, direction, asked, source's and destination's identity, rule
EVENT = struct.Struct("<Q4s4s2s2sBBBBIII4x")
COUNT = struct.Struct("<QQ")  # packets, bytes
DIRECTIONS: tuple[Direction, Direction] = ("ingress", "egress")
_ALL_PORTS, _ALL_PROTOCOLS = 80, 72  # bits of a question


def address(text: str) -> bytes:
    """An IPv4 address in network order."""
    return socket.inet_aton(text)


def mac(text: str) -> bytes:
    """A MAC address."""
    return bytes.fromhex(text.replace(":", ""))


def block(text: str) -> bytes:
    """A key of the ipcache."""
    network = IPv4Network(text)
    return BLOCK.pack(network.prefixlen, network.network_address.packed)


def direction_of(number: int) -> Direction:
    """``ingress`` or ``egress``."""
    return DIRECTIONS[number]


def port_prefixes(first: int, last: int) -> Iterator[tuple[int, int]]:
    """A range of ports as the fewest prefixes: the first port of each, and how many of its 16 bits count.

    8080 to 8084 are 8080/14 and 8084/16.  At most 30 are needed.
    """
    while first <= last:
        size = first & -first or 1 << 16  # the largest block that may begin here …
        while size > last - first + 1:  # … and does not reach too far
            size >>= 1
        yield first, 17 - size.bit_length()
        first += size


def questions(subject: int, direction: Direction, remote: int, protocol: int, first: int, last: int) -> Iterator[bytes]:
    """The keys of the policy that say yes to all of these ports; protocol 0 is any, with any port or none."""
    way = DIRECTIONS.index(direction)
    if not protocol:
        yield QUESTION.pack(_ALL_PROTOCOLS, subject, remote, way, 0, b"\0\0")
        return
    for port, bits in port_prefixes(first, last):
        yield QUESTION.pack(_ALL_PORTS + bits, subject, remote, way, protocol, port.to_bytes(2, "big"))


def answer(rule: int) -> bytes:
    """A new entry of the policy, which has counted nothing yet."""
    return _ANSWER.pack(rule, 0, 0)


def unanswer(value: bytes) -> tuple[int, int, int]:
    """The number of the rule, packets and bytes."""
    rule, packets, size = _ANSWER.unpack(value)
    return rule, packets, size
