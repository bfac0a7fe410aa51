"""What is there: a snapshot of every network namespace, and what changed between two.  Reads only."""

from labhelpers.topology.diff import Change, Changes, diff
from labhelpers.topology.model import Cable, End, NamespaceState, Snapshot
from labhelpers.topology.normal import normalised
from labhelpers.topology.watch import Watch

__all__ = ["Cable", "Change", "Changes", "End", "NamespaceState", "Snapshot", "Watch", "diff", "normalised"]
