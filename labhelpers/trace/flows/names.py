"""Who has an address: the names of pods and nodes, as the kernel says."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from labhelpers.topology.model import Snapshot
from labhelpers.trace.flows.flow import Flow

__all__ = ["Names"]

_FRESH = 0.5  # seconds that an answer is good for
_ROLES = ("unknown", "namespace", "host", "underlay", "node", "pod")  # who comes later has the last word


class Names:
    """The names of addresses; of those that are gone, too, as a flow may be told of when its pod has ended."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._asked = 0.0

    def named(self, flows: Iterable[Flow]) -> list[Flow]:
        """The flows with names in place of addresses, where somebody has them."""
        flows = list(flows)
        if flows:
            self.refresh()
        return [
            replace(one, source=self.of(one.source_address), destination=self.of(one.destination_address))
            for one in flows
        ]

    def of(self, address: str) -> str:
        """The name of whoever has this address, or had it last; the address itself if nobody has."""
        return self._names.get(address, address)

    def refresh(self) -> None:
        """Ask the kernel, if the last answer is old."""
        if time.monotonic() - self._asked < _FRESH:
            return
        found = sorted(Snapshot.take(), key=lambda one: _ROLES.index(one.role) if one.role in _ROLES else 0)
        self._names.update((text.split("/")[0], one.name) for one in found for text in one.addresses)
        self._asked = time.monotonic()
