"""Objects as a Go program reads and writes them: unknown fields left out, wrong types refused, zero values as Go does.

kubectl compares what it sent with what it gets back, so what is written must look as the real API server writes it:
a ``resources: {}`` that nobody sent is there, an empty ``labels`` is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from labhelpers.cluster.api.types import Field, fields_of, is_type
from labhelpers.store import BadRequest, Object

__all__ = ["Decoded", "decode"]

_GO_NAMES = {"boolean": "bool", "any": "interface {}", "quantity": "resource.Quantity", "double": "float64",
             "int-or-string": "intstr.IntOrString", "time": "v1.Time", "microtime": "v1.MicroTime",
             "byte": "[]uint8"}  # fmt: skip
_LIMITS = {"int32": 2**31, "int64": 2**63}


@dataclass
class Decoded:
    """An object as it is kept, and the paths of the fields that nobody knows."""

    object: Object
    unknown: list[str] = field(default_factory=list)


def decode(type_name: str, value: Any, kind: str, version: str) -> Decoded:
    """Read JSON as an object of this type.

    Raises:
        BadRequest: a value is of the wrong type, in the words of the real API server.
    """
    decoded = Decoded({})
    try:
        decoded.object = _struct(type_name, value, "", decoded.unknown)
    except _WrongType as error:
        raise BadRequest(
            f'{kind} in version "{version}" cannot be handled as a {kind}: {error}', "Compare it with kubectl explain."
        ) from None
    return decoded


class _WrongType(Exception):
    def __init__(self, value: Any, owner: str, path: str, wanted: str) -> None:
        where = f"Go struct field {owner}.{path.lstrip('.')}" if path else "Go value"
        super().__init__(f"json: cannot unmarshal {_json_name(value)} into {where} of type {wanted}")


def _json_name(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number" if isinstance(value, int) else f"number {value}"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def _struct(type_name: str, value: Any, path: str, unknown: list[str]) -> Object:
    short = type_name.rpartition(".")[2]
    if not isinstance(value, dict):
        raise _WrongType(value, short, path, _go_name(type_name))
    fields = fields_of(type_name)
    unknown += [f"{path}.{key}".lstrip(".") for key in value if key not in fields]
    made = {}
    for name, one in fields.items():
        shown = _field(one, value.get(name), short, f"{path}.{name}", unknown)
        if shown is not _ABSENT:
            made[name] = shown
    return made


_ABSENT = object()


def _field(one: Field, value: Any, owner: str, path: str, unknown: list[str]) -> Any:
    """What is written for a field; ``_ABSENT`` if it is left out."""
    if value is None:
        return _zero(one)
    if one.shape == "list":
        if not isinstance(value, list):
            raise _WrongType(value, owner, path, f"[]{_go_name(one.type)}")
        made: Any = [_one(one.type, item, owner, f"{path}[{index}]", unknown) for index, item in enumerate(value)]
        # `[]` and nothing are the same in Go, but for a list behind a pointer
        return made if made or one.always else _ABSENT
    if one.shape == "map":
        if not isinstance(value, dict):
            raise _WrongType(value, owner, path, f"map[string]{_go_name(one.type)}")
        made = {str(key): _one(one.type, item, owner, f"{path}.{key}", unknown) for key, item in value.items()}
        return made if made or one.always else _ABSENT
    made = _one(one.type, value, owner, path, unknown)
    if not one.pointer and not one.always and not is_type(one.type) and made in ("", 0, False):
        return _zero(one)
    return made


def _zero(one: Field) -> Any:
    if one.pointer or one.shape:
        # what must be there is written as null where Go has a nil slice or map
        return None if one.always else _ABSENT
    if is_type(one.type):
        return _struct(one.type, {}, "", [])
    if one.type in ("time", "microtime"):
        return None
    if not one.always:
        return _ABSENT
    return {"string": "", "boolean": False, "int32": 0, "int64": 0, "int-or-string": 0, "quantity": "0"}.get(one.type)


def _one(type_name: str, value: Any, owner: str, path: str, unknown: list[str]) -> Any:
    if is_type(type_name):
        return _struct(type_name, {} if value is None else value, path, unknown)
    if type_name == "any":
        return value
    if type_name in _LIMITS:
        fits = isinstance(value, int) and not isinstance(value, bool)
        fits = fits and -_LIMITS[type_name] <= value < _LIMITS[type_name]
    elif type_name == "quantity":
        fits, value = isinstance(value, (str, int, float)) and not isinstance(value, bool), _text(value)
    elif type_name == "int-or-string":
        fits = isinstance(value, (str, int)) and not isinstance(value, bool)
    elif type_name == "double":
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    elif type_name == "boolean":
        fits = isinstance(value, bool)
    elif type_name == "strings":
        fits = isinstance(value, list) and all(isinstance(one, str) for one in value)
    else:
        fits = isinstance(value, str)
    if not fits:
        raise _WrongType(value, owner, path, _go_name(type_name))
    return value


def _text(value: Any) -> Any:
    """Quantities may be written as numbers and are kept as text."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _go_name(type_name: str) -> str:
    if is_type(type_name):
        return f"v1.{type_name.rpartition('.')[2]}"
    return _GO_NAMES.get(type_name, type_name)
