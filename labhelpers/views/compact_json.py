"""JSON as people write it: what fits stays on one line."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["LONGEST", "compact"]

LONGEST = 80  # characters of a line


def compact(value: Any, *, indent: int = 0, before: int = 0) -> str:
    """The JSON text of a value, where an object or a list that fits on a line is not spread over several.

    Args:
        indent: of the line it begins on.
        before: characters that stand on that line already, behind the indent.
    """
    line = json.dumps(value, ensure_ascii=False)
    if indent + before + len(line) <= LONGEST or not isinstance(value, (dict, list)) or not value:
        return line
    if isinstance(value, dict):
        keys = [f"{json.dumps(str(key), ensure_ascii=False)}: " for key in value]
        values, opening, closing = list(value.values()), "{", "}"
    else:
        keys, values, opening, closing = [""] * len(value), value, "[", "]"
    # one more for the comma behind it
    parts = [key + compact(one, indent=indent + 2, before=len(key) + 1) for key, one in zip(keys, values, strict=True)]
    inner = "\n" + " " * (indent + 2)
    return opening + inner + f",{inner}".join(parts) + "\n" + " " * indent + closing
