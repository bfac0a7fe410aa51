"""``Programs``: tells of what programs of a node tell of, such as a proxy of requests."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from labhelpers.linux.told import Told
from labhelpers.trace.flows.flow import Flow

__all__ = ["Programs"]

_FIELDS = {one.name: {"str": str, "int": int, "float": float}[str(one.type)] for one in fields(Flow)}
_NEEDED = {"time", "protocol", "verdict", "source_address", "destination_address", "port"}


class Programs:
    """A source of flows: see :mod:`labhelpers.linux.told`.  Each line has fields of a ``Flow``, by name."""

    def __init__(self, node: str, root: str) -> None:
        self._node = node
        self._told = Told(root)

    @property
    def lost(self) -> int:
        """Lines that we read too slowly for."""
        return self._told.missed

    @property
    def waiting(self) -> bool:
        """It hears of flows when all is known of them."""
        return False

    def descriptors(self) -> tuple[int, ...]:
        """What to wait for."""
        return (self._told.fileno(),)

    def read(self) -> list[Flow]:
        """The flows since the last call; a line that lacks something, or has something else, is none."""
        return [flow for line in self._told.read() if (flow := self._flow(line)) is not None]

    def _flow(self, line: dict[str, Any]) -> Flow | None:
        if not line.keys() >= _NEEDED:
            return None
        try:
            given = {name: _FIELDS[name](value) for name, value in line.items() if name in _FIELDS}
        except (TypeError, ValueError):
            return None
        given |= {"node": self._node, "source": given["source_address"], "destination": given["destination_address"]}
        return Flow(**given)

    def close(self) -> None:
        """Listen no more."""
        self._told.close()
