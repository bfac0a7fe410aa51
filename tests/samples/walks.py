"""Walks as a capture would give them: through VXLAN, cut short, cut into fragments, round and round."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from labhelpers.linux.headers import Header
from labhelpers.linux.probe import Answer
from labhelpers.linux.records import Rows
from labhelpers.trace.hop import Hop, Walk, Why

__all__ = ["dead", "echo", "ethernet", "fragmented", "hop", "ip", "looping", "through_vxlan", "udp", "walk_of"]

POD_A, GATEWAY = "0a:58:0a:00:01:0a", "02:00:00:00:00:01"
TUNNEL_1, TUNNEL_2 = "02:00:00:00:01:01", "02:00:00:00:01:02"
NODE_1, NODE_2 = "0a:58:c0:a8:01:0a", "0a:58:c0:a8:01:0b"
START = 1_700_000_000_000_000_000  # nanoseconds since 1970


def ethernet(source: str = POD_A, destination: str = GATEWAY) -> Header:
    return Header("Ethernet", {"source": source, "destination": destination, "type": 0x0800})


def ip(source: str = "10.0.1.10", destination: str = "10.0.2.10", ttl: int = 64, **more: Any) -> Header:
    fields = {"source": source, "destination": destination, "ttl": ttl, "protocol": 1, "id": 4711, "length": 84}
    return Header("IPv4", {**fields, "fragment_offset": 0, "more_fragments": False, **more})


def udp(source_port: int = 20001, destination_port: int = 8472) -> Header:
    return Header("UDP", {"source_port": source_port, "destination_port": destination_port, "length": 42})


def echo(meaning: str = "echo request") -> Header:
    fields = {"type": 8 if "request" in meaning else 0, "code": 0, "meaning": meaning, "id": 20000, "sequence": 1}
    return Header("ICMP", fields)


def hop(place: str, *headers: Header, by: str = "cable", direction: str = "out", **more: Any) -> Hop:
    namespace, _, device = place.partition("/")
    defaults: dict[str, Any] = {"packet": "request", "headers": headers, "length": 98}
    return Hop(namespace, device, direction, by=by, **{**defaults, **more})


def walk_of(*hops: Hop, why: Why | None = None, lost: int = 0, error: str = "") -> Walk:
    """A microsecond from hop to hop."""
    stamped = [replace(one, stamp=START + 1000 * number) for number, one in enumerate(hops)]
    answer = Answer(False, error=error) if why else Answer(True, "10.0.2.10")
    return Walk("pod-a", "pod-c", "ICMP echo of 56 bytes", Rows(stamped, "hops"), answer, why, lost)


def through_vxlan() -> Walk:
    """From pod-a to pod-c in VXLAN, and the first hop of the reply."""
    sent = (ethernet(), ip(), echo())
    routed = (ethernet(TUNNEL_1, TUNNEL_2), ip(ttl=63), echo())
    outside = (ethernet(NODE_1, NODE_2), ip("192.168.1.10", "192.168.1.11"), udp(54321), Header("VXLAN", {"vni": 1}))
    arrived = (ethernet(TUNNEL_2, POD_A), ip(ttl=62), echo())
    back = (ethernet(POD_A, GATEWAY), ip("10.0.2.10", "10.0.1.10"), echo("echo reply"))
    return walk_of(
        hop("pod-a/eth0", *sent, by="sent"),
        hop("node-1/veth-pod-a", *sent, direction="other host"),
        hop("node-1/cni0", *sent, by="bridge", direction="in"),
        hop("node-1/flannel.1", *routed, by="routed", changed=("source MAC now node-1/flannel.1", "TTL 64 → 63")),
        hop(
            "node-1/eth0", *outside, *routed, by="encapsulated", length=148,
            changed=("encapsulated in VXLAN vni 1, UDP port 8472, 192.168.1.10 → 192.168.1.11",),
        ),
        hop("underlay/node-1", *outside, *routed, direction="other host", length=148),
        hop("node-2/eth0", *outside, *routed, direction="in", length=148),
        hop("node-2/flannel.1", *routed, by="decapsulated", direction="in", changed=("taken out of VXLAN vni 1",)),
        hop("node-2/veth-pod-c", *arrived, by="routed", changed=("TTL 63 → 62",)),
        hop("pod-c/eth0", *arrived, direction="in"),
        hop("pod-c/eth0", *back, by="sent", packet="reply"),
    )  # fmt: skip


def dead() -> Walk:
    """It ended on node-1, which has no route."""
    sent = (ethernet(), ip(), echo())
    why = Why(
        "node-1 has no route to 10.0.2.10.", "no route", "node-1/cni0", ("node-1: IpExt.InNoRoutes +1",),
        "`ip -n node-1 route` shows those it has.",
    )  # fmt: skip
    return walk_of(
        hop("pod-a/eth0", *sent, by="sent"),
        hop("node-1/veth-pod-a", *sent, direction="other host"),
        hop("node-1/veth-pod-b", *sent, by="switched", astray=True),
        hop("pod-b/eth0", *sent, direction="other host", astray=True),
        hop("node-1/cni0", *sent, by="bridge", direction="in"),
        why=why,
        error="ENETUNREACH",
    )


def fragmented() -> Walk:
    """Three fragments that overtake one another on their way, and become five."""
    first, middle, last = (
        (ethernet(), ip(more_fragments=True), echo()),
        (ethernet(), ip(more_fragments=True, fragment_offset=1480)),
        (ethernet(), ip(fragment_offset=2960)),
    )
    sizes = {0: 1514, 1: 1514, 2: 82}
    three = [
        hop(place, *headers, by=by, part=f"{number + 1} of 3", length=sizes[number], changed=changed)
        for number, headers in enumerate((first, middle, last))
        for place, by, changed in (
            ("pod-a/eth0", "sent", (f"fragment {number + 1} of 3",)),
            ("node-1/veth-pod-a", "cable", ()),
        )
    ]
    five = [
        hop(
            "node-1/eth0", *(first if not number else middle), by="routed", part=f"{number + 1} of 5", length=700,
            changed=("TTL 64 → 63", f"cut into fragments: this is {number + 1} of 5"),
        )
        for number in range(5)
    ]  # fmt: skip
    return walk_of(*three, *five)


def looping(rounds: int = 116) -> Walk:
    """Six hops a round between two nodes, until the time to live is over; it is not checked that it can be so long."""
    hops = [hop("pod-a/eth0", ethernet(), ip(), echo(), by="sent")]
    for number in range(rounds):
        for there, back in (("node-1", "node-2"), ("node-2", "node-1")):
            headers = (ethernet(), ip(ttl=64 - number % 64), echo())
            hops += [
                hop(f"{there}/eth0", *headers, by="routed"),
                hop(f"underlay/{there}", *headers, direction="in"),
                hop(f"{back}/eth0", *headers, direction="in"),
            ]
    why = Why("It goes round between node-1 and node-2 until its time to live is used up.", "loop", "node-2/eth0")
    return walk_of(*hops, why=why)
