"""Follow one packet through every namespace, and say where and why it dies."""

from labhelpers.trace.hop import Hop, Walk
from labhelpers.trace.walk import walk

__all__ = ["Hop", "Walk", "walk"]
