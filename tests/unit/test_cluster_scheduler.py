"""The scheduler: where pods go, and why they wait."""

from __future__ import annotations

from typing import Any

import pytest

from labhelpers.cluster.scheduler.filters import reasons_against
from labhelpers.store import EVENTS, NODES, PODS, Object
from tests.unit.settled import World


def pod(**spec: Any) -> Object:
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}], **spec}}


def node(labels: dict[str, str] | None = None, ready: str = "True", **spec: Any) -> Object:
    status = {"conditions": [{"type": "Ready", "status": ready}]}
    return {"metadata": {"name": "n", "labels": labels or {}}, "spec": spec, "status": status}


def affinity(*terms: Object) -> Object:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


def expression(key: str, operator: str, *values: str) -> Object:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("wants", "offers"),
    [
        ({}, {}),
        ({"nodeSelector": {"disk": "ssd"}}, {"labels": {"disk": "ssd", "a": "b"}}),
        ({"affinity": affinity(expression("disk", "In", "ssd", "nvme"))}, {"labels": {"disk": "nvme"}}),
        ({"affinity": affinity(expression("a", "Exists"), expression("b", "Exists"))}, {"labels": {"b": ""}}),
        ({"affinity": affinity(expression("n", "Gt", "3"))}, {"labels": {"n": "4"}}),
        ({"affinity": affinity({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]})}, {}),
        ({"tolerations": [{"key": "k", "operator": "Equal", "value": "v"}]}, {"taints": [TAINT]}),
        ({"tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}]}, {"taints": [TAINT]}),
        ({"tolerations": [{"operator": "Exists"}]}, {"taints": [TAINT], "unschedulable": True, "ready": "False"}),
        ({}, {"taints": [{"key": "k", "effect": "PreferNoSchedule"}]}),
    ],
)
def test_a_pod_may_go_there(wants: Any, offers: Any) -> None:
    assert reasons_against(pod(**wants), node(**offers), ()) == []


@pytest.mark.parametrize(
    ("wants", "offers", "why"),
    [
        ({}, {"unschedulable": True}, "node(s) were unschedulable"),
        ({}, {"ready": "False"}, "node(s) had untolerated taint {node.kubernetes.io/not-ready: }"),
        ({}, {"taints": [TAINT]}, "node(s) had untolerated taint {k: v}"),
        ({"tolerations": [{"key": "k", "value": "x"}]}, {"taints": [TAINT]}, "node(s) had untolerated taint {k: v}"),
        ({"nodeSelector": {"disk": "ssd"}}, {}, "node(s) didn't match Pod's node affinity/selector"),
        ({"affinity": affinity({})}, {}, "node(s) didn't match Pod's node affinity/selector"),
        ({"affinity": affinity(expression("a", "DoesNotExist"))}, {"labels": {"a": ""}},
         "node(s) didn't match Pod's node affinity/selector"),
    ],
)  # fmt: skip
def test_a_pod_may_not_go_there(wants: Any, offers: Any, why: str) -> None:
    assert reasons_against(pod(**wants), node(**offers), ()) == [why]


def test_a_node_has_room_for_so_many_pods_and_each_port_once() -> None:
    ports = {"containers": [{"name": "c", "ports": [{"hostPort": 80, "containerPort": 80}]}]}
    assert reasons_against(pod(), node(), [pod()] * 110) == ["Too many pods"]
    assert reasons_against(pod(**ports), node(), [pod(**ports)]) == [
        "node(s) didn't have free ports for the requested pod ports"
    ]
    assert reasons_against(pod(**ports), node(), [pod()]) == []


def test_a_pod_that_fits_nowhere_says_why_and_goes_when_it_can() -> None:
    world = World(nodes=2)
    for name in ("node-1", "node-2"):
        world.store.patch(NODES, name, {"spec": {"unschedulable": name == "node-1", "taints": [TAINT]}})
    world.create(PODS, pod())
    world.settle()
    waiting = world.store.get(PODS, "p", "default")
    assert "nodeName" not in waiting["spec"]
    (condition,) = waiting["status"]["conditions"]
    why = "0/2 nodes are available: 1 node(s) had untolerated taint {k: v}, 1 node(s) were unschedulable."
    assert (condition["status"], condition["reason"], condition["message"]) == ("False", "Unschedulable", why)
    assert [one["message"] for one in world.store.list(EVENTS) if one["reason"] == "FailedScheduling"] == [why]
    world.store.patch(NODES, "node-2", {"spec": {"taints": None}})
    world.settle()
    assert world.store.get(PODS, "p", "default")["spec"]["nodeName"] == "node-2"
    assert [one["message"] for one in world.store.list(EVENTS) if one["reason"] == "Scheduled"] == [
        "Successfully assigned default/p to node-2"
    ]


def test_without_nodes_it_says_so() -> None:
    world = World(nodes=0)
    world.create(PODS, pod())
    world.settle()
    (condition,) = world.store.get(PODS, "p", "default")["status"]["conditions"]
    assert condition["message"] == "no nodes available to schedule pods"


def test_another_schedulers_pods_are_left_alone() -> None:
    world = World()
    world.create(PODS, pod(schedulerName="mine"))
    world.settle()
    waiting = world.store.get(PODS, "p", "default")
    assert "nodeName" not in waiting["spec"]
    assert "conditions" not in waiting["status"]
