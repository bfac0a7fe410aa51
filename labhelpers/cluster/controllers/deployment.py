"""Deployment: a ReplicaSet for each template, and the way from one to the next."""

from __future__ import annotations

import time
from collections.abc import Iterable

from labhelpers.cluster.controllers.deployment_status import deployment_status, is_complete
from labhelpers.cluster.controllers.loop import Key
from labhelpers.cluster.controllers.owned import controlled_by, is_active, key_of_controller, pods_of
from labhelpers.cluster.controllers.revisions import find_new, forget_old, new_set
from labhelpers.cluster.controllers.rollout import limits_of, new_replicas, old_replicas, replicas_of
from labhelpers.cluster.events import NORMAL, Recorder
from labhelpers.store import DEPLOYMENTS, REPLICASETS, Event, Object, ObjectNotFound, Resource, Store, key_of

__all__ = ["DeploymentController"]


class DeploymentController:
    """Makes sets, and moves pods from old ones to the new one."""

    watches = (DEPLOYMENTS, REPLICASETS)

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events = Recorder(store, "deployment-controller")

    def keys(self, resource: Resource, event: Event) -> Iterable[Key]:
        """A deployment, or the one that a set is of."""
        return [key_of(event.object)] if resource == DEPLOYMENTS else key_of_controller(event.object, "Deployment")

    def sync(self, key: Key) -> float | None:
        """One step of the way; its own writes bring it back for the next."""
        try:
            deployment = self._store.get(DEPLOYMENTS, key[1], key[0])
        except ObjectNotFound:
            return None
        sets = controlled_by(deployment, self._store.list(REPLICASETS, key[0]))
        if "deletionTimestamp" not in deployment["metadata"]:
            sets = self._step(deployment, sets)
        new = find_new(deployment, sets)
        status, again = deployment_status(deployment, new, sets, limits_of(deployment), time.time())
        deployment["status"] = status
        self._store.update(DEPLOYMENTS, deployment, subresource="status")
        return again

    def _step(self, deployment: Object, sets: list[Object]) -> list[Object]:
        limits = limits_of(deployment)
        new, old = _split(deployment, sets)
        if deployment["spec"].get("paused"):
            return self._paused(deployment, [*([new] if new else []), *old])
        recreate = deployment["spec"]["strategy"].get("type") == "Recreate"
        if recreate and (sum(map(replicas_of, old)) or self._still_there(old)):
            return [*([new] if new else []), *(self._scale(deployment, one, 0) for one in old)]
        new, made = new_set(self._store, deployment, sets, new_replicas(limits, new, old), limits.most)
        if made:
            self._say_scaled(deployment, new, 0)
        new = self._scale(deployment, new, new_replicas(limits, new, old))
        wanted = old_replicas(limits, new, old)
        old = [self._scale(deployment, one, wanted[one["metadata"]["name"]]) for one in old]
        if is_complete(deployment, new, [new, *old]):
            forget_old(self._store, deployment, old)
        return [new, *old]

    def _paused(self, deployment: Object, sets: list[Object]) -> list[Object]:
        """While paused only the number of pods changes, and only if they are all of one set."""
        active = [one for one in sets if replicas_of(one)] or sets[:1]
        if len(active) != 1:
            return sets
        scaled = self._scale(deployment, active[0], deployment["spec"].get("replicas", 1))
        return [scaled if one is active[0] else one for one in sets]

    def _still_there(self, old: list[Object]) -> bool:
        return any(is_active(pod) for one in old for pod in pods_of(self._store, one))

    def _scale(self, deployment: Object, one: Object, replicas: int) -> Object:
        before = replicas_of(one)
        if before == replicas:
            return one
        one["spec"]["replicas"] = replicas
        one = self._store.update(REPLICASETS, one)
        self._say_scaled(deployment, one, before)
        return one

    def _say_scaled(self, deployment: Object, one: Object, before: int) -> None:
        now = replicas_of(one)
        if now != before:
            how = "up" if now > before else "down"
            text = f"Scaled {how} replica set {one['metadata']['name']} from {before} to {now}"
            self._events.record(deployment, NORMAL, "ScalingReplicaSet", text)


def _split(deployment: Object, sets: list[Object]) -> tuple[Object | None, list[Object]]:
    new = find_new(deployment, sets)
    return new, [one for one in sets if one is not new]
