"""Objects that kubectl sends as protobuf (from 1.32 on, ``create deployment`` and others), read into their JSON form.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding and
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from labhelpers.cluster.api.types import Field, by_number, is_type, type_of
from labhelpers.store import BadRequest, Object

__all__ = ["MAGIC", "read_protobuf"]

MAGIC = b"k8s\0"

Wire = int | bytes


def read_protobuf(body: bytes) -> Object:
    """The object in a body of ``application/vnd.kubernetes.protobuf``.

    Raises:
        BadRequest: it is not what it says, or of a kind that is not known here.
    """
    try:
        if body[:4] != MAGIC:
            raise ValueError("it does not begin with the magic number")
        envelope = dict(_fields(body[4:]))
        about = dict(_fields(_bytes(envelope[1])))
        api_version, kind = _bytes(about.get(1, b"")).decode(), _bytes(about[2]).decode()
        type_name = type_of(api_version, kind)
        if not type_name:
            raise BadRequest(
                f'no kind "{kind}" is registered for version "{api_version}"', "See kubectl api-resources."
            )
        # a float that is not there is no number in JSON, and the rest is checked by decode
        return {"apiVersion": api_version, "kind": kind, **_message(type_name, _bytes(envelope.get(2, b"")))}
    except (ValueError, KeyError, IndexError, struct.error, OverflowError, RecursionError) as error:
        raise BadRequest(f"the body of the request is no protobuf object: {error}", "Send JSON.") from None


def _bytes(value: Wire) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number stands where bytes should be")
    return value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while shift < 70:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
    raise ValueError("a number is too long")


def _fields(data: bytes) -> Iterator[tuple[int, Wire]]:
    """The fields of a message: their number, and an integer or bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            length, at = _varint(data, at)
        else:
            length = {1: 8, 5: 4}.get(wire, -1)
        if length < 0 or at + length > len(data):
            raise ValueError("it is cut off")
        yield number, data[at : at + length]
        at += length


def _message(type_name: str, data: bytes) -> Object:
    known = by_number(type_name)
    made: Object = {}
    for number, value in _fields(data):
        one = known.get(number)
        if one is None:  # newer than what is known here
            continue
        if one.inline:
            made.update(_message(one.type, _bytes(value)))
        elif one.shape == "list":
            made.setdefault(one.name, []).append(_value(one.type, value))
        elif one.shape == "map":
            entry = dict(_fields(_bytes(value)))
            made.setdefault(one.name, {})[_bytes(entry.get(1, b"")).decode()] = _map_value(one, entry.get(2, b""))
        else:
            made[one.name] = _value(one.type, value)
    return made


def _map_value(one: Field, value: Wire) -> Any:
    if one.type == "strings":
        return [_bytes(item).decode() for _, item in _fields(_bytes(value))]
    return _value(one.type, value)


def _value(type_name: str, value: Wire) -> Any:
    if isinstance(value, int):
        if type_name == "boolean":
            return bool(value)
        if type_name in ("int32", "int64"):
            return value - (1 << 64) if value >> 63 else value
        raise ValueError(f"a number stands where {type_name} should be")
    if type_name == "string":
        return value.decode()
    if type_name == "byte":
        return base64.b64encode(value).decode()
    if type_name == "double":
        return struct.unpack("<d", value)[0]
    if is_type(type_name):
        return _message(type_name, value)
    parts = dict(_fields(value))
    if type_name in ("time", "microtime"):
        return _time(parts, type_name == "microtime")
    if type_name == "quantity":
        return _bytes(parts.get(1, b"")).decode()
    if type_name == "int-or-string":
        return _bytes(parts.get(3, b"")).decode() if parts.get(1) else _value("int32", parts.get(2, 0))
    if type_name == "any":
        return json.loads(_bytes(parts.get(1, b"null")) or b"null")
    raise ValueError(f"bytes stand where {type_name} should be")


def _time(parts: dict[int, Wire], fine: bool) -> str | None:
    seconds, nanos = _value("int64", parts.get(1, 0)), _value("int32", parts.get(2, 0))
    if not parts or seconds == -62135596800:  # the year 1, Go's zero
        return None
    text = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{nanos // 1000:06d}Z" if fine else f"{text}Z"
