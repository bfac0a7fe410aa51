"""Frames in a datagram: Weave's way through user space, which it calls sleeve.

A datagram begins with the sending peer's name.  What follows is sealed, if there is a password: one frame after the
other, each with the peer that captured it, the peer it is for, its kind, how many peers may still pass it on, and its
length.  Source: Weave's ``site/how-it-works/router-encapsulation.md``; kind and hops are this model's own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from labhelpers.networks.weave.refused import Refused

__all__ = ["EVERYBODY", "FRAME", "HEADER", "HEARTBEAT", "NAME", "Carried", "pack", "unpack"]

#: bytes of a peer's name: it is the MAC address of its bridge
NAME = 6
#: the destination of a frame that all peers are to have
EVERYBODY = bytes(NAME)
#: kinds: an Ethernet frame of a pod; a sign of life
FRAME, HEARTBEAT = 0, 1
_HEADER = struct.Struct("!6s6sBBH")
#: bytes before each frame
HEADER = _HEADER.size


class Carried(NamedTuple):
    """One frame in a datagram."""

    #: the peer that captured it
    source: bytes
    #: the peer it is for, or ``EVERYBODY``
    destination: bytes
    kind: int
    #: how many peers may pass it on: peers that disagree for a moment must not send it in circles
    hops: int
    frame: bytes


def pack(one: Carried) -> bytes:
    """As it stands in a datagram."""
    return _HEADER.pack(one.source, one.destination, one.kind, one.hops, len(one.frame)) + one.frame


def unpack(payload: bytes) -> Iterator[Carried]:
    """The frames of a datagram, in order.

    Raises:
        Refused: the rest is no frame; those before it were good.
    """
    at, end = 0, len(payload)
    while at < end:
        if end - at < HEADER:
            raise Refused("a frame that is cut off")
        source, destination, kind, hops, length = _HEADER.unpack_from(payload, at)
        at += HEADER
        if end - at < length:
            raise Refused("a frame that is cut off")
        yield Carried(source, destination, kind, hops, payload[at : at + length])
        at += length
