"""The headers of a frame, and that nothing anybody sends makes the decoder fail or run on."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.linux.headers import VXLAN_PORTS, WIREGUARD_PORT, decode

A, B = bytes([10, 0, 1, 10]), bytes([10, 0, 2, 11])
NODE_1, NODE_2 = bytes([192, 168, 1, 10]), bytes([192, 168, 1, 11])


def ethernet(kind: int, payload: bytes) -> bytes:
    return bytes.fromhex("0a580a00010b0a580a00010a") + struct.pack("!H", kind) + payload


def ipv4(protocol: int, payload: bytes, *, source: bytes = A, destination: bytes = B, fragment: int = 0) -> bytes:
    total = 20 + len(payload)
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, total, 7, fragment, 64, protocol, 0, source, destination) + payload


def udp(source: int, destination: int, payload: bytes = b"") -> bytes:
    return struct.pack("!HHHH", source, destination, 8 + len(payload), 0) + payload


def icmp(kind: int, code: int = 0, rest: int = 0x12340001, payload: bytes = b"") -> bytes:
    return struct.pack("!BBHI", kind, code, 0, rest) + payload


ECHO = ipv4(1, icmp(8, payload=b"hello"))
IN_VXLAN = udp(40000, 8472, struct.pack("!II", 0x08000000, 42 << 8) + ethernet(0x0800, ECHO))
WIREGUARD = struct.pack("<IIQ", 4, 99, 5) + bytes(32)
NESTED = ethernet(0x0800, ipv4(17, IN_VXLAN, source=NODE_1, destination=NODE_2))
FRAMES: dict[str, tuple[bytes, list[str]]] = {
    "echo": (ethernet(0x0800, ECHO), ["Ethernet", "IPv4", "ICMP"]),
    "VXLAN": (NESTED, ["Ethernet", "IPv4", "UDP", "VXLAN", "Ethernet", "IPv4", "ICMP"]),
    "IP in IP": (ethernet(0x0800, ipv4(4, ECHO)), ["Ethernet", "IPv4", "IPv4", "ICMP"]),
    "WireGuard": (
        ethernet(0x0800, ipv4(17, udp(WIREGUARD_PORT, WIREGUARD_PORT, WIREGUARD))),
        ["Ethernet", "IPv4", "UDP", "WireGuard"],
    ),
    "an ICMP error": (
        ethernet(0x0800, ipv4(1, icmp(3, 4, 1450, ECHO))),
        ["Ethernet", "IPv4", "ICMP", "IPv4", "ICMP"],
    ),
    "a VLAN": (ethernet(0x8100, struct.pack("!HH", 5, 0x0800) + ECHO), ["Ethernet", "802.1Q", "IPv4", "ICMP"]),
    "IPv6": (
        ethernet(0x86DD, struct.pack("!IHBB16s16s", 6 << 28, 8, 58, 64, bytes(16), bytes(16)) + icmp(128)),
        ["Ethernet", "IPv6", "ICMPv6"],
    ),
    "ARP": (
        ethernet(0x0806, struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, bytes(6), A, bytes(6), B)),
        ["Ethernet", "ARP"],
    ),
    "TCP": (
        ethernet(0x0800, ipv4(6, struct.pack("!HHIIBBHHH", 40000, 80, 1, 2, 0x50, 0x12, 0, 0, 0))),
        ["Ethernet", "IPv4", "TCP"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FRAMES)
def test_the_headers_are_read_from_the_outside_in(what: str) -> None:
    frame, names = FRAMES[what]
    read = decode(frame)
    assert [header.protocol for header in read.headers] == names
    assert not read.cut_off


def test_what_stands_in_a_tunnels_headers() -> None:
    outer_ethernet, outer, datagram, vxlan, _, inner, echo = decode(NESTED).headers
    assert (outer["source"], outer["destination"]) == ("192.168.1.10", "192.168.1.11")
    assert (datagram["destination_port"], vxlan["vni"]) == (8472, 42)
    assert (inner["source"], inner["destination"], inner["ttl"]) == ("10.0.1.10", "10.0.2.11", 64)
    assert (echo["meaning"], echo["id"], echo["sequence"]) == ("echo request", 0x1234, 1)
    assert decode(NESTED).payload == b"hello"
    assert decode(NESTED).find("IPv4") == outer
    assert outer_ethernet["source"] == "0a:58:0a:00:01:0a"


def test_an_icmp_error_says_what_it_is_about() -> None:
    *_, error, quoted, transport = decode(FRAMES["an ICMP error"][0]).headers
    assert (error["meaning"], error["mtu"], error.quoted) == ("fragmentation needed", 1450, False)
    assert (quoted["destination"], quoted.quoted, transport.quoted) == ("10.0.2.11", True, True)


def test_of_an_encrypted_packet_only_the_counter_is_read() -> None:
    message = decode(FRAMES["WireGuard"][0]).headers[-1]
    assert message.fields == {"message": "data", "receiver": 99, "counter": 5}


def test_a_later_fragment_has_no_transport_header() -> None:
    read = decode(ethernet(0x0800, ipv4(17, udp(1, 2), fragment=185)))
    assert [header.protocol for header in read.headers] == ["Ethernet", "IPv4"]
    assert read.headers[1]["fragment_offset"] == 1480


def test_what_stands_behind_a_packet_is_padding() -> None:
    assert decode(ethernet(0x0800, ECHO) + bytes(10)).payload == b"hello"


def test_a_tun_device_has_no_ethernet_header() -> None:
    assert [header.protocol for header in decode(ECHO, ethernet=False).headers] == ["IPv4", "ICMP"]


@pytest.mark.parametrize("port", VXLAN_PORTS)
def test_something_else_on_a_tunnels_port_is_not_taken_for_a_tunnel(port: int) -> None:
    read = decode(ethernet(0x0800, ipv4(17, udp(40000, port, b"\0" * 40))))
    assert [header.protocol for header in read.headers] == ["Ethernet", "IPv4", "UDP"]


@pytest.mark.parametrize("what", FRAMES)
@given(length=st.integers(0, 200))
def test_a_frame_that_is_cut_off_says_the_beginning(what: str, length: int) -> None:
    frame, names = FRAMES[what]
    read = [header.protocol for header in decode(frame[:length]).headers]
    assert read == names[: len(read)]


@given(st.binary(max_size=300), st.booleans())
def test_nonsense_is_no_error(data: bytes, is_ethernet: bool) -> None:
    assert len(decode(data, ethernet=is_ethernet).headers) <= 16


@given(
    st.sampled_from([frame for frame, _ in FRAMES.values()]),
    st.lists(st.tuples(st.integers(0, 150), st.integers(0, 255))),
)
def test_a_damaged_frame_is_no_error(frame: bytes, damage: list[tuple[int, int]]) -> None:
    data = bytearray(frame)
    for where, value in damage:
        data[where % len(data)] = value
    decode(bytes(data))


def test_a_frame_that_nests_without_end_is_read_to_a_depth_only() -> None:
    packet = ECHO
    for _ in range(100):
        packet = ipv4(4, packet)
    assert len(decode(ethernet(0x0800, packet)).headers) == 16
