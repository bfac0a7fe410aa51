"""How the API server says what is wrong with a field: where, and why, in its own words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["NOT_HERE", "Problems", "invalid", "label_problems", "reason_of", "unsupported"]

#: the path of a field, and what is wrong with it
Problems = Iterator[tuple[str, str]]

NOT_HERE = "this cluster cannot do that"
_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_REASONS = {
    "Required": "FieldValueRequired",
    "Unsupported": "FieldValueNotSupported",
    "Forbidden": "FieldValueForbidden",
    "Duplicate": "FieldValueDuplicate",
}


def reason_of(text: str) -> str:
    """The reason, as a Status names it, that belongs to a sentence of this module."""
    return _REASONS.get(re.split(r"\W", text, maxsplit=1)[0], "FieldValueInvalid")


def invalid(value: Any, why: str) -> str:
    """A field's value is not possible."""
    return f"Invalid value: {json.dumps(value, separators=(',', ':'))}: {why}"


def unsupported(value: Any, allowed: tuple[str, ...]) -> str:
    """A field's value is none of those there are."""
    listed = ", ".join(f'"{one}"' for one in sorted(allowed))
    return f"Unsupported value: {json.dumps(value)}: supported values: {listed}"


def label_problems(labels: dict[str, str], path: str) -> Problems:
    """What is wrong with the keys and values of labels."""
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key):
            yield path, invalid(key, "name part must consist of alphanumeric characters, '-', '_' or '.', and must "
                                 "start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or "
                                 f"'123-abc', regex used for validation is '{_PART}')")  # fmt: skip
        if not _LABEL_VALUE.fullmatch(value):
            yield path, invalid(value, "a valid label must be an empty string or consist of alphanumeric characters, "
                                 "'-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
                                 "'MyValue',  or 'my_value',  or '12345', regex used for validation is "
                                 f"'({_PART})?')")  # fmt: skip
