"""Input that nobody meant: something valid, damaged in a few places.  The same seed gives the same damage."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from random import Random
from typing import Any

__all__ = ["bytes_like", "json_like"]

_BYTES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
#: values that are legal JSON, or what Python takes for it, and seldom expected
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63) - 1, 1.5, -0.0, 1e308, float("inf"), float("nan")),
    *("", " ", "0", "-1", "web", "a" * 300, "\x00", "ü", "\ud800", "10.0.0.0/8", "::/0", "10.0.0.1/33", "9" * 5000),
    *([], [[]], [None], {}, {"": None}, {"a": {}}, [1, "x", {}]),
)


def bytes_like(random: Random, valid: Sequence[bytes]) -> bytes:
    """One of the valid inputs with up to eight changes, now and then nothing but noise."""
    if random.random() < 0.05:
        return random.randbytes(random.randrange(200))
    data = bytearray(random.choice(valid))
    for _ in range(random.randrange(9)):
        at = random.randrange(len(data) + 1)
        what = random.randrange(6)
        if what == 0 and at < len(data):
            data[at] = random.choice(_BYTES) if random.random() < 0.5 else random.randrange(256)
        elif what == 1 and at < len(data):
            data[at] ^= 1 << random.randrange(8)
        elif what == 2:
            del data[at : at + random.randrange(1, 9)]
        elif what == 3:
            data[at:at] = random.randbytes(random.randrange(1, 9))
        elif what == 4:  # the end of another one
            other = random.choice(valid)
            data[at:] = other[random.randrange(len(other) + 1) :]
        elif what == 5:  # a piece of itself once more
            data[at:at] = data[at : at + random.randrange(1, 40)]
    return bytes(data[: 1 << 16])


def json_like(random: Random, valid: Sequence[Any]) -> bytes:
    """One of the valid values with up to four changes in its tree, as JSON; now and then its bytes are damaged too."""
    value = copy.deepcopy(random.choice(valid))
    for _ in range(random.randrange(1, 5)):
        value = _changed(random, value)
    text = json.dumps(value).encode()
    if random.random() < 0.02:  # deeper than any reader goes
        text = text[:1] + b"[" * 100_000
    return bytes_like(random, [text]) if random.random() < 0.1 else text


def _changed(random: Random, value: Any) -> Any:
    """The value with one node replaced, removed, doubled or renamed."""
    children: list[Any] = (
        list(value) if isinstance(value, dict) else list(range(len(value or ()))) if isinstance(value, list) else []
    )
    if not children or random.random() < 0.1:
        return copy.deepcopy(random.choice(ODD))
    key = random.choice(children)
    what = random.randrange(8)
    if what == 0:
        del value[key]
    elif what == 1:
        value[key] = copy.deepcopy(random.choice(ODD))
    elif what == 2 and isinstance(value, list):
        value.append(copy.deepcopy(value[key]))
    elif what == 3 and isinstance(value, dict):
        value[random.choice(["", "name", "type", "to", key.upper(), "\x00"])] = value.pop(key)
    else:
        value[key] = _changed(random, value[key])
    return value
