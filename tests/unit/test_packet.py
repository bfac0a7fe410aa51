"""What a frame says in words; a frame that ends early or is nonsense says less, and is never an error."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.linux.packet import decode

MACS = bytes.fromhex("0a580a00010b 0a580a00010a".replace(" ", ""))
ARP = MACS + bytes.fromhex("0806 0001 0800 06 04 0001 0a580a00010a 0a00010a 000000000000 0a00010b".replace(" ", ""))


def _ipv4(protocol: int, inner: bytes, *, fragment: int = 0, words: int = 5) -> bytes:
    header = struct.pack("!BBHHHBBH4s4s", 0x40 | words, 0, 0, 0, fragment, 64, protocol, 0, b"\n\0\1\n", b"\n\0\2\x0b")
    return MACS + b"\x08\x00" + header + bytes(words * 4 - 20) + inner


def test_an_arp_question_and_its_answer() -> None:
    packet = decode(ARP, "eth0", "in")
    assert packet.protocol == "ARP"
    assert packet.summary == "who has 10.0.1.11? tell 10.0.1.10"
    assert (packet.source, packet.destination) == ("10.0.1.10", "10.0.1.11")
    assert (packet.device, packet.direction) == ("eth0", "in")
    answer = ARP[:21] + b"\2" + ARP[22:]
    assert decode(answer).summary == "10.0.1.10 is at 0a:58:0a:00:01:0a"


@pytest.mark.parametrize(
    ("protocol", "inner", "name", "summary"),
    [
        (1, b"\x08" + bytes(7), "ICMP", "echo request"),
        (1, b"\x00" + bytes(7), "ICMP", "echo reply"),
        (1, b"\x0b" + bytes(7), "ICMP", "time exceeded"),
        (1, b"\x03\1" + bytes(6), "ICMP", "host unreachable"),
        (1, b"\x0d" + bytes(7), "ICMP", "type 13"),
        (1, b"", "ICMP", ""),
        (17, struct.pack("!HHHH", 5353, 53, 8, 0), "UDP", "5353 → 53"),
        (17, b"\0", "UDP", ""),
        (6, struct.pack("!HHIIBBHHH", 40000, 80, 0, 0, 0x50, 0x12, 0, 0, 0), "TCP", "40000 → 80 [SA]"),
        (6, struct.pack("!HH", 40000, 80), "TCP", ""),
        (89, b"", "IP protocol 89", ""),
    ],
)
def test_what_is_in_an_ip_packet(protocol: int, inner: bytes, name: str, summary: str) -> None:
    packet = decode(_ipv4(protocol, inner))
    assert (packet.protocol, packet.summary) == (name, summary)
    assert (packet.source, packet.destination) == ("10.0.1.10", "10.0.2.11")
    assert (packet.source_mac, packet.destination_mac) == ("0a:58:0a:00:01:0a", "0a:58:0a:00:01:0b")


def test_options_are_skipped() -> None:
    assert decode(_ipv4(17, struct.pack("!HHHH", 1, 2, 8, 0), words=7)).summary == "1 → 2"


def test_a_later_fragment_has_no_ports() -> None:
    assert decode(_ipv4(17, struct.pack("!HHHH", 1, 2, 8, 0), fragment=0x00B9)).summary == "later fragment"
    assert decode(_ipv4(17, struct.pack("!HHHH", 1, 2, 8, 0), fragment=0x2000)).summary == "1 → 2"


def test_what_it_does_not_know_is_a_number() -> None:
    assert decode(MACS + b"\x86\xdd" + bytes(40)).protocol == "IPv6"
    assert decode(MACS + b"\x88\xcc").protocol == "0x88cc"


@given(st.binary(max_size=14))
def test_a_frame_shorter_than_its_header_is_said_to_be_cut_off(frame: bytes) -> None:
    assert (decode(frame).protocol == "cut off") == (len(frame) < 14)


@given(
    st.sampled_from([ARP, _ipv4(1, b"\x08" + bytes(7)), _ipv4(6, b"\x50" * 20), _ipv4(17, bytes(8))]),
    st.integers(0, 60),
)
def test_a_frame_cut_off_anywhere_is_decoded(frame: bytes, length: int) -> None:
    whole, cut = decode(frame), decode(frame[:length])
    assert cut.summary in ("", whole.summary) or whole.summary.startswith(cut.summary)


@given(st.binary(max_size=100), st.sampled_from([b"\x08\0", b"\x08\x06", b"\x86\xdd", b"\x81\0"]))
def test_nonsense_is_decoded(payload: bytes, ethertype: bytes) -> None:
    packet = decode(MACS + ethertype + payload)
    assert packet.protocol
