"""The learner's vocabulary: ``from labhelpers import Lab, Topology, check``.

Names are looked up on first use.  The sandbox starts by importing this package, and it must stay small and
single-threaded until it has moved into its namespaces.  CNI plugins are started for each call and import it too.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # from typing it would cost a plugin more than its own work
if TYPE_CHECKING:
    from typing import Any

    from labhelpers.cluster import Cluster
    from labhelpers.conformance.policy import truth_table
    from labhelpers.course import check, expect, hint, progress, solution
    from labhelpers.doctor import doctor
    from labhelpers.lab import Bridge, Lab, Namespace, Node, Pod, Veth, checkpoint
    from labhelpers.networks import Calico, Canal, Cilium, Flannel, Weave
    from labhelpers.networks.policy import explain
    from labhelpers.topology import Snapshot, diff
    from labhelpers.trace import observe, walk
    from labhelpers.views import Player, Topology, side_by_side

__all__ = [
    "Bridge",
    "Calico",
    "Canal",
    "Cilium",
    "Cluster",
    "Flannel",
    "Lab",
    "Namespace",
    "Node",
    "Player",
    "Pod",
    "Snapshot",
    "Topology",
    "Veth",
    "Weave",
    "check",
    "checkpoint",
    "diff",
    "doctor",
    "expect",
    "explain",
    "hint",
    "observe",
    "progress",
    "side_by_side",
    "solution",
    "truth_table",
    "walk",
]

_HOME = {
    "Bridge": "lab",
    "Calico": "networks",
    "Canal": "networks",
    "Cilium": "networks",
    "Cluster": "cluster",
    "Flannel": "networks",
    "Lab": "lab",
    "Namespace": "lab",
    "Node": "lab",
    "Player": "views",
    "Pod": "lab",
    "Snapshot": "topology",
    "Topology": "views",
    "Veth": "lab",
    "Weave": "networks",
    "check": "course",
    "checkpoint": "lab",
    "diff": "topology",
    "doctor": "doctor",
    "expect": "course",
    "explain": "networks.policy",
    "hint": "course",
    "observe": "trace",
    "progress": "course",
    "side_by_side": "views",
    "solution": "course",
    "truth_table": "conformance.policy",
    "walk": "trace",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    _attach_to_notebook()
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


def _attach_to_notebook() -> None:
    """In a notebook: teach IPython to show our types, and the ``%%ns`` magic."""
    if "IPython" in sys.modules:
        from labhelpers.course import magic
        from labhelpers.views import register

        register.register()
        magic.load()
