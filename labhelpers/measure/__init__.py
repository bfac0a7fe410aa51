"""Networks measured side by side: the same pods, one run, in turns; an order is claimed only where there is one."""

from labhelpers.measure.compare import compare
from labhelpers.measure.comparison import Comparison
from labhelpers.measure.entrant import Entrant, every_network
from labhelpers.measure.properties import Properties
from labhelpers.measure.quantity import QUANTITIES, Quantity
from labhelpers.measure.standing import Standing

__all__ = [
    "QUANTITIES",
    "Comparison",
    "Entrant",
    "Properties",
    "Quantity",
    "Standing",
    "compare",
    "every_network",
]
