"""What a request must be like to be allowed: the ``http`` part of a CiliumNetworkPolicy, read from its dictionaries.

Source: https://docs.cilium.io/en/stable/security/policy/language/#layer-7-examples.  ``method``, ``path`` and ``host``
are regular expressions that the whole of the word must match; what a rule does not name may be anything; one rule that
fits is enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from labhelpers.errors import BadInput

__all__ = ["HttpRule", "read_rules", "who_allows"]

_KNOWN = ("method", "path", "host")
#: what Cilium knows and this does not
_OF_ENVOY = ("headers", "headerMatches")
_LONGEST = 1000  # characters of an expression


@dataclass(frozen=True, slots=True)
class HttpRule:
    """One rule: expressions, ``""`` for anything."""

    number: int
    method: str = ""
    path: str = ""
    host: str = ""

    def __str__(self) -> str:
        said = ((name, getattr(self, name)) for name in _KNOWN)
        return ", ".join(f"{name} {value}" for name, value in said if value) or "every request"

    def allows(self, method: str, path: str, host: str) -> bool:
        """Does a request fit?  ``path`` is all that follows the server's name, with what follows a question mark."""
        asked = {"method": method, "path": path, "host": host}
        return all(
            not wanted or re.fullmatch(wanted, asked[name]) for name in _KNOWN if (wanted := getattr(self, name))
        )


def read_rules(entries: Iterable[Mapping[str, str]]) -> tuple[HttpRule, ...]:
    """The rules of a list of dictionaries; without any, nothing is allowed.

    Raises:
        BadInput: an entry names something else, or is no regular expression.
    """
    rules = []
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, Mapping):
            raise BadInput(f"{entry!r} is no HTTP rule.", 'Write {"method": "GET", "path": "/public/.*"}.')
        for name in entry:
            if name in _OF_ENVOY:
                raise BadInput(
                    f"HTTP rule {number} asks about {name}, which this proxy does not.",
                    f"It knows {', '.join(_KNOWN)}; the rest is for Envoy, in a real Cilium.",
                )
            if name not in _KNOWN:
                raise BadInput(f"HTTP rule {number} has an unknown word {name!r}.", f"It knows {', '.join(_KNOWN)}.")
        for name, value in entry.items():
            _require_expression(number, name, value)
        rules.append(HttpRule(number, **entry))
    return tuple(rules)


def _require_expression(number: int, name: str, value: object) -> None:
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise BadInput(f"HTTP rule {number}: {name} is no text of at most {_LONGEST} characters.", "Write one.")
    try:
        re.compile(value)
    except re.error as error:
        raise BadInput(
            f"HTTP rule {number}: {name} {value!r} is no regular expression: {error}.",
            "A dot stands for any character, .* for any number of them.",
        ) from None


def who_allows(rules: Iterable[HttpRule], method: str, path: str, host: str) -> HttpRule | None:
    """The first rule that a request fits; ``None`` if it is not allowed."""
    return next((one for one in rules if one.allows(method, path, host)), None)
