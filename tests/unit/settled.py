"""Controllers without threads: turn by turn, until nothing changes any more.  And nodes that do as they are told."""

from __future__ import annotations

from typing import Any

from labhelpers.cluster.api.request import Target
from labhelpers.cluster.api.verbs import create
from labhelpers.cluster.controllers import controllers
from labhelpers.cluster.scheduler import Scheduler
from labhelpers.store import (
    DEPLOYMENTS,
    NAMESPACES,
    NODES,
    PODS,
    RESOURCES,
    Conflict,
    MemoryStore,
    Object,
    Resource,
    timestamp,
)

NOON = 1_700_000_000.0
_MOST_TURNS = 300


class World:
    """A store with controllers, and nodes that start every image but the broken ones."""

    def __init__(self, nodes: int = 2) -> None:
        self.store = MemoryStore()
        self.controllers = [*controllers(self.store), Scheduler(self.store)]
        self.watches = {kind: self.store.watch(kind) for kind in RESOURCES}
        self.broken_images: set[str] = set()
        for name in ("default", "kube-system"):
            self.create(NAMESPACES, {"metadata": {"name": name}})
        for number in range(1, nodes + 1):
            self.node(f"node-{number}")
        self.settle()

    def node(self, name: str, **spec: Any) -> None:
        ready = {"type": "Ready", "status": "True"}
        self.store.create(NODES, {"metadata": {"name": name}, "spec": spec, "status": {"conditions": [ready]}})

    def create(self, resource: Resource, obj: Object, namespace: str = "default") -> Object:
        target = Target(resource, namespace if resource.namespaced else "")
        return create(self.store, target, obj, validation="Strict", dry_run=False)[0]

    def deployment(self, name: str = "web", image: str = "nginx", replicas: int = 3, **spec: Any) -> Object:
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}
        wanted = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec}
        return self.create(DEPLOYMENTS, {"metadata": {"name": name}, "spec": wanted})

    def change(self, resource: Resource, name: str, patch: Object) -> Object:
        return self.store.patch(resource, name, patch, "default")

    def turn(self) -> bool:
        """Every controller looks at what changed, and the nodes too.  Did anything change?"""
        before = self.store.resource_version
        events = [(kind, event) for kind, watch in self.watches.items() for event in watch.poll()]
        for one in self.controllers:
            keys = {key: None for kind, event in events if kind in one.watches for key in one.keys(kind, event)}
            for key in keys:
                while True:
                    try:
                        one.sync(key)
                        break
                    except Conflict:
                        continue
        self.nodes_turn()
        return self.store.resource_version != before

    def settle(self) -> None:
        for _ in range(_MOST_TURNS):
            if not self.turn():
                return
        raise AssertionError(f"still changing after {_MOST_TURNS} turns")

    def nodes_turn(self) -> None:
        """Start one pod that waits, stop one that should."""
        for pod in self.store.list(PODS):
            meta, status = pod["metadata"], pod.get("status") or {}
            if not pod["spec"].get("nodeName"):
                continue
            if "deletionTimestamp" in meta:
                self.store.delete(PODS, meta["name"], meta["namespace"], grace=0)
            elif status.get("phase") == "Pending" and pod["spec"]["containers"][0]["image"] not in self.broken_images:
                number = int(meta["uid"][:2], 16) % 200 + 2
                conditions = [*(status.get("conditions") or ()), ready(True)]
                pod["status"] = {**status, "phase": "Running", "podIP": f"10.0.1.{number}", "conditions": conditions}
                self.store.update(PODS, pod, subresource="status")
                return

    def pods(self, **labels: str) -> list[Object]:
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        return self.store.list(PODS, labels=selector).items


def ready(is_so: bool) -> Object:
    return {"type": "Ready", "status": "True" if is_so else "False", "lastTransitionTime": timestamp(NOON)}
