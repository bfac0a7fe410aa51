"""Strategic merge patch: a merge patch that knows which lists are sets of named things.  A pure function.

Source: https://github.com/kubernetes/community/blob/main/contributors/devel/sig-api-machinery/strategic-merge-patch.md
"""

from __future__ import annotations

from typing import Any

from labhelpers.cluster.api.types import Field, fields_of, is_type
from labhelpers.store import BadRequest, Object, copied

__all__ = ["strategic_merge"]

_ORDER, _DELETE = "$setElementOrder/", "$deleteFromPrimitiveList/"
_NOT_KNOWN = Field()


def strategic_merge(type_name: str, target: Object, patch: Any) -> Object:
    """The object with the patch merged in.

    Raises:
        BadRequest: the patch cannot be read as one.
    """
    if not isinstance(patch, dict):
        raise BadRequest("a strategic merge patch is an object", 'Write it like {"spec": {…}}.')
    return dict(_map(type_name, target, patch))


def _map(type_name: str, target: Any, patch: Object) -> Object:
    how = patch.get("$patch", "merge")
    if how == "replace":
        return copied({key: value for key, value in patch.items() if not key.startswith("$")})  # type: ignore[no-any-return]
    if how == "delete":
        return {}
    if how != "merge":
        raise BadRequest(f"unrecognized patch type: {how}", "Use $patch: replace, delete or merge.")
    merged: Object = dict(target) if isinstance(target, dict) else {}
    fields = fields_of(type_name) if is_type(type_name) else {}
    for key, value in patch.items():
        if key.startswith(_DELETE):
            name = key[len(_DELETE) :]
            merged[name] = [one for one in merged.get(name) or () if one not in _list(value)]
        elif key.startswith("$"):
            continue
        elif value is None:
            merged.pop(key, None)
        else:
            one = fields.get(key, _NOT_KNOWN)
            merged[key] = _value(one, merged.get(key), value, patch.get(_ORDER + key))
    for key, order in patch.items():  # an order alone, of a list that is otherwise not patched
        name = key[len(_ORDER) :]
        if key.startswith(_ORDER) and name not in patch and isinstance(merged.get(name), list):
            merged[name] = _in_order(fields.get(name, _NOT_KNOWN), merged[name], merged[name], order)
    if "$retainKeys" in patch:
        merged = {key: value for key, value in merged.items() if key in _list(patch["$retainKeys"])}
    return merged


def _value(one: Field, target: Any, patch: Any, order: Any) -> Any:
    if isinstance(patch, dict):
        return _map(one.type if not one.shape else "", target, patch)
    if isinstance(patch, list) and "merge" in one.strategy:
        items = _items(one, target or [], patch) if one.merge else _union(target or [], patch)
        return items if order is None else _in_order(one, items, target or [], order)
    return copied(patch)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise BadRequest("a directive of the patch is no list", "Write [ … ].")
    return value


def _union(target: list[Any], patch: list[Any]) -> list[Any]:
    return target + [one for one in patch if one not in target]


def _items(one: Field, target: list[Any], patch: list[Any]) -> list[Any]:
    """Merge a list of objects by their key."""
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return copied([item for item in patch if item.get("$patch") != "replace"])  # type: ignore[no-any-return]
    merged = copied(target)
    for item in patch:
        if not isinstance(item, dict) or one.merge not in item:
            raise BadRequest(f"map: {item} does not contain declared merge key: {one.merge}", f"Say its {one.merge}.")
        at = next((index for index, old in enumerate(merged) if old.get(one.merge) == item[one.merge]), None)
        if item.get("$patch") == "delete":
            if at is not None:
                del merged[at]
        elif at is None:
            merged.append(_map(one.type, {}, item))
        else:
            merged[at] = _map(one.type, merged[at], item)
    return list(merged)


def _in_order(one: Field, items: list[Any], before: list[Any], order: Any) -> list[Any]:
    """Items that the order names come in its order; the others keep their place among those that were there before."""

    def key(item: Any) -> Any:
        return item.get(one.merge) if isinstance(item, dict) else item

    wanted, was = [key(item) for item in _list(order)], [key(item) for item in before]
    named = sorted((item for item in items if key(item) in wanted), key=lambda item: wanted.index(key(item)))
    others = [item for item in items if key(item) not in wanted]
    result = []
    while named and others:
        first = key(named[0])
        come_first = others if first in was and was.index(key(others[0])) < was.index(first) else named
        result.append(come_first.pop(0))
    return result + named + others
