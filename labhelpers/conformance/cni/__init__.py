"""Does a CNI plugin, or a runtime, do what the specification asks?  Notebooks and tests call the same suites.

Source: https://www.cni.dev/docs/spec/, specification 1.1.0.
"""

from labhelpers.conformance.cni.plugin_suite import plugin
from labhelpers.conformance.cni.runtime_suite import runtime

__all__ = ["plugin", "runtime"]
