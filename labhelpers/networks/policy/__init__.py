"""NetworkPolicy: what it means, compiled to nftables, one table a node; who decides about a connection, and why."""

from labhelpers.networks.policy.counters import Counter
from labhelpers.networks.policy.enforcer import Applied, Enforcer
from labhelpers.networks.policy.explain import Explanation, Side, explain
from labhelpers.networks.policy.through_node import through_the_node

__all__ = ["Applied", "Counter", "Enforcer", "Explanation", "Side", "explain", "through_the_node"]
