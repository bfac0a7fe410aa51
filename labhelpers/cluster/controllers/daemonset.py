"""DaemonSet: one pod on each node that may have it.

Source: https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from labhelpers.cluster.controllers.daemon_revisions import HASH, keep_history
from labhelpers.cluster.controllers.loop import Key
from labhelpers.cluster.controllers.owned import (
    available_after,
    is_active,
    is_ready,
    key_of_controller,
    pod_from_template,
    pods_of,
    template_hash,
)
from labhelpers.cluster.events import NORMAL, Recorder
from labhelpers.cluster.scheduler.filters import reasons_against
from labhelpers.store import (
    CONTROLLERREVISIONS,
    DAEMONSETS,
    NODES,
    PODS,
    Event,
    Object,
    ObjectNotFound,
    Resource,
    Store,
    key_of,
)

__all__ = ["DaemonSetController"]

#: what a daemon bears that other pods do not
_TOLERATED = (
    ("not-ready", "NoExecute"), ("unreachable", "NoExecute"), ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"), ("pid-pressure", "NoSchedule"), ("unschedulable", "NoSchedule"),
)  # fmt: skip


class DaemonSetController:
    """Keeps a pod on each node."""

    watches = (CONTROLLERREVISIONS, DAEMONSETS, NODES, PODS)

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events = Recorder(store, "daemonset-controller")

    def keys(self, resource: Resource, event: Event) -> Iterable[Key]:
        """A set, the set that a pod or a revision is of, or for a node all of them."""
        if resource == NODES:
            return [key_of(one) for one in self._store.list(DAEMONSETS)]
        return [key_of(event.object)] if resource == DAEMONSETS else key_of_controller(event.object, "DaemonSet")

    def sync(self, key: Key) -> float | None:
        """Create what is missing, delete what is too much or old, count."""
        try:
            wanted = self._store.get(DAEMONSETS, key[1], key[0])
        except ObjectNotFound:
            return None
        if "deletionTimestamp" in wanted["metadata"]:
            return None
        revision = template_hash(wanted["spec"]["template"])
        fitting = {
            node["metadata"]["name"] for node in self._store.list(NODES) if not self._why_not(wanted, node, revision)
        }
        pods = [one for one in pods_of(self._store, wanted) if is_active(one)]
        keep_history(self._store, wanted, revision, pods)
        by_node: dict[str, list[Object]] = {}
        for one in sorted(pods, key=lambda one: int(one["metadata"]["resourceVersion"])):
            by_node.setdefault(_node_of(one), []).append(one)
        for name, here in by_node.items():
            for one in here if name not in fitting else here[1:]:
                self._delete(wanted, one)
        for name in sorted(fitting - by_node.keys()):
            pod = self._store.create(PODS, self._pod(wanted, name, revision))
            self._events.record(wanted, NORMAL, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
        kept = {name: here[0] for name, here in by_node.items() if name in fitting}
        self._replace_old(wanted, kept, revision, len(fitting))
        return self._count(wanted, kept, revision, len(fitting), len(by_node.keys() - fitting))

    def _pod(self, wanted: Object, node: str, revision: str) -> Object:
        """A pod that fits on one node only; the scheduler puts it there."""
        pod = pod_from_template(DAEMONSETS, wanted, labels={HASH: revision})
        spec = pod["spec"]
        field = {"key": "metadata.name", "operator": "In", "values": [node]}
        required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
        affinity = spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})
        affinity["requiredDuringSchedulingIgnoredDuringExecution"] = required
        there = [one for one in spec.get("tolerations") or () if not one.get("tolerationSeconds")]
        keys = [*_TOLERATED, *([("network-unavailable", "NoSchedule")] if spec.get("hostNetwork") else [])]
        spec["tolerations"] = there + [
            {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": effect} for key, effect in keys
        ]
        return pod

    def _why_not(self, wanted: Object, node: Object, revision: str) -> list[str]:
        return reasons_against(self._pod(wanted, node["metadata"]["name"], revision), node, ())

    def _delete(self, wanted: Object, pod: Object) -> None:
        meta = pod["metadata"]
        self._store.delete(PODS, meta["name"], meta["namespace"], uid=meta["uid"])
        self._events.record(wanted, NORMAL, "SuccessfulDelete", f"Deleted pod: {meta['name']}")

    def _replace_old(self, wanted: Object, kept: dict[str, Object], revision: str, nodes: int) -> None:
        """Delete pods of an old template, no more at a time than may be missing; their nodes get new ones after it."""
        strategy = wanted["spec"].get("updateStrategy") or {}
        if strategy.get("type", "RollingUpdate") != "RollingUpdate":
            return
        allowed = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1)
        if isinstance(allowed, str):
            allowed = max(1, -(-nodes * int(allowed.rstrip("%")) // 100))
        old = [one for one in kept.values() if one["metadata"]["labels"].get(HASH) != revision]
        allowed -= sum(not is_ready(one) for one in kept.values()) + nodes - len(kept)
        broken = [one for one in old if not is_ready(one)]
        for one in [*broken, *[one for one in old if is_ready(one)][: max(allowed, 0)]]:
            self._delete(wanted, one)

    def _count(
        self, wanted: Object, kept: dict[str, Object], revision: str, nodes: int, misplaced: int
    ) -> float | None:
        seconds = wanted["spec"].get("minReadySeconds", 0)
        delays = [available_after(one, seconds, time.time()) for one in kept.values()]
        available = sum(delay == 0 for delay in delays)
        wanted["status"] = {
            "currentNumberScheduled": len(kept),
            "numberMisscheduled": misplaced,
            "desiredNumberScheduled": nodes,
            "numberReady": sum(map(is_ready, kept.values())),
            "observedGeneration": wanted["metadata"]["generation"],
        }
        updated = sum(one["metadata"]["labels"].get(HASH) == revision for one in kept.values())
        more = {"updatedNumberScheduled": updated, "numberAvailable": available, "numberUnavailable": nodes - available}
        wanted["status"].update({key: value for key, value in more.items() if value})
        self._store.update(DAEMONSETS, wanted, subresource="status")
        return min((delay for delay in delays if delay), default=None)


def _node_of(pod: Object) -> str:
    """The node a pod is on, or is meant for."""
    if pod["spec"].get("nodeName"):
        return str(pod["spec"]["nodeName"])
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    terms = (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or ()
    fields = [one for term in terms for one in term.get("matchFields") or ()]
    return str(fields[0]["values"][0]) if fields else ""
