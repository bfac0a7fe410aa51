"""Public keys of Curve25519: 32 bytes that follow from 32 secret ones, and do not lead back to them.

Python's library has no elliptic curves, and a package of its own is much for one multiplication.  This one takes the
same time for every person but not for every key: good enough for keys that are no secret, and for nothing else.

Source: RFC 7748, section 5.
"""

from __future__ import annotations

from functools import lru_cache

__all__ = ["multiply", "public_key"]

_P = 2**255 - 19
_A24 = 121665
_BASE = (9).to_bytes(32, "little")


@lru_cache(maxsize=1000)  # 2 ms each, and asked for again whenever a device is read
def public_key(private_key: bytes) -> bytes:
    """The public key that belongs to a private one."""
    return multiply(private_key, _BASE)


def multiply(scalar: bytes, point: bytes) -> bytes:
    """The function X25519 of RFC 7748: a point of the curve, a number of times.  Both are 32 bytes."""
    k = bytearray(scalar)
    k[0] &= 248
    k[31] = k[31] & 127 | 64
    times = int.from_bytes(k, "little")
    x1 = int.from_bytes(point, "little") & (1 << 255) - 1
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for position in reversed(range(255)):
        bit = times >> position & 1
        if swap != bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % _P, b * b % _P, d * a % _P, c * b % _P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % _P, x1 * (da - cb) ** 2 % _P
        x2, z2 = aa * bb % _P, e * (aa + _A24 * e) % _P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, _P - 2, _P) % _P).to_bytes(32, "little")
