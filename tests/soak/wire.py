"""Valid frames and bodies, to be damaged."""

from __future__ import annotations

import base64
import struct

__all__ = ["FRAMES", "PROTOBUF"]

_A, _B = bytes((10, 0, 1, 2)), bytes((10, 0, 2, 3))
_V6 = bytes.fromhex("fd00" + "00" * 13)


def _ethernet(kind: int, payload: bytes) -> bytes:
    return struct.pack("!6s6sH", b"\x02\0\0\0\0\1", b"\x02\0\0\0\0\2", kind) + payload


def _ipv4(protocol: int, payload: bytes) -> bytes:
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 7, 0, 64, protocol, 0, _A, _B) + payload


def _udp(port: int, payload: bytes) -> bytes:
    return struct.pack("!HHHH", 40000, port, 8 + len(payload), 0) + payload


_ECHO = _ipv4(1, struct.pack("!BBHI", 8, 0, 0, 0x12340001) + b"hello")
_TCP = _ipv4(6, struct.pack("!HHIIBBHHH", 40000, 80, 1, 2, 0x50, 0x12, 0, 0, 0))

#: every protocol that the course reads
FRAMES = (
    _ethernet(0x0800, _ECHO),
    _ethernet(0x0800, _TCP),
    _ethernet(0x0800, _ipv4(4, _ECHO)),
    _ethernet(0x0800, _ipv4(1, struct.pack("!BBHI", 3, 4, 0, 1450) + _ECHO)),
    _ethernet(0x0800, _ipv4(17, _udp(8472, struct.pack("!II", 0x08000000, 42 << 8) + _ethernet(0x0800, _ECHO)))),
    _ethernet(0x0800, _ipv4(17, _udp(51820, struct.pack("<IIQ", 4, 99, 5) + bytes(32)))),
    _ethernet(0x0800, _ipv4(17, _udp(6783, bytes(24) + _ethernet(0x0800, _ECHO)))),
    _ethernet(0x8100, struct.pack("!HH", 5, 0x0800) + _ECHO),
    _ethernet(
        0x86DD, struct.pack("!IHBB16s16s", 6 << 28, 8, 58, 64, _V6 + b"\1", _V6 + b"\2") + bytes((128, *[0] * 7))
    ),
    _ethernet(0x0806, struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, bytes(6), _A, bytes(6), _B)),
)

#: what kubectl sends to create a deployment
PROTOBUF = (
    base64.b64decode(
        "azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50ErgBCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEoYBCAMSDAoKCgNhcHASA3dl"
        "YhpsChwKABIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEkwSLgoFbmdpbngSBW5naW54KgAyCgoAEAAYUCIAKgBCAGoAcgCAAQCIAQCQAQCi"
        "AQAaADIAQgBKAFIAWABgAGgAggEAigEAmgEAwgEAIgIKACgAOAAaDAgAEAAYACAAKAA4ABoAIgA="
    ),
)
