"""JSON by the C half of CPython's ``json``.

Its Python half imports ``re`` and ``enum``, which doubles the time a plugin needs to start.
"""

from __future__ import annotations

from _json import encode_basestring, make_encoder, make_scanner

TYPE_CHECKING = False  # from typing it would cost a millisecond
if TYPE_CHECKING:
    from typing import Any

__all__ = ["dumps", "loads"]


class _Defaults:
    """The options that the scanner looks up; these are those of ``json.loads``."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int

    @staticmethod
    def parse_constant(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")


_scan = make_scanner(_Defaults)  # type: ignore[arg-type]


def loads(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is none, or something follows it.
    """
    text = text.strip(" \t\r\n")
    try:
        value, end = _scan(text, 0)
    except Exception:  # what is wrong and where, the Python half knows better, and time does not matter then
        end = -1
    if end == len(text):
        return value
    import json

    return json.loads(text, parse_constant=_Defaults.parse_constant)


def dumps(value: Any) -> str:
    """The JSON text of an object or a list, on one line."""
    encode = make_encoder({}, _cannot, encode_basestring, None, ": ", ", ", False, False, False)
    return "".join(encode(value, 0))


def _cannot(value: object) -> Any:
    raise TypeError(f"{type(value).__name__} is not JSON")
