"""Recognise a packet inside an encrypted tunnel, where nobody can read it: by its size and by when it was sent.

What goes into the tunnel's interface comes out of the same machine a moment later, encrypted.  From there on a
WireGuard message can be followed exactly, by its receiver and its counter; that it is *this* packet is inferred.
"""

from __future__ import annotations

from collections.abc import Sequence

from labhelpers.linux.headers import Frame
from labhelpers.linux.tap import Seen
from labhelpers.trace.conversation import Sighting

__all__ = ["infer"]

_LONGEST = 100_000_000  # nanoseconds between the packet and its encrypted form
_BESIDE = 16 + 16  # bytes of a message beside the packet: its header, and the authentication tag
_ROUNDED_TO = 16


def infer(found: Sequence[Sighting], frames: Sequence[tuple[Seen, Frame]]) -> list[Sighting]:
    """The encrypted frames that belong to these packets.

    Args:
        found: what is recognised already.
        frames: everything that was recorded, in the order of time.
    """
    messages = [(seen, frame, key) for seen, frame in frames if (key := _key(frame))]
    taken: dict[tuple[object, ...], Sighting] = {}
    for one in sorted(found, key=lambda one: one.seen.stamp):
        if one.seen.direction == "out" and not one.seen.ethernet:
            fitting = (key for seen, frame, key in messages if key not in taken and _fits(one, seen, frame))
            if first := next(fitting, None):
                taken[first] = one
    return [
        Sighting(seen, frame.headers, inside.packet, inside.start, inside.fragments, inferred=True)
        for seen, frame, key in messages
        if (inside := taken.get(key))
    ]


def _key(frame: Frame) -> tuple[object, ...] | None:
    """What tells a message from all others, ``None`` if the frame is none that carries data."""
    message, ip = frame.find("WireGuard"), frame.find("IPv4")
    if message is None or ip is None or "counter" not in message:
        return None
    return ip["source"], ip["destination"], message["receiver"], message["counter"]


def _fits(one: Sighting, seen: Seen, frame: Frame) -> bool:
    """May this message be the packet that went into the tunnel's interface?"""
    if seen.namespace != one.seen.namespace or seen.direction != "out":
        return False
    datagram = frame.find("UDP")
    if datagram is None or not 0 <= seen.stamp - one.seen.stamp <= _LONGEST:
        return False
    size: int = one.headers[0]["length"]
    carried: int = datagram["length"] - 8 - _BESIDE
    return size <= carried < size + _ROUNDED_TO
