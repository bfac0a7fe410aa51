"""The file's blocks: each says its length twice, and all of them together are the file."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from labhelpers.errors import BadInput
from labhelpers.trace.hop import Hop
from labhelpers.trace.pcapng import encode, write

HOPS = [
    Hop("pod-a", "eth0", "out", "request", "sent", data=b"x" * 41, length=9000, stamp=1_700_000_000_123_456_789),
    Hop("node-1", "tunl0", "in", "request", "encapsulated", ("put into IP in IP",), data=b"y" * 20, ethernet=False),
    Hop("pod-a", "eth0", "in", "reply", "sent", data=b"z" * 42, length=42),
]


def blocks(data: bytes) -> list[tuple[int, bytes]]:
    found, offset = [], 0
    while offset < len(data):
        kind, length = struct.unpack_from("=II", data, offset)
        assert length % 4 == 0
        assert struct.unpack_from("=I", data, offset + length - 4)[0] == length
        found.append((kind, data[offset + 8 : offset + length - 4]))
        offset += length
    return found


def test_there_is_a_section_an_interface_for_each_place_and_a_packet_for_each_hop() -> None:
    read = blocks(encode(HOPS, "a walk"))
    assert [kind for kind, _ in read] == [0x0A0D0D0A, 1, 1, 6, 6, 6]
    assert [struct.unpack_from("=H", body)[0] for kind, body in read if kind == 1] == [1, 101]
    assert b"pod-a/eth0" in read[1][1]
    assert b"node-1/tunl0" in read[2][1]


def test_a_packet_has_its_interface_stamp_lengths_and_comment() -> None:
    body = blocks(encode(HOPS, "a walk"))[3][1]
    interface, high, low, kept, length = struct.unpack_from("=IIIII", body)
    assert (interface, high << 32 | low, kept, length) == (0, HOPS[0].stamp, 41, 9000)
    assert body[20:61] == HOPS[0].data
    assert b"request: sent" in body


def test_a_walk_without_hops_is_a_file_too() -> None:
    assert [kind for kind, _ in blocks(encode([], ""))] == [0x0A0D0D0A]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be written: no such file or directory"):
        write(tmp_path / "nowhere" / "walk.pcapng", HOPS, "a walk")
