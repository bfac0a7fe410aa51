"""The state each chapter starts from, so that every chapter can be opened first."""

from __future__ import annotations

from collections.abc import Callable

from labhelpers.errors import BadInput
from labhelpers.lab.lab import Lab

__all__ = ["checkpoint"]


def _empty(lab: Lab) -> None:
    """Nothing: these chapters build everything in front of you, or have a cluster do it."""


def _two_nodes(lab: Lab) -> None:
    """Two nodes with two pods each, and routes between the nodes."""
    _two_islands(lab)
    lab.connect_nodes()


def _two_islands(lab: Lab) -> None:
    """Two nodes with two pods each, and no way from a node to the other's pods: a carrier is to make it."""
    for node, pods in (("node-1", ("pod-a", "pod-b")), ("node-2", ("pod-c", "pod-d"))):
        lab.node(node).pods(pods)


def _bare_nodes(lab: Lab) -> None:
    """Two nodes without pods and without a way between pods: a network is to be installed on them."""
    for name in ("node-1", "node-2"):
        lab.node(name)


def _one_node(lab: Lab) -> None:
    """One node without pods: plugins are to make those."""
    lab.node("node-1")


_STATES: dict[str, Callable[[Lab], None]] = {
    "00": _two_nodes,
    "01": _empty,
    "02": _empty,
    "03": _two_nodes,
    "04": _one_node,
    "05": _empty,
    "06": _two_islands,
    "07": _bare_nodes,
    "08": _empty,
    "09": _empty,
    "10": _one_node,
    "11": _empty,
}


def checkpoint(chapter: str) -> Lab:
    """Build the state a chapter starts from, and return the lab.  What a lab made before is removed first.

    Args:
        chapter: ``"01"``, ``"03"`` …

    Raises:
        BadInput: there is no such checkpoint; nothing was changed.

    Shell: see ``lab.commands()``.
    """
    if chapter not in _STATES:
        raise BadInput(f"There is no checkpoint {chapter!r}.", f"There are: {', '.join(_STATES)}.")
    lab = Lab()
    _STATES[chapter](lab)
    return lab
