"""A node's WireGuard keys: the same in every run, and therefore INSECURE.

They follow from the node's name, so that outputs can be compared.  Whoever knows the name knows the key.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass, field

from labhelpers.networks.wireguard.x25519 import public_key

__all__ = ["Keys"]


@dataclass(frozen=True, slots=True)
class Keys:
    """A private key and the public one that belongs to it, as ``wg`` writes them."""

    private: str = field(repr=False)
    public: str

    @classmethod
    def of(cls, node: str) -> Keys:
        """The keys of the node of this name."""
        secret = bytearray(hashlib.sha256(f"INSECURE WireGuard key of {node}".encode()).digest())
        secret[0] &= 248  # as `wg genkey` leaves it: RFC 7748 fixes five of the 256 bits
        secret[31] = secret[31] & 127 | 64
        return cls(*(b64encode(key).decode() for key in (secret, public_key(bytes(secret)))))
