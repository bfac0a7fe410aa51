"""Label and field selectors: ``app=web,tier in (a,b),!old`` and ``spec.nodeName=node-1``.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#api
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from labhelpers.store.objects import Object
from labhelpers.store.refused import BadRequest
from labhelpers.store.resources import Resource

__all__ = ["by_fields", "by_labels", "by_selector"]

Test = Callable[[Mapping[str, str]], bool]

_KEY = r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_SET = re.compile(rf"(?P<key>{_KEY})\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUAL = re.compile(rf"(?P<key>{_KEY})\s*(?P<operator>==?|!=)\s*(?P<value>{_VALUE})")
_THERE = re.compile(rf"(?P<absent>!?)\s*(?P<key>{_KEY})")
_COMPARED = re.compile(rf"(?P<key>{_KEY})\s*(?P<operator>[<>])\s*(?P<value>-?\d+)")


def by_labels(text: str) -> Test:
    """The test that a label selector, as ``kubectl -l`` takes it, stands for.

    Raises:
        BadRequest: it cannot be read.
    """
    tests = [_label_test(part.strip()) for part in _parts(text)]
    return lambda labels: all(test(labels) for test in tests)


def _parts(text: str) -> list[str]:
    """Split at the commas that are not inside brackets."""
    parts = re.findall(r"(?:[^,()]|\([^()]*\))+|[()]", text)
    if re.sub(r"\s", "", ",".join(parts)) != re.sub(r"\s", "", text):
        raise _unreadable(text)
    return parts


def _label_test(part: str) -> Test:
    if match := _SET.fullmatch(part):
        values = {value.strip() for value in match["values"].split(",")}
        if not all(re.fullmatch(_VALUE, value) for value in values):
            raise _unreadable(part)
        return _is_in(match["key"], values, match["operator"] == "in")
    if match := _EQUAL.fullmatch(part):
        return _is_in(match["key"], {match["value"]}, match["operator"] != "!=")
    if match := _THERE.fullmatch(part):
        return _is_there(match["key"], not match["absent"])
    if match := _COMPARED.fullmatch(part):
        return _is_beyond(match["key"], int(match["value"]), match["operator"] == ">")
    raise _unreadable(part)


def _unreadable(text: str) -> BadRequest:
    return BadRequest(
        f"unable to parse requirement: {text!r} is no label selector", "Write it as app=web or 'tier in (a,b)'."
    )


def _is_in(key: str, values: set[str], wanted: bool) -> Test:
    # a label that is not there is different from every value
    return lambda labels: (key in labels and labels[key] in values) is wanted


def _is_there(key: str, wanted: bool) -> Test:
    return lambda labels: (key in labels) is wanted


def _is_beyond(key: str, limit: int, above: bool) -> Test:
    def test(labels: Mapping[str, str]) -> bool:
        try:
            number = int(labels[key])
        except (KeyError, ValueError):
            return False
        return number > limit if above else number < limit

    return test


def by_selector(selector: Mapping[str, Any] | None) -> Test:
    """The test that a ``LabelSelector`` in an object stands for: none selects nothing, an empty one everything."""
    if selector is None:
        return lambda labels: False
    tests = [_is_in(key, {value}, True) for key, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or ():
        key, operator, values = one["key"], one["operator"], set(one.get("values") or ())
        if operator in ("In", "NotIn"):
            tests.append(_is_in(key, values, operator == "In"))
        elif operator in ("Exists", "DoesNotExist"):
            tests.append(_is_there(key, operator == "Exists"))
        else:
            raise BadRequest(
                f"{operator!r} is not a valid label selector operator", "Use In, NotIn, Exists or DoesNotExist."
            )
    return lambda labels: all(test(labels) for test in tests)


def by_fields(text: str, resource: Resource) -> Callable[[Object], bool]:
    """The test that a field selector, as ``kubectl --field-selector`` takes it, stands for.

    Raises:
        BadRequest: it cannot be read, or asks for a field that cannot be selected by.
    """
    tests = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        match = re.fullmatch(r"([^!=]+)(!=|==?)(.*)", part)
        if not match:
            raise BadRequest(
                f"invalid selector: {part!r}; can't understand {part!r}", "Write it as status.phase=Running."
            )
        path, operator, value = match.groups()
        allowed = ("metadata.name", "metadata.namespace", *resource.fields)
        if path not in allowed:
            raise BadRequest(f"field label not supported: {path}", f"Of {resource.plural} can be selected: {allowed}.")
        tests.append((path.split("."), value, operator != "!="))
    return lambda obj: all((_text_at(obj, path) == value) is wanted for path, value, wanted in tests)


def _text_at(obj: Any, path: list[str]) -> str:
    for part in path:
        obj = obj.get(part) if isinstance(obj, dict) else None
    if isinstance(obj, bool):
        return "true" if obj else "false"
    if isinstance(obj, dict):  # an event's source is selected by its component
        obj = obj.get("component")
    return "" if obj is None else str(obj)
