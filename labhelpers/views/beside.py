"""Walks and pictures beside each other, where there is room; else one below the other."""

from __future__ import annotations

from typing import Any

from labhelpers.errors import BadInput
from labhelpers.trace.hop import Walk
from labhelpers.views.topology import Topology
from labhelpers.views.walk_html import walk_html
from labhelpers.views.walk_text import walk_text

__all__ = ["SideBySide", "side_by_side"]


class SideBySide:
    """Walks, and pictures that stay as they are."""

    def __init__(self, *things: Walk | Topology) -> None:
        self.things = things

    def __repr__(self) -> str:
        return "\n\n\n".join(walk_text(one) if isinstance(one, Walk) else repr(one) for one in self.things)

    def _repr_html_(self) -> str:
        columns = "".join(f'<div style="flex: 1 1 390px; min-width: 0">{_column(one)}</div>' for one in self.things)
        return f'<div style="display: flex; flex-wrap: wrap; gap: 24px">{columns}</div>'

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}


def _column(thing: Walk | Topology) -> str:
    return walk_html(thing, narrow=True) if isinstance(thing, Walk) else thing.html()


def side_by_side(*things: Walk | Topology) -> SideBySide:
    """Show walks or pictures beside each other: a walk on the same node and one across nodes, two networks.

    Raises:
        BadInput: one is neither, or there is none.
    """
    if not things or not all(isinstance(one, (Walk, Topology)) for one in things):
        other = next((one for one in things if not isinstance(one, (Walk, Topology))), None)
        what = "There is nothing to show." if other is None else f"{other!r} is neither a walk nor a picture."
        raise BadInput(what, "Write side_by_side(walk('pod-a', 'pod-b'), walk('pod-a', 'pod-c')).")
    return SideBySide(*things)
