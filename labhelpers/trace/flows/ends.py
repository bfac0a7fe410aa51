"""Between whom a packet is: addresses, protocol and ports, read from its first bytes."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

__all__ = ["Ends", "ends_of"]

_PORTS = struct.Struct("!HH")
_ICMP = 1


class Ends(NamedTuple):
    """What all packets of a conversation in one direction have in common."""

    source: str
    destination: str
    #: its number
    protocol: int
    #: for ICMP the number that the sender chose
    source_port: int
    destination_port: int


def ends_of(network: bytes, transport: bytes = b"") -> Ends | None:
    """The ends of a packet of IPv4; ``None`` if these bytes are none.

    Args:
        network: from its IP header on.
        transport: from the next header on, if that does not follow.
    """
    if len(network) < 20 or network[0] >> 4 != 4:
        return None
    transport = transport or network[(network[0] & 15) * 4 :]
    protocol = network[9]
    ports = 0, 0
    if protocol == _ICMP and len(transport) >= 6:
        ports = int.from_bytes(transport[4:6], "big"), 0
    elif len(transport) >= 4:
        ports = _PORTS.unpack_from(transport)
    return Ends(socket.inet_ntoa(network[12:16]), socket.inet_ntoa(network[16:20]), protocol, *ports)
