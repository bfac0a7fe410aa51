"""The two patches that need no schema: merge patch (RFC 7386) and JSON patch (RFC 6902).  Pure functions."""

from __future__ import annotations

from typing import Any

from labhelpers.store.objects import copied
from labhelpers.store.refused import BadRequest, Invalid

__all__ = ["json_patch", "merge_patch"]


def merge_patch(target: Any, patch: Any) -> Any:
    """The target with the patch merged in: ``null`` removes, a list replaces."""
    if not isinstance(patch, dict):
        return copied(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(target: Any, operations: Any) -> Any:
    """The target after these operations, or an error and no change at all.

    Raises:
        BadRequest: these are no operations.
        Invalid: one of them does not fit the target.
    """
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise BadRequest("a JSON patch is a list of operations", 'Write [{"op": "replace", "path": …, "value": …}].')
    target = copied(target)
    for one in operations:
        try:
            target = _apply(target, one)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise Invalid(
                f"the server rejected our request due to an error in our request: {one.get('op')} {one.get('path')}: "
                + (f"there is no {error}" if isinstance(error, KeyError) else str(error))
            ) from None
    return target


def _apply(target: Any, one: dict[str, Any]) -> Any:
    operation, path = one["op"], _path(one["path"])
    if operation in ("move", "copy"):
        source = _path(one["from"])
        if operation == "move" and path[: len(source)] == source and path != source:
            raise ValueError("cannot move a value into itself")
        value = copied(_get(target, source))
        if operation == "move":
            target = _remove(target, source)
        return _add(target, path, value)
    if operation == "test":
        if not _same(_get(target, path), one["value"]):
            raise ValueError("test failed")
        return target
    if operation == "remove":
        return _remove(target, path)
    if operation == "replace":
        _get(target, path)
        if not path:
            return copied(one["value"])
        holder, last = _get(target, path[:-1]), path[-1]
        holder[_index(holder, last) if isinstance(holder, list) else last] = copied(one["value"])
        return target
    if operation == "add":
        return _add(target, path, copied(one["value"]))
    raise ValueError(f"unknown operation {operation!r}")


def _same(one: Any, other: Any) -> bool:
    """Python calls 1 and true the same; JSON does not."""
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _path(pointer: str) -> list[str]:
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"{pointer!r} is no JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _index(holder: list[Any], part: str) -> int:
    if not part.isdecimal() or (part != "0" and part.startswith("0")):
        raise ValueError(f"{part!r} is no index")
    index = int(part)
    if index >= len(holder):
        raise IndexError(f"there is no item {index}")
    return index


def _get(target: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(target, list):
            target = target[_index(target, part)]
        elif isinstance(target, dict):
            target = target[part]
        else:
            raise KeyError(part)
    return target


def _remove(target: Any, path: list[str]) -> Any:
    if not path:
        return None
    holder = _get(target, path[:-1])
    del holder[_index(holder, path[-1]) if isinstance(holder, list) else path[-1]]
    return target


def _add(target: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    holder, last = _get(target, path[:-1]), path[-1]
    if isinstance(holder, list):
        holder.insert(len(holder) if last in ("-", str(len(holder))) else _index(holder, last), value)
    elif isinstance(holder, dict):
        holder[last] = value
    else:
        raise KeyError(last)
    return target
