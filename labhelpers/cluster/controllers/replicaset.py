"""ReplicaSet: as many pods as it wants, no more and no fewer."""

from __future__ import annotations

import time
from collections.abc import Iterable

from labhelpers.cluster.controllers.loop import Key
from labhelpers.cluster.controllers.owned import (
    available_after,
    is_active,
    is_ready,
    key_of_controller,
    pod_from_template,
    pods_of,
)
from labhelpers.cluster.events import NORMAL, WARNING, Recorder
from labhelpers.store import PODS, REPLICASETS, Event, Object, ObjectNotFound, Refused, Resource, Store, key_of

__all__ = ["ReplicaSetController"]

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


class ReplicaSetController:
    """Keeps the number of pods."""

    watches = (REPLICASETS, PODS)

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events = Recorder(store, "replicaset-controller")

    def keys(self, resource: Resource, event: Event) -> Iterable[Key]:
        """A set, or the set that a pod is of."""
        return [key_of(event.object)] if resource == REPLICASETS else key_of_controller(event.object, "ReplicaSet")

    def sync(self, key: Key) -> float | None:
        """Create what is missing, delete what is too much, count."""
        try:
            wanted = self._store.get(REPLICASETS, key[1], key[0])
        except ObjectNotFound:
            return None
        pods = [one for one in pods_of(self._store, wanted) if is_active(one)]
        if "deletionTimestamp" not in wanted["metadata"]:
            pods = self._right_number(wanted, pods)
        return self._count(wanted, pods)

    def _right_number(self, wanted: Object, pods: list[Object]) -> list[Object]:
        missing = wanted["spec"].get("replicas", 1) - len(pods)
        for _ in range(missing):
            try:
                pod = self._store.create(PODS, pod_from_template(REPLICASETS, wanted))
            except Refused as error:
                self._events.record(wanted, WARNING, "FailedCreate", f"Error creating: {error.what}")
                raise
            self._events.record(wanted, NORMAL, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
            pods = [*pods, pod]
        if missing < 0:
            for pod in sorted(pods, key=_who_goes_first)[:-missing]:
                meta = pod["metadata"]
                self._store.delete(PODS, meta["name"], meta["namespace"], uid=meta["uid"])
                self._events.record(wanted, NORMAL, "SuccessfulDelete", f"Deleted pod: {meta['name']}")
                pods = [one for one in pods if one is not pod]
        return pods

    def _count(self, wanted: Object, pods: list[Object]) -> float | None:
        delays = [available_after(one, wanted["spec"].get("minReadySeconds", 0), time.time()) for one in pods]
        labels = (wanted["spec"]["template"].get("metadata") or {}).get("labels") or {}
        status = {
            "replicas": len(pods),
            "fullyLabeledReplicas": sum(
                labels.items() <= (one["metadata"].get("labels") or {}).items() for one in pods
            ),
            "readyReplicas": sum(map(is_ready, pods)),
            "availableReplicas": sum(delay == 0 for delay in delays),
            "observedGeneration": wanted["metadata"]["generation"],
        }
        wanted["status"] = {key: value for key, value in status.items() if value or key == "replicas"}
        self._store.update(REPLICASETS, wanted, subresource="status")
        return min((delay for delay in delays if delay), default=None)


def _who_goes_first(pod: Object) -> tuple[bool, int, bool, int]:
    """Pods without a node, then those that do not run or are not ready yet, then the youngest.

    Source: ``ActivePods`` in https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/controller_utils.go
    """
    phase = (pod.get("status") or {}).get("phase", "Unknown")
    # of two created in one second the later one has the higher version: time stamps are too coarse
    age = int(pod["metadata"]["resourceVersion"])
    return bool(pod["spec"].get("nodeName")), _PHASES.get(phase, 1), is_ready(pod), -age
