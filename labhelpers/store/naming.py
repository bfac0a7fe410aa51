"""Names and uids that look like Kubernetes' own and are the same in every run: hashes of counters."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter

__all__ = ["Naming", "hashed", "safe_encoded"]

#: what Kubernetes draws suffixes from: neither vowels nor what looks like them, so that no words come out
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def hashed(*parts: str, length: int = 5) -> str:
    """A suffix that depends on the parts alone."""
    number = int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest(), "big")
    letters = []
    for _ in range(length):
        number, one = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[one])
    return "".join(letters)


def safe_encoded(number: int) -> str:
    """A number as Kubernetes writes hashes into names: of each decimal digit's character, a letter.

    Source: ``SafeEncodeString`` in https://github.com/kubernetes/apimachinery/blob/master/pkg/util/rand/rand.go
    """
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(number))


class Naming:
    """Counts how often each thing was named.  Not by one counter: controllers that run side by side would mix it up."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()

    def _next(self, *parts: str) -> str:
        key = "/".join(parts)
        self._count[key] += 1
        return str(self._count[key])

    def suffix(self, prefix: str) -> str:
        """What is appended to ``metadata.generateName``."""
        return hashed("name", prefix, self._next("name", prefix))

    def uid(self, resource: str, namespace: str, name: str) -> str:
        """A uid: another one when an object of the same name is made again."""
        parts = ("uid", resource, namespace, name)
        digest = hashlib.sha256("\0".join((*parts, self._next(*parts))).encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))

    def dump(self) -> dict[str, int]:
        """The counters, to be saved."""
        return dict(self._count)

    def load(self, counters: dict[str, int]) -> None:
        """Count on from saved counters."""
        self._count = Counter(counters)
