"""Frames in a file that Wireshark opens: pcapng, with an interface for each place and a comment for each hop.

Source: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labhelpers.errors import BadInput

if TYPE_CHECKING:
    from labhelpers.trace.hop import Hop

__all__ = ["encode", "write"]

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER = 0x1A2B3C4D
_ETHERNET, _RAW_IP = 1, 101  # LINKTYPE_ETHERNET, LINKTYPE_RAW
_COMMENT, _APPLICATION, _NAME, _RESOLUTION, _FLAGS = 1, 4, 2, 9, 2
_NANOSECONDS = 9
_INBOUND, _OUTBOUND = 1, 2


def write(path: str | Path, hops: Sequence[Hop], title: str) -> Path:
    """Write the hops' frames to a file.  Raises ``BadInput`` if the file cannot be written."""
    file = Path(path)
    try:
        file.write_bytes(encode(hops, title))
    except OSError as error:
        raise BadInput(
            f"{file} cannot be written: {(error.strerror or str(error)).lower()}.", "Name a file in a folder of yours."
        ) from None
    return file


def encode(hops: Sequence[Hop], title: str) -> bytes:
    """The file's bytes."""
    places: dict[tuple[str, bool], int] = {}
    for hop in hops:
        places.setdefault((hop.place, hop.ethernet), len(places))
    header = struct.pack("=IHHq", _BYTE_ORDER, 1, 0, -1) + _options((_COMMENT, title), (_APPLICATION, "labhelpers"))
    blocks = [_block(_SECTION, header)]
    for place, ethernet in places:
        kind = _ETHERNET if ethernet else _RAW_IP
        options = _options((_NAME, place), (_RESOLUTION, bytes([_NANOSECONDS])))
        blocks.append(_block(_INTERFACE, struct.pack("=HHI", kind, 0, 0) + options))
    for hop in hops:
        words = ", ".join([f"{hop.packet}: {hop.by}", *hop.changed])
        direction = _OUTBOUND if hop.direction == "out" else _INBOUND
        head = struct.pack(
            "=IIIII",
            places[hop.place, hop.ethernet],
            hop.stamp >> 32,
            hop.stamp & 0xFFFFFFFF,
            len(hop.data),
            max(hop.length, len(hop.data)),
        )
        options = _options((_COMMENT, words), (_FLAGS, struct.pack("=I", direction)))
        blocks.append(_block(_PACKET, head + _padded(hop.data) + options))
    return b"".join(blocks)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _options(*pairs: tuple[int, str | bytes]) -> bytes:
    packed = b""
    for code, value in pairs:
        data = value.encode() if isinstance(value, str) else value
        packed += struct.pack("=HH", code, len(data)) + _padded(data)
    return packed + struct.pack("=HH", 0, 0)


def _block(kind: int, body: bytes) -> bytes:
    """A block says its length at its start and its end."""
    length = struct.pack("=I", len(body) + 12)
    return struct.pack("=I", kind) + length + body + length
