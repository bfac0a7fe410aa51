"""Dated facts: what the course says about the world outside this kernel, with source and day of check.

They live in ``facts.json`` and nowhere else, so that one file tells what has to be looked at again.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files

from labhelpers.course.prose import as_html
from labhelpers.errors import NotFound

__all__ = ["Fact", "fact", "facts"]


@dataclass(frozen=True)
class Fact:
    """One fact.  ``checked`` is a day, ``YYYY-MM-DD``."""

    id: str
    text: str
    source: str
    checked: str

    def __repr__(self) -> str:
        return f"{self.text}\n  source: {self.source} (checked {self.checked})"

    def _repr_html_(self) -> str:
        link = escape(self.source)
        return (
            f"<blockquote><p>{as_html(self.text)}</p>"
            f"<small>Source: <a href='{link}'>{link}</a>, checked {escape(self.checked)}</small></blockquote>"
        )


@cache
def facts() -> dict[str, Fact]:
    """All dated facts by id."""
    text = files("labhelpers.course").joinpath("facts.json").read_text(encoding="utf-8")
    return {entry["id"]: Fact(**entry) for entry in json.loads(text)}


def fact(id: str) -> Fact:
    """Change nothing: show the fact ``id`` with its source and the day it was checked.

    Raises:
        NotFound: there is no such fact; the message names the nearest one.
    """
    known = facts()
    if id in known:
        return known[id]
    near = difflib.get_close_matches(id, known, n=1, cutoff=0.3)
    raise NotFound(f"There is no fact {id!r}.", f"Did you mean {near[0]!r}?" if near else "")
