"""Who asked for whose MAC address while a probe was on its way (ARP, RFC 826)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labhelpers.linux.headers import decode
from labhelpers.linux.tap import Seen
from labhelpers.trace.map import Map

__all__ = ["Asked", "questions"]


@dataclass(frozen=True, slots=True)
class Asked:
    """An ARP request that an interface sent."""

    namespace: str
    device: str
    #: the IP address whose owner was asked for
    address: str


def questions(frames: Sequence[Seen], map: Map) -> tuple[list[Asked], frozenset[tuple[str, str]]]:
    """The questions, and for each namespace the addresses whose owner answered it."""
    asked: dict[Asked, None] = {}
    answered: set[tuple[str, str]] = set()
    for frame in frames:
        header = decode(frame.data, ethernet=frame.ethernet).find("ARP")
        if header and header["operation"] == "reply":
            if frame.direction == "in":
                answered.add((map.names[frame.namespace], header["sender"]))
        elif header and frame.direction == "out":
            place = (map.names[frame.namespace], frame.device)
            # of a bridge, the question is seen at each port too
            if place not in map.masters:
                asked[Asked(*place, header["target"])] = None
    return list(asked), frozenset(answered)
