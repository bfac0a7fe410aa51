"""The controllers, turn by turn over a store: what they make, in which steps, and what they leave."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.cluster.controllers import Manager
from labhelpers.cluster.controllers.owned import same_template, template_hash
from labhelpers.cluster.controllers.rollout import limits_of
from labhelpers.store import (
    DAEMONSETS,
    DEPLOYMENTS,
    ENDPOINTS,
    ENDPOINTSLICES,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICASETS,
    SERVICEACCOUNTS,
    SERVICES,
    Conflict,
    MemoryStore,
    Object,
    ObjectNotFound,
    safe_encoded,
)
from tests.unit.settled import World, ready


@pytest.fixture
def world() -> World:
    return World()


def new_image(image: str) -> Object:
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}


def images(world: World) -> Counter[str]:
    return Counter(one["spec"]["containers"][0]["image"] for one in world.pods())


def messages(world: World, reason: str) -> list[str]:
    return [one["message"] for one in world.store.list(EVENTS) if one["reason"] == reason]


def condition(obj: Object, kind: str) -> Object:
    return next((one for one in obj["status"]["conditions"] if one["type"] == kind), {})


def test_a_deployment_makes_a_set_and_the_set_makes_pods(world: World) -> None:
    world.deployment()
    world.settle()
    (made,) = world.store.list(REPLICASETS)
    suffix = made["metadata"]["labels"]["pod-template-hash"]
    assert made["metadata"]["name"] == f"web-{suffix}"
    pods = world.pods(**{"app": "web", "pod-template-hash": suffix})
    assert [one["metadata"]["generateName"] for one in pods] == 3 * [f"web-{suffix}-"]
    assert all(one["spec"]["serviceAccountName"] == "default" and one["status"]["qosClass"] for one in pods)
    deployment = world.store.get(DEPLOYMENTS, "web", "default")
    status = deployment["status"]
    assert (status["replicas"], status["updatedReplicas"], status["availableReplicas"]) == (3, 3, 3)
    assert "unavailableReplicas" not in status
    assert condition(deployment, "Available")["status"] == "True"
    assert condition(deployment, "Progressing")["reason"] == "NewReplicaSetAvailable"
    assert status["observedGeneration"] == deployment["metadata"]["generation"]
    assert len(messages(world, "SuccessfulCreate")) == 3
    assert messages(world, "ScalingReplicaSet") == [f"Scaled up replica set web-{suffix} from 0 to 3"]


def test_names_are_the_same_in_every_run() -> None:
    names = []
    for _ in range(2):
        world = World()
        world.deployment()
        world.settle()
        names.append([one["metadata"]["name"] for one in world.pods()])
    assert names[0] == names[1]


def test_pods_are_spread_over_the_nodes(world: World) -> None:
    world.deployment(replicas=4)
    world.settle()
    assert Counter(one["spec"]["nodeName"] for one in world.pods()) == {"node-1": 2, "node-2": 2}


def test_a_pod_that_is_deleted_is_replaced(world: World) -> None:
    world.deployment()
    world.settle()
    first = world.pods()[0]["metadata"]["name"]
    world.store.delete(PODS, first, "default")
    world.settle()
    names = [one["metadata"]["name"] for one in world.pods()]
    assert first not in names
    assert len(names) == 3


def test_a_pod_that_has_ended_is_replaced_too(world: World) -> None:
    world.deployment(replicas=1)
    world.settle()
    pod = world.pods()[0]
    pod["status"]["phase"] = "Failed"
    world.store.update(PODS, pod, subresource="status")
    world.settle()
    assert sorted(one["status"]["phase"] for one in world.pods()) == ["Failed", "Running"]


def test_scaling_down_takes_first_what_is_not_ready(world: World) -> None:
    world.deployment(replicas=3)
    world.settle()
    pod = world.pods()[1]
    pod["status"]["conditions"] = [ready(False)]
    world.store.update(PODS, pod, subresource="status")
    world.change(DEPLOYMENTS, "web", {"spec": {"replicas": 2}})
    world.settle()
    assert pod["metadata"]["name"] not in [one["metadata"]["name"] for one in world.pods()]
    assert len(world.pods()) == 2


def test_a_rollout_keeps_within_its_limits(world: World) -> None:
    world.deployment(replicas=4)
    world.settle()
    world.change(DEPLOYMENTS, "web", new_image("nginx:2"))
    seen = []
    while world.turn():
        pods = world.pods()
        available = sum(
            any(c["type"] == "Ready" and c["status"] == "True" for c in p["status"].get("conditions", ())) for p in pods
        )
        seen.append((len([one for one in pods if "deletionTimestamp" not in one["metadata"]]), available))
    assert images(world) == {"nginx:2": 4}
    assert max(total for total, _ in seen) <= 5
    assert min(available for _, available in seen) >= 3
    assert len({total for total, _ in seen}) > 1, "all pods were never replaced at once"


@pytest.mark.parametrize(
    ("replicas", "rolling", "most", "fewest"),
    [
        (4, {}, 5, 3),
        (10, {"maxSurge": "25%", "maxUnavailable": "25%"}, 13, 8),
        (1, {}, 2, 1),
        (3, {"maxSurge": 0, "maxUnavailable": 0}, 3, 2),
        (2, {"maxSurge": "100%", "maxUnavailable": 1}, 4, 1),
        (0, {}, 0, 0),
    ],
)
def test_more_is_rounded_up_and_missing_down(replicas: int, rolling: Any, most: int, fewest: int) -> None:
    limits = limits_of({"spec": {"replicas": replicas, "strategy": {"rollingUpdate": rolling}}})
    assert (limits.most, limits.fewest) == (most, fewest)


def test_recreate_has_no_old_pod_beside_a_new_one(world: World) -> None:
    world.deployment(replicas=2, strategy={"type": "Recreate"})
    world.settle()
    world.change(DEPLOYMENTS, "web", new_image("nginx:2"))
    while world.turn():
        assert len(images(world)) <= 1
    assert images(world) == {"nginx:2": 2}


def revisions(world: World) -> dict[str, str]:
    return {
        one["spec"]["template"]["spec"]["containers"][0]["image"]: one["metadata"]["annotations"][
            "deployment.kubernetes.io/revision"
        ]
        for one in world.store.list(REPLICASETS)
    }


def test_going_back_gives_the_old_template_a_new_number(world: World) -> None:
    world.deployment(image="a", replicas=1)
    world.settle()
    assert revisions(world) == {"a": "1"}
    world.change(DEPLOYMENTS, "web", new_image("b"))
    world.settle()
    assert revisions(world) == {"a": "1", "b": "2"}
    world.change(DEPLOYMENTS, "web", new_image("a"))
    world.settle()
    assert revisions(world) == {"a": "3", "b": "2"}
    assert images(world) == {"a": 1}
    deployment = world.store.get(DEPLOYMENTS, "web", "default")
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


def test_a_rollout_that_cannot_work_leaves_the_old_pods_and_going_back_ends_it(world: World) -> None:
    world.broken_images.add("broken")
    world.deployment(image="a", replicas=4)
    world.settle()
    world.change(DEPLOYMENTS, "web", new_image("broken"))
    world.settle()
    assert images(world) == {"a": 3, "broken": 2}
    deployment = world.store.get(DEPLOYMENTS, "web", "default")
    assert condition(deployment, "Progressing")["reason"] == "ReplicaSetUpdated"
    world.change(DEPLOYMENTS, "web", new_image("a"))
    world.settle()
    assert images(world) == {"a": 4}
    deployment = world.store.get(DEPLOYMENTS, "web", "default")
    assert condition(deployment, "Progressing")["reason"] == "NewReplicaSetAvailable"


def test_pods_that_do_not_work_go_first(world: World) -> None:
    world.broken_images.add("broken")
    world.deployment(image="broken", replicas=3)
    world.settle()
    world.change(DEPLOYMENTS, "web", new_image("a"))
    world.settle()
    assert images(world) == {"a": 3}


def test_the_history_is_as_long_as_it_may_be(world: World) -> None:
    world.deployment(image="a", replicas=1, revisionHistoryLimit=1)
    for image in ("b", "c", "d"):
        world.settle()
        world.change(DEPLOYMENTS, "web", new_image(image))
    world.settle()
    assert revisions(world) == {"c": "3", "d": "4"}


def test_a_paused_deployment_keeps_its_template_and_takes_its_number(world: World) -> None:
    world.deployment(image="a", replicas=1)
    world.settle()
    world.change(DEPLOYMENTS, "web", {"spec": {"paused": True, "replicas": 2, **new_image("b")["spec"]}})
    world.settle()
    assert images(world) == {"a": 2}
    world.change(DEPLOYMENTS, "web", {"spec": {"paused": False}})
    world.settle()
    assert images(world) == {"b": 2}


def test_what_a_deployment_owns_goes_after_it(world: World) -> None:
    world.deployment()
    world.settle()
    world.store.delete(DEPLOYMENTS, "web", "default")
    world.settle()
    assert len(world.store.list(REPLICASETS)) == len(world.pods()) == 0


def test_in_the_foreground_what_it_owns_goes_first(world: World) -> None:
    world.deployment()
    world.settle()
    world.store.delete(DEPLOYMENTS, "web", "default", propagation="Foreground")
    seen = []
    while world.turn():
        seen.append((len(world.store.list(DEPLOYMENTS)), len(world.store.list(REPLICASETS)), len(world.pods())))
    assert seen[-1] == (0, 0, 0)
    assert all(owner >= bool(sets) >= bool(pods) for owner, sets, pods in seen)


def test_orphans_stay(world: World) -> None:
    world.deployment()
    world.settle()
    world.store.delete(DEPLOYMENTS, "web", "default", propagation="Orphan")
    world.settle()
    assert len(world.store.list(DEPLOYMENTS)) == 0
    (left,) = world.store.list(REPLICASETS)
    assert not left["metadata"].get("ownerReferences")
    assert len(world.pods()) == 3


def test_a_namespace_is_furnished_and_cleared_out(world: World) -> None:
    world.create(NAMESPACES, {"metadata": {"name": "team"}})
    world.settle()
    assert world.store.get(SERVICEACCOUNTS, "default", "team")
    world.create(PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}, "team")
    world.settle()
    world.store.delete(NAMESPACES, "team")
    world.settle()
    # the pod needed a turn to stop, and the controller asks again after a while by itself
    for one in world.controllers:
        if NAMESPACES in one.watches:
            one.sync(("", "team"))
    with pytest.raises(ObjectNotFound):
        world.store.get(NAMESPACES, "team")
    assert not [one for one in world.pods() if one["metadata"]["namespace"] == "team"]


def daemonset(**spec: Any) -> Object:
    labels = {"app": "d"}
    pod = {"containers": [{"name": "c", "image": "a"}], **spec}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}


def nodes_of_pods(world: World) -> list[str]:
    return sorted(one["spec"].get("nodeName", "") for one in world.pods())


def test_a_daemon_is_on_every_node_and_comes_to_new_ones(world: World) -> None:
    world.create(DAEMONSETS, daemonset())
    world.settle()
    assert nodes_of_pods(world) == ["node-1", "node-2"]
    world.node("node-3")
    world.settle()
    assert nodes_of_pods(world) == ["node-1", "node-2", "node-3"]
    status = world.store.get(DAEMONSETS, "d", "default")["status"]
    assert (status["desiredNumberScheduled"], status["numberReady"], status["numberAvailable"]) == (3, 3, 3)
    world.store.delete(NODES, "node-3")
    world.settle()
    assert world.store.get(DAEMONSETS, "d", "default")["status"]["desiredNumberScheduled"] == 2


def test_a_daemon_goes_where_nothing_else_may_and_not_where_it_does_not_want(world: World) -> None:
    world.node("closed", unschedulable=True)
    world.node("tainted", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}])
    world.create(DAEMONSETS, daemonset())
    world.settle()
    assert nodes_of_pods(world) == ["closed", "node-1", "node-2"]


def test_a_daemons_new_template_reaches_one_node_after_the_other(world: World) -> None:
    world.create(DAEMONSETS, daemonset())
    world.settle()
    world.change(DAEMONSETS, "d", new_image("b"))
    fewest = 2
    while world.turn():
        fewest = min(fewest, len([one for one in world.pods() if "deletionTimestamp" not in one["metadata"]]))
    assert images(world) == {"b": 2}
    assert fewest == 1


def test_a_service_has_the_addresses_of_its_ready_pods(world: World) -> None:
    ports = [{"name": "http", "containerPort": 8080}]
    world.deployment(replicas=2)
    world.change(
        DEPLOYMENTS,
        "web",
        {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "n", "ports": ports}]}}}},
    )
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}
    world.create(SERVICES, {"metadata": {"name": "web"}, "spec": spec})
    world.settle()
    pods = world.pods()
    (subset,) = world.store.get(ENDPOINTS, "web", "default")["subsets"]
    assert {one["ip"] for one in subset["addresses"]} == {one["status"]["podIP"] for one in pods}
    assert subset["ports"] == [{"port": 8080, "protocol": "TCP"}]
    (slice_,) = world.store.list(ENDPOINTSLICES, labels="kubernetes.io/service-name=web")
    assert {one["addresses"][0] for one in slice_["endpoints"]} == {one["status"]["podIP"] for one in pods}
    pods[0]["status"]["conditions"] = [ready(False)]
    world.store.update(PODS, pods[0], subresource="status")
    world.settle()
    (subset,) = world.store.get(ENDPOINTS, "web", "default")["subsets"]
    assert [one["ip"] for one in subset["notReadyAddresses"]] == [pods[0]["status"]["podIP"]]
    world.store.delete(SERVICES, "web", "default")
    world.settle()
    assert len(world.store.list(ENDPOINTS)) == len(world.store.list(ENDPOINTSLICES)) == 0


@given(steps=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.integers(0, 12)), max_size=6))
def test_whatever_is_changed_meanwhile_the_last_wish_comes_true(steps: list[tuple[str, int, int]]) -> None:
    world = World()
    world.deployment(image="a", replicas=2)
    image, replicas = "a", 2
    for image, replicas, turns in steps:
        for _ in range(turns):
            world.turn()
        world.change(DEPLOYMENTS, "web", {"spec": {"replicas": replicas, **new_image(image)["spec"]}})
    world.settle()
    assert images(world) == ({image: replicas} if replicas else {})
    status = world.store.get(DEPLOYMENTS, "web", "default")["status"]
    assert status.get("availableReplicas", 0) == status.get("replicas", 0) == replicas


class Stubborn:
    """A controller that fails in every way before it does its work."""

    def __init__(self, store: MemoryStore, errors: list[Exception]) -> None:
        self.store, self.errors, self.done = store, errors, threading.Event()
        self.watches = (NODES,)

    def keys(self, resource: Any, event: Any) -> list[tuple[str, str]]:
        return [("", event.object["metadata"]["name"])]

    def sync(self, key: tuple[str, str]) -> None:
        if self.errors:
            raise self.errors.pop()
        self.done.set()


def test_a_manager_tries_again_after_any_error(capsys: pytest.CaptureFixture[str]) -> None:
    store = MemoryStore()
    stubborn = Stubborn(store, [ValueError("a mistake"), Conflict("somebody was faster"), ObjectNotFound("gone")])
    manager = Manager(store, [stubborn])
    store.create(NODES, {"metadata": {"name": "n"}})
    assert stubborn.done.wait(20)
    manager.close()
    assert "a mistake" in capsys.readouterr().err
    assert not [one for one in threading.enumerate() if one.name in ("controllers", "watch-nodes")]


class Regular:
    """A controller that wants to look again in an hour."""

    watches = (NODES,)

    def __init__(self) -> None:
        self.looked = threading.Semaphore(0)

    def keys(self, resource: Any, event: Any) -> list[tuple[str, str]]:
        return [("", "")]

    def sync(self, key: tuple[str, str]) -> float:
        self.looked.release()
        return 3600


def test_however_often_something_changes_it_is_looked_at_again_once() -> None:
    store, regular = MemoryStore(), Regular()
    manager = Manager(store, [regular])
    for number in range(20):
        store.create(NODES, {"metadata": {"name": f"n{number}"}})
        assert regular.looked.acquire(timeout=20)
    manager.close()
    assert len(manager._queue._later) == 1


def test_a_templates_hash_is_32_bits_in_kubernetes_letters_and_does_not_depend_on_the_order_of_keys() -> None:
    assert safe_encoded(1234567890) == "56789bcdf4"
    one, other = {"spec": {"a": 1, "b": [2]}}, {"spec": {"b": [2], "a": 1, "c": None}}
    assert template_hash(one) == template_hash(other) and same_template(one, other)
    changed = {"spec": {"a": 1, "b": [3]}}
    assert template_hash(changed) != template_hash(one) and not same_template(one, changed)
    assert all(
        set(template_hash({"n": n})) <= set("456789bcdf") and len(template_hash({"n": n})) <= 10 for n in range(99)
    )
