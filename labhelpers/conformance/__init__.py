"""Does a network keep the rules?  Each check returns rows: the rule, its source, what was seen, and why it matters."""

from labhelpers.conformance.across import across_nodes
from labhelpers.conformance.network import network_model
from labhelpers.conformance.row import Row

__all__ = ["Row", "across_nodes", "network_model"]
