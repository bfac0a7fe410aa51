"""The Container Network Interface: the runtime that calls plugins, and plugins of our own.

A plugin is a program.  The runtime starts it in the node's namespaces, with its parameters in the environment and the
network configuration on standard input, and reads a result from standard output.  Plugins are always started, as the
specification says; nothing here calls one as a function.

Names are looked up on first use: the course's own plugins import this package at every call, and need none of them.

Source: https://www.cni.dev/docs/spec/, specification 1.1.0.
"""

from __future__ import annotations

TYPE_CHECKING = False  # from typing it would cost a plugin more than its own work
if TYPE_CHECKING:
    from typing import Any

    from labhelpers.cni.config import NetworkConfigList
    from labhelpers.cni.exchange import Exchange
    from labhelpers.cni.operation import Operation
    from labhelpers.cni.pod import CniPod
    from labhelpers.cni.result import Result
    from labhelpers.cni.runtime import Runtime

__all__ = ["CniPod", "Exchange", "NetworkConfigList", "Operation", "Result", "Runtime"]

_HOME = {
    "CniPod": "pod",
    "Exchange": "exchange",
    "NetworkConfigList": "config",
    "Operation": "operation",
    "Result": "result",
    "Runtime": "runtime",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    return value
