"""The kubelet: makes the pods that the store has for a node run on it, and says in the store how they are.

``kubelet`` watches one node's pods and gives each a ``worker``.  A worker goes the real way, step by step: ``sandbox``
(a network namespace, CNI's ADD, a process that keeps the rest), then ``container`` after container, then Ready.
``status`` says what of it is written into the pod, ``node_status`` what into the node.  ``requests`` answers the API
server.  It speaks to the ``store`` interface only, so any API server can stand behind it.
"""

from __future__ import annotations

from labhelpers.cluster.kubelet.kubelet import Kubelet

__all__ = ["Kubelet"]
