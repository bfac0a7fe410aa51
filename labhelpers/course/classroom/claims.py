"""What a learner's notebook says about the exercises in it.

A notebook keeps the last output of each cell and no more.  The number of attempts is there because ``check`` writes
it beside its list; where it is missing, the notebook was recorded or is older, and the number is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labhelpers.course import catalogue
from labhelpers.course.classroom.notebook import calls
from labhelpers.course.exercise import METADATA
from labhelpers.errors import NotFound

__all__ = ["Claim", "claims"]

_HEADLINE = re.compile(r"Exercise (?P<id>[0-9.]+), .*: (?P<state>passed|not yet)")


@dataclass(frozen=True)
class Claim:
    """One exercise of one notebook, as the file has it."""

    notebook: str
    exercise: str
    title: str
    passed: bool
    #: checks up to the first pass; ``None`` where the notebook does not say
    attempts: int | None = None
    #: of the course that judged; empty where the notebook does not say
    version: str = ""
    #: what a second run said: ``""`` none was asked for, ``confirmed``, ``not confirmed``
    rerun: str = ""
    note: str = ""


def claims(path: Path, notebook: Any) -> Iterator[Claim]:
    """Each exercise that a cell of the notebook checks, in order.  Changes nothing.

    Only the output of a cell that calls ``check`` counts.  One pass is a pass: who checks again after tidying up has
    passed all the same.
    """
    found: dict[str, Claim] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        for id in calls(cell.source, "check"):
            claim = found.get(id)
            if claim is None:
                try:
                    title = catalogue.find(id).title
                except NotFound:  # the learner's own invention
                    continue
                claim = found[id] = Claim(str(path), id, title, False, note="not checked")
            for output in cell.outputs:
                found[id] = claim = _with(claim, output)
    yield from found.values()


def _with(claim: Claim, output: Any) -> Claim:
    """The claim and what one more output says."""
    headline = _HEADLINE.match(_text(output.get("data", {}).get("text/plain", "")))
    if headline is None or headline["id"] != claim.exercise or claim.passed:
        return claim
    said = output.get("metadata", {}).get(METADATA, {})
    attempts, version = said.get("attempt"), said.get("version")
    return replace(
        claim,
        passed=headline["state"] == "passed",
        attempts=attempts if isinstance(attempts, int) else None,
        version=version if isinstance(version, str) else "",
        note="",
    )


def _text(value: Any) -> str:
    """A file may have a text as a list of lines."""
    return "".join(map(str, value)) if isinstance(value, list) else str(value)
