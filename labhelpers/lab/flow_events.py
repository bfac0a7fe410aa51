"""Who tells of a node's flows in place of its firewall: networks whose packets never come to it.

A network registers here how to listen to it; whoever wants to know of flows asks here, and needs to know no network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from labhelpers.linux.namespace import NetworkNamespace

__all__ = ["FlowEvent", "FlowEvents", "events_of", "register"]


class FlowEvent(Protocol):
    """The first packet of a flow, or one that was dropped."""

    @property
    def time(self) -> int:
        """Nanoseconds since 1970."""

    @property
    def source(self) -> str:
        """An address, as ``destination``."""

    @property
    def destination(self) -> str:
        """An address."""

    @property
    def protocol(self) -> int:
        """Its number."""

    @property
    def source_port(self) -> int:
        """0 without ports, as ``destination_port``."""

    @property
    def destination_port(self) -> int:
        """0 without ports."""

    @property
    def source_identity(self) -> int:
        """Stands for labels, as ``destination_identity``."""

    @property
    def destination_identity(self) -> int:
        """Stands for labels."""

    @property
    def forwarded(self) -> bool:
        """Or dropped."""

    @property
    def direction(self) -> str:
        """``egress`` or ``ingress``: whose policies decided; ``""`` if none was asked."""

    @property
    def reason(self) -> str:
        """Why it was dropped."""

    @property
    def policy(self) -> str:
        """``namespace/name`` of the policy that allowed it."""

    @property
    def rule(self) -> int:
        """The number of its rule."""


class FlowEvents(Protocol):
    """Events of one node, from when this was opened until ``close``."""

    @property
    def lost(self) -> int:
        """Events that there was no room for."""

    def fileno(self) -> int:
        """To wait for, for reading."""

    def read(self, timeout: float = 0.0) -> Sequence[FlowEvent]:
        """What is there, waiting at most ``timeout`` seconds for the first."""

    def close(self) -> None:
        """Listen no more."""


#: returns ``None`` on a node where this network is not at work
Opener = Callable[[NetworkNamespace], FlowEvents | None]
_openers: list[Opener] = []


def register(opener: Opener) -> None:
    """Note how to listen to a network.  Changes nothing else."""
    if opener not in _openers:
        _openers.append(opener)


def events_of(node: NetworkNamespace) -> FlowEvents | None:
    """Begin to listen to the network that is at work on a node; ``None`` if its firewall sees all there is.

    Raises:
        AlreadyExists: somebody listens to it, and only one can.
        Vanished.
    """
    return next((events for opener in _openers if (events := opener(node)) is not None), None)
