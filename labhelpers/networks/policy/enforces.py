"""``Enforces``: the part of a node's agent that keeps its kernel as the cluster's policies say, however it does so."""

from __future__ import annotations

from typing import Protocol

from labhelpers.networks.policy.enforcer import Applied
from labhelpers.networks.policy.world import Objects

__all__ = ["Enforces"]


class Enforces(Protocol):
    """One of these for each node."""

    def apply(self, objects: Objects) -> Applied:
        """Make the node's kernel as it must be: all of it, or nothing.

        Args:
            objects: the API's ``pods``, ``namespaces`` and ``networkpolicies``, of the whole cluster.

        Raises:
            BadInput: a policy cannot be read; the node enforces what it did before.
        """
        ...

    def clean(self) -> None:
        """Take everything away, however much of it is there."""
        ...
