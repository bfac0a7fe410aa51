"""Follow one packet through every namespace, and say where and why it dies; see who talks to whom."""

from labhelpers.trace.flows import Flow, Flows, observe
from labhelpers.trace.hop import Hop, Walk
from labhelpers.trace.walk import walk

__all__ = ["Flow", "Flows", "Hop", "Walk", "observe", "walk"]
