"""Recognise a packet inside an encrypted tunnel, where nobody can read it: by its size and by when it was sent.

What goes into the tunnel's interface comes out of the same machine a moment later, encrypted.  From there on a
WireGuard message can be followed exactly, by its receiver and its counter; that it is *this* packet is inferred.  So is
a frame that a program has taken off a cable, as Weave's router does, in a datagram with a number.
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
#: bytes of a datagram of Weave beside the frame: name and number, the tag, and the header of the frame
_AROUND = 14 + 16 + 16


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
    taken |= _taken_by_programs(found, messages)
    return [
        Sighting(seen, frame.headers, inside.packet, inside.start, inside.fragments, inferred=True)
        for seen, frame, key in messages
        if (inside := taken.get(key))
    ]


def _taken_by_programs(
    found: Sequence[Sighting], messages: Sequence[tuple[Seen, Frame, tuple[object, ...]]]
) -> dict[tuple[object, ...], Sighting]:
    """A program may send one frame to several nodes, so that for each datagram the last frame before it is looked for.

    It hears what is for others: the frame's receiver is none of this node.  Or it has got the frame in a datagram, and
    passes it on in another one of the same size.
    """
    heard = [one for one in found if one.seen.ethernet and one.seen.direction == "other host"]
    taken: dict[tuple[object, ...], Sighting] = {}
    arrived: list[tuple[Seen, Sighting]] = []
    for seen, frame, key in messages:
        if frame.find("sleeve") is None:
            continue
        if key in taken:
            if seen.direction == "in":
                arrived.append((seen, taken[key]))
            continue
        fitting = [(one.seen.stamp, one) for one in heard if _fits(one, seen, frame)]
        fitting += [(before.stamp, one) for before, one in arrived if _is_passed_on(before, seen)]
        if fitting:
            taken[key] = max(fitting, key=lambda one: one[0])[1]
    return taken


def _is_passed_on(before: Seen, seen: Seen) -> bool:
    return (
        seen.direction == "out"
        and (before.namespace, before.length) == (seen.namespace, seen.length)
        and 0 <= seen.stamp - before.stamp <= _LONGEST
    )


def _key(frame: Frame) -> tuple[object, ...] | None:
    """What tells a message from all others, ``None`` if the frame is none that carries data."""
    message, sleeve, ip = frame.find("WireGuard"), frame.find("sleeve"), frame.find("IPv4")
    if sleeve is not None and ip is not None and sleeve["sealed"]:
        return ip["source"], ip["destination"], sleeve["peer"], sleeve["number"]
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
    if frame.find("sleeve") is not None:
        return one.seen.ethernet and datagram["length"] - 8 - _AROUND == one.seen.length
    if one.seen.ethernet:
        return False
    size: int = one.headers[0]["length"]
    carried: int = datagram["length"] - 8 - _BESIDE
    return size <= carried < size + _ROUNDED_TO
