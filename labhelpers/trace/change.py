"""What is different between two sightings of a packet, in words."""

from __future__ import annotations

from collections.abc import Sequence

from labhelpers.linux.headers import Header
from labhelpers.trace.map import Map, Place

__all__ = ["changes", "put_around", "taken_off"]

_IP = ("IPv4", "IPv6")


def _common(before: Sequence[Header], now: Sequence[Header]) -> int:
    """How many headers the two have in common, counted from the innermost."""
    count = 0
    for one, other in zip(reversed(before), reversed(now), strict=False):
        if one.protocol != other.protocol:
            break
        count += 1
    return count


def put_around(before: Sequence[Header], now: Sequence[Header]) -> tuple[Header, ...]:
    """The headers that are new on the outside."""
    return tuple(now[: len(now) - _common(before, now)])


def taken_off(before: Sequence[Header], now: Sequence[Header]) -> tuple[Header, ...]:
    """The headers that are gone from the outside."""
    return put_around(now, before)


def changes(before: Sequence[Header], now: Sequence[Header], map: Map, here: Place) -> tuple[str, ...]:
    """Every difference that a router, a tunnel or address translation makes, from the outside in; seen ``here``."""
    words = [_decapsulated(taken_off(before, now)), _encapsulated(put_around(before, now))]
    for one, other in _pairs(before, now):
        words += _fields(one, other, map, here)
    return tuple(word for word in words if word)


def _pairs(before: Sequence[Header], now: Sequence[Header]) -> list[tuple[Header, Header]]:
    count = _common(before, now)
    return list(zip(before[len(before) - count :], now[len(now) - count :], strict=True))


def _encapsulated(new: Sequence[Header]) -> str:
    """A tunnel's own headers; an Ethernet header alone is what every cable wants."""
    ip = next((header for header in new if header.protocol in _IP), None)
    if ip is None:
        return "Ethernet header put in front" if new else ""
    return f"encapsulated in {_tunnel(new)}, {ip['source']} → {ip['destination']}"


def _decapsulated(gone: Sequence[Header]) -> str:
    if not any(header.protocol in _IP for header in gone):
        return "Ethernet header taken off" if gone else ""
    return f"taken out of {_tunnel(gone)}"


def _tunnel(headers: Sequence[Header]) -> str:
    for header in headers:
        if header.protocol == "VXLAN":
            port = next(one["destination_port"] for one in headers if one.protocol == "UDP")
            return f"VXLAN vni {header['vni']}, UDP port {port}"
        if header.protocol == "sleeve":
            return "a datagram of Weave's router"
    return "IP in IP"


def _fields(before: Header, now: Header, map: Map, here: Place) -> list[str]:
    if now.protocol == "Ethernet":
        changed = [end for end in ("source", "destination") if before[end] != now[end]]
        return [f"{end} MAC now {map.whose(now[end], here)}" for end in changed]
    words = []
    if now.protocol in _IP:
        for name, label in (("ttl", "TTL"), ("hop_limit", "hop limit")):
            if name in now and before.get(name) != now[name]:
                words.append(f"{label} {before.get(name)} → {now[name]}")
        words += [
            f"{end} address translated: {before[end]} → {now[end]}"
            for end in ("source", "destination")
            if before[end] != now[end]
        ]
    for name, label in (("source_port", "source port"), ("destination_port", "destination port"), ("id", "identifier")):
        is_transport = now.protocol in ("TCP", "UDP", "ICMP")
        if is_transport and name in now and before.get(name) != now[name]:
            words.append(f"{label} translated: {before.get(name)} → {now[name]}")
    return words
