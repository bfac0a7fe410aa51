"""NetworkPolicy: what it means, compiled to nftables, one table a node; who decides about a connection, and why."""

from labhelpers.networks.policy.enforcer import Applied, Enforcer
from labhelpers.networks.policy.through_node import through_the_node

__all__ = ["Applied", "Enforcer", "through_the_node"]
