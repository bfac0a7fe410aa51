"""What a delete does to an object: gone at once, or marked until somebody has finished with it.  Pure functions.

Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination and
https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/
"""

from __future__ import annotations

from labhelpers.store.objects import Object, copied, timestamp
from labhelpers.store.resources import NAMESPACES, PODS, Resource

__all__ = ["finished", "marked"]

_FINALIZER = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}
_POD_GRACE = 30


def marked(resource: Resource, obj: Object, grace: int | None, propagation: str, now: float) -> Object | None:
    """The object as a delete leaves it, or ``None`` if it is gone at once.

    A pod on a node waits for its kubelet, which deletes it again with a grace of 0; anything with finalizers waits for
    who put them there; a namespace for being emptied.
    """
    obj = copied(obj)
    meta = obj["metadata"]
    if finalizer := _FINALIZER.get(propagation):
        meta["finalizers"] = sorted({*meta.get("finalizers", ()), finalizer})
    seconds = _grace(resource, obj, grace)
    already = "deletionTimestamp" in meta
    if not already or seconds < meta.get("deletionGracePeriodSeconds", 0):
        meta["deletionTimestamp"] = timestamp(now + seconds)
        meta["deletionGracePeriodSeconds"] = seconds
    if resource == NAMESPACES and obj.get("spec", {}).get("finalizers"):
        obj.setdefault("status", {})["phase"] = "Terminating"
    return None if finished(resource, obj) else obj


def _grace(resource: Resource, obj: Object, asked: int | None) -> int:
    if resource != PODS:
        return 0
    spec = obj.get("spec") or {}
    if not spec.get("nodeName") or (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    if asked is None:
        already = obj["metadata"].get("deletionGracePeriodSeconds")
        asked = already if already is not None else spec.get("terminationGracePeriodSeconds", _POD_GRACE)
    return max(int(asked), 0)


def finished(resource: Resource, obj: Object) -> bool:
    """Is a marked object waiting for nobody any more?"""
    meta = obj["metadata"]
    return (
        "deletionTimestamp" in meta
        and not meta.get("deletionGracePeriodSeconds")
        and not meta.get("finalizers")
        and not (resource == NAMESPACES and obj.get("spec", {}).get("finalizers"))
    )
