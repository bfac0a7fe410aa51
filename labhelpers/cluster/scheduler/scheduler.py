"""``Scheduler``: a controller that writes ``spec.nodeName``."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

from labhelpers.cluster.controllers.loop import Key
from labhelpers.cluster.events import NORMAL, WARNING, Recorder
from labhelpers.cluster.scheduler.filters import reasons_against
from labhelpers.store import (
    NODES,
    PODS,
    Event,
    Object,
    ObjectNotFound,
    Resource,
    Store,
    controller_of,
    key_of,
    timestamp,
)

__all__ = ["Scheduler"]

_NAME = "default-scheduler"


class Scheduler:
    """Finds nodes for pods that have none.

    Of the nodes that a pod may go to it takes the one with the fewest pods of the same owner, then the fewest pods,
    then the first by name: always the same one, where the real scheduler draws lots.
    """

    watches = (PODS, NODES)

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events = Recorder(store, _NAME)

    def keys(self, resource: Resource, event: Event) -> Iterable[Key]:
        """A pod without a node; and all of these when a node changes or a pod ends, which may have made room."""
        if resource == PODS and event.type != "DELETED" and _waits(event.object):
            return [key_of(event.object)]
        if resource == NODES or event.type == "DELETED":
            return [key_of(one) for one in self._store.list(PODS, fields="spec.nodeName=") if _waits(one)]
        return []

    def sync(self, key: Key) -> float | None:
        """Bind one pod, or say why not."""
        try:
            pod = self._store.get(PODS, key[1], key[0])
        except ObjectNotFound:
            return None
        if not _waits(pod):
            return None
        nodes = self._store.list(NODES).items
        there: dict[str, list[Object]] = {one["metadata"]["name"]: [] for one in nodes}
        for one in self._store.list(PODS):
            name = one["spec"].get("nodeName")
            if name in there and (one.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
                there[name].append(one)
        against = {one["metadata"]["name"]: reasons_against(pod, one, there[one["metadata"]["name"]]) for one in nodes}
        fitting = [name for name, reasons in against.items() if not reasons]
        if fitting:
            self._bind(pod, min(fitting, key=lambda name: (*_load(pod, there[name]), name)))
        else:
            self._say_why(pod, against)
        return None

    def _bind(self, pod: Object, node: str) -> None:
        # the condition first: as soon as there is a node's name, its kubelet writes the status too
        pod = self._store.update(PODS, _with_condition(pod, "True", "", ""), subresource="status")
        pod["spec"]["nodeName"] = node
        when = time.time()  # before the kubelet knows of it
        self._store.update(PODS, pod)
        namespace, name = key_of(pod)
        self._events.record(pod, NORMAL, "Scheduled", f"Successfully assigned {namespace}/{name} to {node}", at=when)

    def _say_why(self, pod: Object, against: dict[str, list[str]]) -> None:
        counted = Counter(reason for reasons in against.values() for reason in reasons)
        total = len(against)
        if total:
            listed = ", ".join(f"{number} {reason}" for reason, number in sorted(counted.items()))
            message = f"0/{total} nodes are available: {listed}."
        else:
            message = "no nodes available to schedule pods"
        changed = _with_condition(pod, "False", "Unschedulable", message)
        self._store.update(PODS, changed, subresource="status")
        self._events.record(pod, WARNING, "FailedScheduling", message)


def _waits(pod: Object) -> bool:
    spec, meta = pod["spec"], pod["metadata"]
    return (
        not spec.get("nodeName")
        and spec.get("schedulerName", _NAME) == _NAME
        and "deletionTimestamp" not in meta
        and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    )


def _load(pod: Object, there: list[Object]) -> tuple[int, int]:
    owner = (controller_of(pod) or {}).get("uid")
    return sum(owner is not None and (controller_of(one) or {}).get("uid") == owner for one in there), len(there)


def _with_condition(pod: Object, status: str, reason: str, message: str) -> Object:
    old = (pod.get("status") or {}).get("conditions") or []
    was = next((one for one in old if one["type"] == "PodScheduled"), None)
    changed = timestamp(time.time()) if was is None or was["status"] != status else was["lastTransitionTime"]
    condition = {"type": "PodScheduled", "status": status, "lastProbeTime": None, "lastTransitionTime": changed}
    condition.update({key: value for key, value in (("reason", reason), ("message", message)) if value})
    others = [one for one in old if one["type"] != "PodScheduled"]
    return {**pod, "status": {**(pod.get("status") or {}), "conditions": [*others, condition]}}
