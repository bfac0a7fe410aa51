"""What the API's types are made of, as Kubernetes' Go sources say it.

``data/types.json`` is made by ``tools/api_data.py``, never by hand.  Types are named as in OpenAPI:
``io.k8s.api.core.v1.Pod``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["DATA", "Field", "by_number", "fields_of", "is_type", "raw_fields", "type_of"]

DATA = Path(__file__).parent / "data"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a type.

    ``type`` is another type or one of: string, boolean, int32, int64, double, byte, time, microtime, duration,
    quantity, int-or-string, any.  ``shape`` is ``list``, ``map`` (with text keys) or nothing.  ``pointer`` means that
    zero is not the same as not there; ``always`` that it is written also if it is zero.  ``merge`` is the key by which
    strategic merge patches tell the list's items apart.
    """

    name: str = ""
    type: str = ""
    shape: str = ""
    number: int = 0
    inline: bool = False
    pointer: bool = False
    always: bool = False
    required: bool = False
    merge: str = ""
    strategy: str = ""


@cache
def _types() -> dict[str, list[Field]]:
    with (DATA / "types.json").open(encoding="utf-8") as file:
        return {name: [Field(**one) for one in fields] for name, fields in json.load(file)["types"].items()}


def is_type(name: str) -> bool:
    """Is it a type with fields, and not one of the scalars?"""
    return name in _types()


def raw_fields(name: str) -> list[Field]:
    """The fields of a type, in the order of its source, inlined types unopened."""
    return _types()[name]


@cache
def fields_of(name: str) -> Mapping[str, Field]:
    """The fields of a type by the name they have in JSON; what is inlined is among them."""
    fields: dict[str, Field] = {}
    for one in _types()[name]:
        if one.inline:
            fields.update(fields_of(one.type))
        else:
            fields[one.name] = one
    return fields


@cache
def by_number(name: str) -> Mapping[int, Field]:
    """The fields of a type by the number they have in protobuf; what is inlined is one field there."""
    return {one.number: one for one in _types()[name] if one.number}


def type_of(api_version: Any, kind: Any) -> str:
    """The type that an object's ``apiVersion`` and ``kind`` name, or nothing."""
    group, _, version = str(api_version).rpartition("/")
    name = f"io.k8s.api.{group.removesuffix('.k8s.io') or 'core'}.{version}.{kind}"
    if kind in ("DeleteOptions", "Status"):  # of every group
        name = f"{_META}.{kind}"
    return name if is_type(name) else ""
