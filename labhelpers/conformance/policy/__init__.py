"""Are NetworkPolicies enforced?  Every connection is tried with real packets, and compared with what the API says."""

from labhelpers.conformance.policy.oracle import is_allowed
from labhelpers.conformance.policy.recipes import RECIPES, Recipe
from labhelpers.conformance.policy.table import Cell, TruthTable, truth_table

__all__ = ["RECIPES", "Cell", "Recipe", "TruthTable", "is_allowed", "truth_table"]
