"""A node that nobody has heard of for a while: its state is unknown, nothing more is put there, its pods are replaced.

Source: https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime

from labhelpers.cluster.controllers.loop import Key
from labhelpers.cluster.events import NORMAL, Recorder
from labhelpers.store import NODES, PODS, Event, Object, ObjectNotFound, Resource, Store, key_of, timestamp

__all__ = ["NodeLifecycleController"]

_GRACE = 40.0  # seconds without a word, as in Kubernetes; a kubelet says something every ten
_UNREACHABLE = "node.kubernetes.io/unreachable"


class NodeLifecycleController:
    """Watches the heartbeats.

    Args:
        grace: seconds without a heartbeat.
        clock: seconds since 1970.
    """

    watches = (NODES,)

    def __init__(self, store: Store, *, grace: float = _GRACE, clock: Callable[[], float] = time.time) -> None:
        self._store, self._grace, self._clock = store, grace, clock
        self._events = Recorder(store, "node-controller")

    def keys(self, resource: Resource, event: Event) -> Iterable[Key]:
        """The node."""
        return [key_of(event.object)]

    def sync(self, key: Key) -> float | None:
        """Compare the last heartbeat with the time."""
        name = key[1]
        try:
            node = self._store.get(NODES, name)
        except ObjectNotFound:
            self._evict(name, "", 0.0)
            return None
        heard = _last_heartbeat(node)
        if heard is None:  # it has not said anything yet
            return None
        silent = self._clock() - heard
        if silent < self._grace:
            self._taint(node, False)
            return self._grace - silent
        self._unknown(node)
        self._taint(self._store.get(NODES, name), True)
        return self._evict(name, timestamp(heard + self._grace), silent - self._grace)

    def _unknown(self, node: Object) -> None:
        conditions = node["status"]["conditions"]
        changed = False
        for one in conditions:
            if one["status"] != "Unknown":
                changed = True
                one.update(
                    status="Unknown",
                    reason="NodeStatusUnknown",
                    message="Kubelet stopped posting node status.",
                    lastTransitionTime=timestamp(self._clock()),
                )
        if changed:
            self._store.update(NODES, node, subresource="status")
            name = node["metadata"]["name"]
            self._events.record(node, NORMAL, "NodeNotReady", f"Node {name} status is now: NodeNotReady")
            self._pods_not_ready(name)

    def _pods_not_ready(self, name: str) -> None:
        """A pod on a node that does not answer counts as not ready, so that its address leaves every service."""
        for pod in self._store.list(PODS, fields=f"spec.nodeName={name}"):
            for one in (pod.get("status") or {}).get("conditions") or ():
                if one["type"] == "Ready" and one["status"] == "True":
                    one.update(status="False", lastTransitionTime=timestamp(self._clock()))
                    self._store.update(PODS, pod, subresource="status")

    def _taint(self, node: Object, wanted: bool) -> None:
        taints = (node.get("spec") or {}).get("taints") or []
        kept = [one for one in taints if one["key"] != _UNREACHABLE]
        if wanted and len(kept) == len(taints):
            kept += [{"key": _UNREACHABLE, "effect": effect} for effect in ("NoSchedule", "NoExecute")]
        elif wanted or len(kept) == len(taints):
            return
        node.setdefault("spec", {})["taints"] = kept
        if not kept:
            del node["spec"]["taints"]
        self._store.update(NODES, node)

    def _evict(self, name: str, since: str, silent: float) -> float | None:
        """Delete the pods whose patience is over; of a node that was deleted, all.  Returns when the next one's is."""
        left = []
        for pod in self._store.list(PODS, fields=f"spec.nodeName={name}"):
            patience = _patience(pod) if since else 0.0
            if patience is None:
                continue
            if silent < patience:
                left.append(patience - silent)
                continue
            meta = pod["metadata"]
            grace = None if since else 0  # nobody is there any more who could finish it
            if "deletionTimestamp" not in meta or not since:
                self._store.delete(PODS, meta["name"], meta["namespace"], uid=meta["uid"], grace=grace)
        return min(left, default=None)


def _last_heartbeat(node: Object) -> float | None:
    conditions = (node.get("status") or {}).get("conditions") or ()
    text = next((one.get("lastHeartbeatTime") for one in conditions if one["type"] == "Ready"), None)
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else None


def _patience(pod: Object) -> float | None:
    """How many seconds a pod stays on a node that does not answer; none is for ever."""
    for one in pod["spec"].get("tolerations") or ():
        if one.get("key") in (None, "", _UNREACHABLE) and one.get("effect") in (None, "", "NoExecute"):
            seconds = one.get("tolerationSeconds")
            return None if seconds is None else float(seconds)
    return 0.0
