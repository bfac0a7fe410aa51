"""What is done about a node that nobody hears of any more.  The clock is the test's."""

from __future__ import annotations

from typing import Any

import pytest

from labhelpers.cluster.controllers.node_lifecycle import NodeLifecycleController
from labhelpers.store import EVENTS, NODES, PODS, MemoryStore, Object, timestamp

NOON = 1_700_000_000.0
UNREACHABLE = "node.kubernetes.io/unreachable"


class World:
    """One node, whose last word was at noon, and pods on it."""

    def __init__(self) -> None:
        self.now = NOON
        self.store = MemoryStore(clock=lambda: self.now)
        self.controller = NodeLifecycleController(self.store, clock=lambda: self.now)
        self.store.create(NODES, {"metadata": {"name": "n"}, "spec": {}})
        self.beat()

    def beat(self) -> None:
        """The kubelet says that all is well."""
        conditions = [
            {"type": "Ready", "status": "True", "lastHeartbeatTime": timestamp(self.now), "lastTransitionTime": "x"}
        ]
        self.store.patch(NODES, "n", {"status": {"conditions": conditions}}, subresource="status")

    def pod(self, name: str, *tolerations: Object) -> None:
        meta = {"name": name, "namespace": "default"}
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        spec = {"nodeName": "n", "tolerations": list(tolerations)}
        self.store.create(PODS, {"metadata": meta, "spec": spec, "status": status})

    def after(self, seconds: float) -> float | None:
        """So many seconds after noon the controller looks."""
        self.now = NOON + seconds
        return self.controller.sync(("", "n"))

    @property
    def node(self) -> Object:
        return self.store.get(NODES, "n")

    @property
    def ready(self) -> Any:
        return self.node["status"]["conditions"][0]["status"]

    @property
    def taints(self) -> list[str]:
        return [one["effect"] for one in self.node["spec"].get("taints", ()) if one["key"] == UNREACHABLE]

    def going(self) -> list[str]:
        return [one["metadata"]["name"] for one in self.store.list(PODS) if "deletionTimestamp" in one["metadata"]]


@pytest.fixture
def world() -> World:
    return World()


def tolerates(seconds: int | None) -> Object:
    one = {"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute"}
    return one if seconds is None else {**one, "tolerationSeconds": seconds}


def test_a_node_that_speaks_is_left_alone_and_looked_at_when_it_would_be_late(world: World) -> None:
    before = world.node
    assert world.after(10) == 30
    assert world.node == before


def test_a_node_that_is_silent_for_forty_seconds_is_unknown_and_gets_nothing_more(world: World) -> None:
    world.pod("p", tolerates(300))
    world.after(40)
    assert world.ready == "Unknown"
    assert world.taints == ["NoSchedule", "NoExecute"]
    assert [one["reason"] for one in world.store.list(EVENTS)] == ["NodeNotReady"]
    (condition,) = world.store.get(PODS, "p", "default")["status"]["conditions"]
    assert condition["status"] == "False", "its address must leave every service"


def test_pods_stay_for_as_long_as_they_tolerate_it(world: World) -> None:
    world.pod("daemon", tolerates(None))
    world.pod("patient", tolerates(300))
    world.pod("hasty")
    assert world.after(40) == 300
    assert world.going() == ["hasty"]
    assert world.after(339) == 1
    world.after(340)
    assert world.going() == ["hasty", "patient"]


def test_a_node_that_speaks_again_is_as_before(world: World) -> None:
    world.after(50)
    world.now = NOON + 60
    world.beat()
    world.after(61)
    assert world.ready == "True"
    assert "taints" not in world.node["spec"]


def test_somebody_elses_taint_stays(world: World) -> None:
    other = {"key": "k", "effect": "NoSchedule"}
    world.store.patch(NODES, "n", {"spec": {"taints": [other]}})
    world.after(50)
    world.now = NOON + 60
    world.beat()
    world.after(61)
    assert world.node["spec"]["taints"] == [other]


def test_pods_of_a_node_that_was_deleted_are_gone_at_once(world: World) -> None:
    world.pod("daemon", tolerates(None))
    world.pod("p")
    world.store.delete(NODES, "n")
    world.after(1)
    assert len(world.store.list(PODS)) == 0


def test_a_node_that_has_never_spoken_is_waited_for() -> None:
    store = MemoryStore()
    store.create(NODES, {"metadata": {"name": "n"}})
    assert NodeLifecycleController(store).sync(("", "n")) is None
    assert "taints" not in store.get(NODES, "n").get("spec", {})
