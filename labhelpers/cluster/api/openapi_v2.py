"""The OpenAPI v2 document in protobuf, the only form in which kubectl asks for it.

``kubectl apply`` reads it to make strategic merge patches, kubectl before 1.27 also to check and explain fields.  The
field numbers are from https://github.com/google/gnostic-models/blob/main/openapiv2/OpenAPIv2.proto
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache

from labhelpers.cluster.api.discovery import VERSION
from labhelpers.cluster.api.openapi import definitions, operations
from labhelpers.store import Object, Resource

__all__ = ["document_v2"]


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _field(number: int, value: bytes | str) -> bytes:
    """One field of bytes, text or an inner message."""
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _true(number: int) -> bytes:
    return _varint(number << 3) + b"\1"


def _named(number: int, name: str, value: bytes) -> bytes:
    return _field(number, _field(1, name) + _field(2, value))


def _extensions(number: int, schema: Object) -> bytes:
    """``x-kubernetes-…``: each is a NamedAny with its value as YAML, of which JSON is a part."""
    return b"".join(
        _named(number, key, _field(2, json.dumps(value) + "\n"))
        for key, value in schema.items()
        if key.startswith("x-kubernetes-")
    )


def _schema(schema: Object) -> bytes:
    out = b"".join(
        _field(number, schema[key]) for number, key in ((1, "$ref"), (2, "format"), (4, "description")) if key in schema
    )
    out += b"".join(_field(19, one) for one in schema.get("required", ()))
    if "additionalProperties" in schema:
        out += _field(21, _field(1, _schema(schema["additionalProperties"])))
    if "type" in schema:
        out += _field(22, _field(1, schema["type"]))
    if "items" in schema:
        out += _field(23, _field(1, _schema(schema["items"])))
    if "properties" in schema:
        out += _field(25, b"".join(_named(1, key, _schema(one)) for key, one in schema["properties"].items()))
    return out + _extensions(31, schema)


def _query(name: str) -> bytes:
    parameter = _field(2, "query") + _field(4, name) + _true(5) + _field(6, "string")
    return _field(8, _field(1, _field(2, _field(3, parameter))))


def _operation(what: str, one: Resource) -> bytes:
    kind = {"group": one.group, "kind": one.kind, "version": one.version}
    out = _field(5, f"{what}{one.group}{one.version}{one.kind}")
    if what in ("post", "put", "patch"):
        out += b"".join(_query(name) for name in ("dryRun", "fieldManager", "fieldValidation"))
    out += _field(9, _named(1, "200", _field(1, _field(1, "OK"))))
    return out + _extensions(13, {"x-kubernetes-action": what, "x-kubernetes-group-version-kind": kind})


_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}


def _path(methods: Iterable[tuple[str, tuple[str, Resource]]]) -> bytes:
    return b"".join(_field(_METHODS[method], _operation(*what)) for method, what in methods)


@cache
def document_v2() -> bytes:
    """The whole document."""
    paths = b"".join(_named(2, path, _path(methods.items())) for path, methods in operations().items())
    schemas = b"".join(_named(1, name, _schema(one)) for name, one in definitions().items())
    info = _field(1, "Kubernetes") + _field(2, f"v{VERSION}")
    return _field(1, "2.0") + _field(2, info) + _field(8, paths) + _field(9, schemas)
