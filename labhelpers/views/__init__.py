"""What people look at: the live picture, walks, tables, plots, diagrams.  It reads results and changes nothing."""

from labhelpers.views.beside import side_by_side
from labhelpers.views.plots import bars
from labhelpers.views.sequence import Sequence
from labhelpers.views.tables import Table, table_of
from labhelpers.views.topology import Topology
from labhelpers.views.walk_player import Player
from labhelpers.views.walk_text import walk_text
from labhelpers.views.wire import sequence_of

__all__ = [
    "Player",
    "Sequence",
    "Table",
    "Topology",
    "bars",
    "sequence_of",
    "side_by_side",
    "table_of",
    "walk_text",
]
