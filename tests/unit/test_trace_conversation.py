"""Which frames belong to a probe: made by hand, as no kernel would send them in this order."""

from __future__ import annotations

import struct

from labhelpers.linux.probe import Probe
from labhelpers.linux.tap import Seen
from labhelpers.trace.hop import Hop
from labhelpers.trace.map import Map
from labhelpers.trace.path import hops, sightings
from tests.unit.test_linux_headers import ethernet, icmp, ipv4

POD_A, POD_C = bytes([10, 0, 1, 10]), bytes([10, 0, 2, 10])
TOKEN = b"walk1234abcd"
MAP = Map(["pod-a", "node-1"])


def probe(protocol: str, size: int = 56) -> Probe:
    return Probe(protocol, "10.0.2.10", 80, size, 20001, TOKEN)


def seen(data: bytes, *, at: int, where: str = "eth0", namespace: int = 0, direction: str = "out") -> Seen:
    return Seen(namespace, where, direction, at, ethernet(0x0800, data), len(data) + 14, True, at)


def segment(
    source: int, destination: int, sequence: int, acknowledgement: int, flags: int, payload: bytes = b""
) -> bytes:
    header = struct.pack("!HHIIBBHHH", source, destination, sequence, acknowledgement, 0x50, flags, 0, 0, 0)
    return header + payload


def out(data: bytes) -> bytes:
    return ipv4(6, data, source=POD_A, destination=POD_C)


def back(data: bytes) -> bytes:
    return ipv4(6, data, source=POD_C, destination=POD_A)


def walked(frames: list[Seen], what: Probe) -> list[Hop]:
    return hops(sightings(frames, what, 0), MAP)


def packets(frames: list[Seen], what: Probe) -> list[str]:
    return [hop.packet for hop in walked(frames, what)]


def test_an_echo_with_another_payload_is_a_strangers() -> None:
    ours = ipv4(1, icmp(8, rest=20001 << 16 | 1, payload=TOKEN + bytes(44)), source=POD_A, destination=POD_C)
    other = ipv4(1, icmp(8, rest=20001 << 16 | 1, payload=bytes(56)), source=POD_A, destination=POD_C)
    assert packets([seen(ours, at=1), seen(other, at=2)], probe("ICMP")) == ["request"]


def test_without_room_for_a_token_the_addresses_decide() -> None:
    ours = ipv4(1, icmp(8, rest=20001 << 16 | 1), source=POD_A, destination=POD_C)
    other = ipv4(1, icmp(8, rest=20001 << 16 | 1), source=bytes([10, 0, 1, 11]), destination=bytes([10, 0, 2, 11]))
    assert packets([seen(ours, at=1), seen(other, at=2)], probe("ICMP", 0)) == ["request"]


def test_a_connection_is_told_from_another_on_the_same_port_by_its_numbers() -> None:
    first = 0xFFFFFFFF  # sequence numbers begin anew after it
    frames = [
        seen(out(segment(20001, 80, first, 0, 2)), at=1),
        seen(back(segment(80, 20001, 500, 0, 0x12)), at=2, direction="in"),
        seen(out(segment(20001, 80, 0, 501, 0x10)), at=3),
        seen(out(segment(20001, 80, 0, 501, 0x18, b"12")), at=4),
        seen(back(segment(80, 20001, 501, 2, 0x10)), at=5, direction="in"),
        seen(out(segment(20001, 80, 70000, 501, 0x10)), at=6),
        seen(out(segment(20001, 80, 2, 501, 0x14)), at=7),
    ]
    assert packets(frames, probe("TCP", 2)) == ["SYN", "SYN ACK", "ACK", "data 1", "ACK 2"]


def test_what_is_sent_again_has_a_name_of_its_own() -> None:
    syn = out(segment(20001, 80, 7, 0, 2))
    frames = [
        seen(syn, at=at, where=where) for at, where in ((1, "eth0"), (2, "x"), (3, "eth0"), (4, "x"), (5, "eth0"))
    ]
    again = "SYN, sent again"
    assert packets(frames, probe("TCP", 0)) == ["SYN", "SYN", again, again, f"{again} (3)"]


def test_what_comes_by_again_with_a_lower_ttl_is_the_same_packet() -> None:
    request = ipv4(1, icmp(8, rest=20001 << 16 | 1, payload=TOKEN + bytes(44)), source=POD_A, destination=POD_C)
    lower = request[:8] + b"\x3e" + request[9:]
    assert packets([seen(request, at=1), seen(lower, at=2)], probe("ICMP")) == ["request", "request"]


def test_fragments_that_come_in_another_order_are_told_apart() -> None:
    whole = icmp(8, rest=20001 << 16 | 1, payload=TOKEN + bytes(2988))
    parts = [
        ipv4(1, whole[start : start + 1480], source=POD_A, destination=POD_C, fragment=start // 8 | more)
        for start, more in ((0, 0x2000), (1480, 0x2000), (2960, 0))
    ]
    frames = [seen(parts[number], at=at) for at, number in enumerate((2, 0, 1))]
    found = walked(frames, probe("ICMP", 3000))
    assert [(hop.packet, hop.part) for hop in found] == [
        ("request", "3 of 3"), ("request", "1 of 3"), ("request", "2 of 3"),
    ]  # fmt: skip


def test_an_error_about_somebody_elses_packet_is_not_ours() -> None:
    ours = ipv4(1, icmp(8, rest=20001 << 16 | 1), source=POD_A, destination=POD_C)
    other = ipv4(1, icmp(8, rest=20002 << 16 | 1), source=POD_A, destination=POD_C)
    frames = [
        seen(ipv4(1, icmp(3, 1, 0, packet), source=POD_C, destination=POD_A), at=at, direction="in")
        for at, packet in enumerate((other, ours))
    ]
    assert packets(frames, probe("ICMP")) == ["error"]


def test_the_order_is_that_of_the_stamps_and_of_arrival_where_they_are_equal() -> None:
    request = ipv4(1, icmp(8, rest=20001 << 16 | 1, payload=TOKEN + bytes(44)), source=POD_A, destination=POD_C)
    frame = ethernet(0x0800, request)
    frames = [Seen(1, device, "in", stamp, frame, len(frame), True, order) for device, stamp, order in (
        ("third", 5, 9), ("second", 5, 8), ("first", 4, 10),
    )]  # fmt: skip
    assert [hop.device for hop in walked(frames, probe("ICMP"))] == ["first", "second", "third"]
