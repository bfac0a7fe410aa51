"""NetworkPolicy: what it means, compiled to nftables, one table a node; who decides about a connection, and why."""

from labhelpers.networks.policy.counters import Counter
from labhelpers.networks.policy.enforcer import Applied, Enforcer
from labhelpers.networks.policy.enforces import Enforces
from labhelpers.networks.policy.explain import Explanation, Side, explain
from labhelpers.networks.policy.through_node import through_the_node
from labhelpers.networks.policy.world import HasObjects, Objects, objects_of

__all__ = [
    "Applied",
    "Counter",
    "Enforcer",
    "Enforces",
    "Explanation",
    "HasObjects",
    "Objects",
    "Side",
    "explain",
    "objects_of",
    "through_the_node",
]
