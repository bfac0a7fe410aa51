"""The flow log: who talks to whom, was it let through, and who decided."""

from labhelpers.trace.flows.flow import Flow, FlowSource
from labhelpers.trace.flows.flows import Flows
from labhelpers.trace.flows.observe import observe

__all__ = ["Flow", "FlowSource", "Flows", "observe"]
