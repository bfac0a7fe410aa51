"""Walks and pictures beside each other, where there is room; else one below the other."""

from __future__ import annotations

from html import escape
from typing import Any

from labhelpers.errors import BadInput
from labhelpers.trace.hop import Walk
from labhelpers.views.topology import Topology
from labhelpers.views.walk_html import walk_html
from labhelpers.views.walk_text import walk_text

__all__ = ["SideBySide", "side_by_side"]


class SideBySide:
    """Walks, and pictures that stay as they are; each with a word above it, or without."""

    def __init__(self, *things: tuple[str, Walk | Topology]) -> None:
        self.things = things

    def __repr__(self) -> str:
        return "\n\n\n".join(f"{name}\n\n{_text(one)}" if name else _text(one) for name, one in self.things)

    def _repr_html_(self) -> str:
        # columns do not grow beyond what two of them leave each other: what is alone in its row keeps their scale
        style = "flex: 1 1 390px; min-width: 0; max-width: max(390px, calc(50% - 12px))"
        columns = "".join(f'<div style="{style}">{_head(name)}{_column(one)}</div>' for name, one in self.things)
        return f'<div style="display: flex; flex-wrap: wrap; gap: 24px">{columns}</div>'

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}


def _text(thing: Walk | Topology) -> str:
    return walk_text(thing) if isinstance(thing, Walk) else repr(thing)


def _head(name: str) -> str:
    return f'<p style="margin: 0; font-size: 1.1em"><b>{escape(name)}</b></p>' if name else ""


def _column(thing: Walk | Topology) -> str:
    return walk_html(thing, narrow=True) if isinstance(thing, Walk) else thing.html()


def side_by_side(*things: Walk | Topology, **named: Walk | Topology) -> SideBySide:
    """Show walks or pictures beside each other: a walk on the same node and one across nodes, two networks.

    Args:
        named: after the others; each with its name above it: ``side_by_side(Flannel=…, Calico=…)``.

    Raises:
        BadInput: one is neither, or there is none.
    """
    pairs = [*(("", one) for one in things), *named.items()]
    if not pairs or not all(isinstance(one, (Walk, Topology)) for _, one in pairs):
        other = next((one for _, one in pairs if not isinstance(one, (Walk, Topology))), None)
        what = "There is nothing to show." if other is None else f"{other!r} is neither a walk nor a picture."
        raise BadInput(what, "Write side_by_side(walk('pod-a', 'pod-b'), walk('pod-a', 'pod-c')).")
    return SideBySide(*pairs)
