"""Predictions that a learner writes into a dictionary, compared with what a walk sees."""

from __future__ import annotations

from typing import Any

from IPython.core.getipython import get_ipython

from labhelpers.course.exercise import Todo
from labhelpers.errors import NotFound
from labhelpers.linux.headers import Header
from labhelpers.trace import Hop, Walk, walk

__all__ = ["arrived", "compared", "header_of", "predicted"]

_PATIENCE = 0.5  # seconds; an answer inside one machine takes less than a millisecond


def predicted(name: str) -> dict[Any, Any]:
    """The notebook's dictionary of this name.

    Raises:
        NotFound: there is none.
    """
    shell = get_ipython()
    found = shell.user_ns.get(name) if shell else None
    if not isinstance(found, dict):
        raise NotFound(f"There is no dictionary `{name}` in this notebook any more.")
    return found


def compared(what: str, predicted: object, seen: object) -> Todo:
    """The row of a prediction.  It does not give the answer away.  Of a text, capital letters do not count.

    Args:
        seen: a number, a text, or a tuple of texts; a list counts as a tuple.
    """
    said = tuple(predicted) if isinstance(predicted, list) else predicted
    nothing = said in ("", 0, None) or (isinstance(said, tuple) and not any(said))
    why = "nothing is predicted yet" if nothing else _misspelt(said, seen)
    ok = not why and _folded(said) == _folded(seen)
    return Todo(ok, what, why or f"you predicted {said}, and the walk saw something else")


def _folded(value: object) -> object:
    return value.strip().casefold() if isinstance(value, str) else value


def _misspelt(said: object, seen: object) -> str:
    """What is wrong with a prediction that could not be right whatever the walk saw."""
    if isinstance(seen, tuple):
        fits = isinstance(said, tuple) and len(said) == len(seen) and all(isinstance(one, str) for one in said)
        wanted = 'two interfaces are wanted, as in ("node-1/eth0", "node-2/eth0")'
    elif isinstance(seen, str):
        fits, wanted = isinstance(said, str), "a text in quotes is wanted"
    else:
        fits, wanted = isinstance(said, (int, float)) and not isinstance(said, bool), "a number is wanted"
    return "" if fits else f"{wanted}; {said!r} is something else"


def arrived(source: str, target: str, *, size: int = 56) -> Walk:
    """A walk that got its answer.

    Raises:
        NotFound: it got none.
    """
    seen = walk(source, target, size=size, timeout=_PATIENCE)
    if not seen.ok:
        raise NotFound(f"The packet from {source} to {target} is not answered any more: {seen.why}")
    return seen


def header_of(hop: Hop, protocol: str, *, inner: bool = False) -> Header:
    """A header that this place must have seen.

    Raises:
        NotFound: it has not.
    """
    found = hop.header(protocol, inner=inner)
    if found is None:
        raise NotFound(f"No {protocol} header passes {hop.place} any more.")
    return found
