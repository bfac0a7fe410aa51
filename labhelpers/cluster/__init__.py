"""A small Kubernetes cluster whose nodes and pods are namespaces on the learner's kernel.

``Cluster`` starts ``host``, a process in which everything meets at one ``store``: ``api`` (what kubectl talks to),
``controllers`` and ``scheduler`` (who decide what there should be), and on each node a ``kubelet`` (who makes it so,
with ``images``).  ``node_api`` is what the API server asks a kubelet for; ``client`` is a store that is an API server
elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labhelpers.cluster.cluster import Cluster

__all__ = ["Cluster"]


def __getattr__(name: str) -> Any:
    """Only who makes a cluster needs all of it; ``labhelpers.cluster.host`` is in here too, and begins without."""
    if name != "Cluster":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from labhelpers.cluster.cluster import Cluster

    globals()[name] = Cluster
    return Cluster
