"""A node's lease: the kubelet's sign of life, renewed more often than the status is written.

A real control plane takes a node that renews nothing for 40 seconds to be gone.  The embedded one has no leases; its
node controller is told by the status.

Source: https://kubernetes.io/docs/concepts/architecture/leases/#node-heart-beats.
"""

from __future__ import annotations

from datetime import datetime, timezone

from labhelpers.store import NODES, Object, ObjectNotFound, Resource, Store

__all__ = ["LEASES", "renew"]

LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
_NAMESPACE = "kube-node-lease"
_DURATION = 40  # seconds, as a real kubelet's


def renew(store: Store, node: str) -> None:
    """Say that the node is alive now; makes the lease if there is none.

    Raises:
        Refused: the API server cannot be reached, or there is no such node.
    """
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    try:
        store.patch(LEASES, node, {"spec": {"renewTime": now}}, _NAMESPACE)
    except ObjectNotFound:
        store.create(LEASES, _lease(store.get(NODES, node), now))


def _lease(node: Object, now: str) -> Object:
    """It goes with the node: the node owns it."""
    meta = node["metadata"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": meta["name"], "uid": meta["uid"]}
    return {
        "metadata": {"name": meta["name"], "namespace": _NAMESPACE, "ownerReferences": [owner]},
        "spec": {"holderIdentity": meta["name"], "leaseDurationSeconds": _DURATION, "renewTime": now},
    }
