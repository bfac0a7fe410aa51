"""From sightings to hops: which follows which, what brought the packet there, and what it changed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from labhelpers.linux.headers import Header, decode
from labhelpers.linux.probe import Probe
from labhelpers.linux.tap import Seen
from labhelpers.trace.change import changes, put_around, taken_off
from labhelpers.trace.conversation import Sighting, later_fragments, recognise
from labhelpers.trace.encrypted import infer
from labhelpers.trace.hop import Hop
from labhelpers.trace.map import Map

__all__ = ["hops", "sightings"]


def sightings(recorded: Iterable[Seen], probe: Probe, source: int) -> list[Sighting]:
    """The frames of the probe's conversation, in the order of time.

    Args:
        recorded: every frame.
        source: the namespace that the probe was sent from, as in ``Seen.namespace``.
    """
    ordered = sorted(recorded, key=lambda one: (one.stamp, one.order))
    frames = [(one, decode(one.data, ethernet=one.ethernet)) for one in ordered]
    found = recognise(frames, probe, source)
    found += later_fragments(found, frames)
    found += infer(found, frames)
    found += later_fragments(found, frames)  # of encrypted messages
    return sorted(found, key=lambda one: (one.seen.stamp, one.seen.order))


def hops(found: Sequence[Sighting], map: Map) -> list[Hop]:
    """The hops of a conversation, in the order of time."""
    found = _settled(found, map)
    parts, astray, names = _parts(found), _astray(found, map), _Again()
    last: dict[tuple[str, int], Hop] = {}
    first_part: dict[str, set[str]] = defaultdict(
        set
    )  # where it came by; a later part that begins there was cut off there
    walked = []
    for number, one in enumerate(found):
        packet = names.name(one)
        before = last.get((packet, one.start))
        hop = _hop(one, map, packet, parts.get(id(one), ""), number in astray)
        by = _by(hop, before, map) if before else "fragmented" if hop.place in first_part[packet] else "sent"
        hop = replace(hop, by=by, changed=_changed(hop, before, map))
        if not hop.astray:
            last[packet, one.start] = hop
        if by != "sent" and not one.start:
            first_part[packet].add(hop.place)
        walked.append(hop)
    return walked


def _settled(found: Sequence[Sighting], map: Map) -> list[Sighting]:
    """The sightings of one moment in the order in which the packet passes: along the cable, within the namespace, on.

    A packet keeps the time at which it came in while programs hand it from one interface to another.
    """
    ordered: list[Sighting] = []
    for _, group in groupby(found, key=lambda one: (one.seen.stamp, one.packet, one.start)):
        left = list(group)
        while left:
            at = ordered[-1].seen if ordered else left[0].seen
            plugged = map.peers.get((map.names[at.namespace], at.device))
            following = min(
                left,
                key=lambda one: (
                    (map.names[one.seen.namespace], one.seen.device) != plugged,
                    one.seen.namespace != at.namespace,
                ),
            )
            left.remove(following)
            ordered.append(following)
    return ordered


def _hop(one: Sighting, map: Map, packet: str, part: str, astray: bool) -> Hop:
    seen = one.seen
    return Hop(
        namespace=map.names[seen.namespace],
        device=seen.device,
        direction=seen.direction,
        packet=packet,
        by="",
        headers=one.headers,
        length=seen.length,
        part=part,
        stamp=seen.stamp,
        inferred=one.inferred,
        astray=astray,
        data=seen.data,
        ethernet=seen.ethernet,
    )


def _changed(hop: Hop, before: Hop | None, map: Map) -> tuple[str, ...]:
    if before is None:
        return (f"fragment {hop.part}",) if hop.part else ()
    if hop.inferred != before.inferred:
        outer = next(one for one in hop.headers if one.protocol == "IPv4")
        return (f"encrypted, {outer['source']} → {outer['destination']}",) if hop.inferred else ("decrypted",)
    words = changes(before.headers, hop.headers, map, (hop.namespace, hop.device))
    if hop.part and hop.part != before.part:
        words += (f"cut into fragments: this is {hop.part}",)
    elif before.part and not hop.part:
        words += ("put together again",)
    return words


def _by(hop: Hop, before: Hop, map: Map) -> str:
    """What brought the packet from the hop before to this one."""
    here, there = (hop.namespace, hop.device), (before.namespace, before.device)
    if hop.inferred != before.inferred:
        return "encrypted" if hop.inferred else "decrypted"
    if _has_ip(put_around(before.headers, hop.headers)):
        return "encapsulated"
    if _has_ip(taken_off(before.headers, hop.headers)):
        return "decapsulated"
    if _ttl(hop.headers) != _ttl(before.headers):
        return "routed"
    return _moved(here, there, map)


def _moved(here: tuple[str, str], there: tuple[str, str], map: Map) -> str:
    if here[0] != there[0]:
        return "cable" if map.peers.get(there) == here else "passed on"
    if map.masters.get(there) == here[1] or map.masters.get(here) == there[1]:
        return "bridge"
    if map.masters.get(there) and map.masters.get(there) == map.masters.get(here):
        return "switched"
    return "passed on"


def _has_ip(headers: Sequence[Header]) -> bool:
    return any(header.protocol in ("IPv4", "IPv6") for header in headers)


def _ttl(headers: Sequence[Header]) -> int | None:
    """The innermost packet's, without what an ICMP error quotes."""
    found = [header for header in headers if header.protocol in ("IPv4", "IPv6") and not header.quoted]
    return (found[-1].get("ttl") or found[-1].get("hop_limit")) if found else None


class _Again:
    """Tells a packet that was sent again from one that comes by again, as in a loop: that has a lower TTL."""

    def __init__(self) -> None:
        self._origins: dict[tuple[str, int], object] = {}
        self._times: Counter[tuple[str, int]] = Counter()

    def name(self, one: Sighting) -> str:
        part = one.packet, one.start
        here = one.place, _ttl(one.headers)
        if self._origins.setdefault(part, here) == here:
            self._times[part] += 1
        times = self._times[part]
        return one.packet if times == 1 else f"{one.packet}, sent again" + (f" ({times})" if times > 2 else "")


def _parts(found: Sequence[Sighting]) -> dict[int, str]:
    """``2 of 3`` for each fragment, counted where it was seen."""
    groups: dict[tuple[object, ...], list[Sighting]] = {}
    for one in found:
        if one.fragments:
            groups.setdefault((one.place, one.fragments), []).append(one)
    parts = {}
    for group in groups.values():
        starts = sorted({one.start for one in group})
        for one in group:
            parts[id(one)] = f"{starts.index(one.start) + 1} of {len(starts)}"
    return parts


def _astray(found: Sequence[Sighting], map: Map) -> set[int]:
    """Copies that reached an interface with another MAC address that is no bridge's port: nobody takes them."""
    ends: set[int] = set()
    for number, one in enumerate(found):
        here = (map.names[one.seen.namespace], one.seen.device)
        if one.seen.direction != "other host" or here in map.masters or not one.seen.ethernet:
            continue
        peer = map.peers.get(here)
        if peer and peer not in map.masters:  # no switch made a copy: that is the packet itself
            continue
        if _goes_on_in_a_tunnel(one, found):
            continue
        ends.add(number)
        for earlier in range(number - 1, -1, -1):
            other = found[earlier]
            there = (map.names[other.seen.namespace], other.seen.device)
            if (
                there == peer
                and other.seen.direction == "out"
                and other.packet == one.packet
                and other.start == one.start
            ):
                ends.add(earlier)
                break
    return ends


def _goes_on_in_a_tunnel(one: Sighting, found: Sequence[Sighting]) -> bool:
    """Has a program taken it off the cable, and sent it on in a tunnel?"""
    return any(
        (other.inferred or any(header.protocol == "sleeve" for header in other.headers))
        and other.seen.namespace == one.seen.namespace
        and other.packet == one.packet
        and other.seen.direction == "out"
        and other.seen.stamp >= one.seen.stamp
        for other in found
    )
