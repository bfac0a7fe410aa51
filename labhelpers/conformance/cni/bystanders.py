"""Interfaces that the suite gives a node for a while: what a plugin must leave alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from labhelpers.errors import NotFound
from labhelpers.lab import Node
from labhelpers.linux import bridge, link, veth
from labhelpers.linux.changes import Changes

__all__ = ["LOWEST", "cable", "named"]

#: no other cable has a lower MAC address; a bridge without one of its own takes its ports' lowest
LOWEST = "00:00:00:00:00:01"
_OTHER = "00:00:00:00:00:02"


@contextmanager
def named(node: Node, name: str) -> Iterator[None]:
    """An interface of this name on the node."""
    with node._kernel.changes() as changes:
        bridge.add(changes, name, mac=LOWEST)
        changes.apply()
    with _removed_again(node, name):
        yield


@contextmanager
def cable(node: Node, master: str, name: str) -> Iterator[None]:
    """A cable plugged into a bridge of the node, with the lowest MAC address of all."""
    with node._kernel.changes() as changes:
        veth.add(changes, veth.Plug(name, LOWEST), veth.Plug(f"{name}-far", _OTHER), master=master, up=True)
        changes.apply()
    with _removed_again(node, name):
        yield


@contextmanager
def _removed_again(node: Node, name: str) -> Iterator[Changes]:
    with node._kernel.changes() as changes:
        try:
            yield changes
        finally:
            with suppress(NotFound):
                link.delete(changes, name)
                changes.apply()
