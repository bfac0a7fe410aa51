"""``expect``: one claim about the kernel, checked in one line."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from labhelpers.errors import BadInput, ExpectationFailed

__all__ = ["expect"]

_NOTHING: Any = object()
_PAUSE = 0.02  # seconds


def expect(
    claim: str,
    seen: object | Callable[[], object],
    *,
    equals: object = _NOTHING,
    likely_cause: str = "",
    within: float = 3.0,
) -> None:
    """Change nothing: print ``✓ claim`` if it holds, raise if it does not.

    Args:
        claim: what should be true, in words: ``"pod-a can reach pod-c"``.
        seen: what the kernel said.  A result with ``.ok`` (a ping, a connection, a program) holds when it is
            ok; anything else holds when it is true, as in ``if``.  A function is asked again until the claim
            holds: ``lambda: red.ping(blue)``.
        equals: with this, the claim holds when ``seen`` equals it, and the value is printed beside the claim.
        likely_cause: what is usually wrong when the claim does not hold, and where to look.
        within: seconds after which a function is not asked again.

    Raises:
        ExpectationFailed: the claim does not hold.
        BadInput: the claim is empty, or not a text.
    """
    if not isinstance(claim, str) or not claim.strip():
        raise BadInput(
            f"expect was given {claim!r} where the claim should be.",
            'Say in words what should be true: expect("pod-a can reach pod-b", reply).',
        )
    if callable(seen):
        seen = _ask(seen, equals, within)
    if not _holds(seen, equals):
        expected = claim if equals is _NOTHING else f"{claim}: {equals!s}"
        raise ExpectationFailed(expected, _in_words(seen), likely_cause)
    print(f"✓ {claim}" if equals is _NOTHING else f"✓ {claim}: {seen!s}")


def _ask(question: Callable[[], object], equals: object, within: float) -> object:
    """The first answer that holds, else the last one."""
    end = time.monotonic() + within
    while not _holds(answer := question(), equals) and time.monotonic() < end:
        time.sleep(_PAUSE)
    return answer


def _holds(seen: object, equals: object) -> bool:
    return bool(getattr(seen, "ok", seen)) if equals is _NOTHING else seen == equals


def _in_words(seen: object) -> str:
    """What was seen when it was not good.  ``False`` alone tells nobody anything."""
    if seen is False:
        return "that it is not so"
    if seen is None or (hasattr(seen, "__len__") and len(seen) == 0):
        return f"nothing ({seen!r})"
    return str(seen).strip() or repr(seen)
