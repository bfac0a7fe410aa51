"""API objects are plain dictionaries, as JSON has them: what is read from them, and how they are copied."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, TypeAlias

__all__ = ["Object", "controller_of", "copied", "key_of", "timestamp"]

Object: TypeAlias = dict[str, Any]


def copied(value: Any) -> Any:
    """A deep copy of JSON values.  Several times faster than ``copy.deepcopy``, which looks for circles."""
    if isinstance(value, dict):
        return {key: copied(one) for key, one in value.items()}
    if isinstance(value, list):
        return [copied(one) for one in value]
    return value


def key_of(obj: Object) -> tuple[str, str]:
    """An object's namespace (empty if it has none) and name."""
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


def controller_of(obj: Object) -> Object | None:
    """The owner reference of the controller that made the object."""
    return next((one for one in obj["metadata"].get("ownerReferences") or () if one.get("controller")), None)


def timestamp(seconds: float) -> str:
    """Seconds since 1970 as the API writes times: ``2026-01-31T12:00:00Z``."""
    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
