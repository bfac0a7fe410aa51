"""The columns of ``kubectl get``, compared with what a real API server printed for such objects."""

from __future__ import annotations

from typing import Any

import pytest

from labhelpers.cluster.api.printing import table
from labhelpers.cluster.api.printing.age import age, duration
from labhelpers.store import (
    DAEMONSETS,
    DEPLOYMENTS,
    ENDPOINTS,
    ENDPOINTSLICES,
    EVENTS,
    NODES,
    PODS,
    RESOURCES,
    SERVICES,
    Object,
    Resource,
    timestamp,
)

NOW = 1_700_000_000.0


def meta(**more: Any) -> Object:
    return {"name": "x", "creationTimestamp": timestamp(NOW - 5), **more}


def cells(resource: Resource, obj: Object) -> dict[str, Any]:
    made = table(resource, [obj], "7", NOW, "Metadata")
    names = [one["name"] for one in made["columnDefinitions"]]
    assert len(names) == len(made["rows"][0]["cells"])
    return dict(zip(names, made["rows"][0]["cells"], strict=True))


def pod(state: Object, *, ready: bool = False, phase: str = "Running", restarts: int = 0, **more: Any) -> Object:
    container = {"name": "c", "ready": ready, "restartCount": restarts, "state": state, **more}
    return {
        "metadata": meta(),
        "spec": {"containers": [{"name": "c"}], "nodeName": "node-1"},
        "status": {"phase": phase, "podIP": "10.0.1.2", "containerStatuses": [container]},
    }


@pytest.mark.parametrize(  # the examples of duration_test.go in apimachinery
    ("seconds", "text"),
    [
        (-2, "<invalid>"), (-1, "0s"), (0, "0s"), (1, "1s"), (119, "119s"), (120, "2m"), (123, "2m3s"), (599, "9m59s"),
        (600, "10m"), (3 * 3600 - 1, "179m"), (3 * 3600, "3h"), (3 * 3600 + 1800, "3h30m"), (8 * 3600, "8h"),
        (48 * 3600 - 1, "47h"), (48 * 3600, "2d"), (49 * 3600, "2d1h"), (8 * 86400, "8d"), (2 * 365 * 86400, "2y"),
        ((2 * 365 + 1) * 86400, "2y1d"), (8 * 365 * 86400 + 86400, "8y"),
    ],
)  # fmt: skip
def test_ages_are_written_as_kubernetes_writes_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_an_age_of_nothing_is_unknown() -> None:
    assert age(None, NOW) == "<unknown>"
    assert age("2023-11-14T22:13:15.000000Z", NOW) == "5s"


@pytest.mark.parametrize(
    ("state", "phase", "word"),
    [
        ({}, "Pending", "Pending"),
        ({"running": {}}, "Running", "Running"),
        ({"waiting": {"reason": "ContainerCreating"}}, "Pending", "ContainerCreating"),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, "Running", "CrashLoopBackOff"),
        ({"terminated": {"reason": "Completed", "exitCode": 0}}, "Succeeded", "Completed"),
        ({"terminated": {"reason": "Error", "exitCode": 3}}, "Failed", "Error"),
        ({"terminated": {"exitCode": 3}}, "Failed", "ExitCode:3"),
        ({"terminated": {"exitCode": 137, "signal": 9}}, "Failed", "Signal:9"),
    ],
)
def test_a_pods_status_says_what_keeps_it_from_running(state: Object, phase: str, word: str) -> None:
    assert cells(PODS, pod(state, phase=phase))["Status"] == word


def test_a_pod_that_runs() -> None:
    assert cells(PODS, pod({"running": {}}, ready=True)) == {
        "Name": "x", "Ready": "1/1", "Status": "Running", "Restarts": "0", "Age": "5s", "IP": "10.0.1.2",
        "Node": "node-1", "Nominated Node": "<none>", "Readiness Gates": "<none>",
    }  # fmt: skip


def test_a_pod_that_was_restarted_says_when() -> None:
    ended = {"terminated": {"finishedAt": timestamp(NOW - 63)}}
    assert cells(PODS, pod({"running": {}}, restarts=2, lastState=ended))["Restarts"] == "2 (63s ago)"


def test_a_pod_that_is_going_says_so() -> None:
    going = pod({"running": {}}, ready=True)
    going["metadata"]["deletionTimestamp"] = timestamp(NOW)
    assert cells(PODS, going)["Status"] == "Terminating"
    going["status"]["reason"] = "NodeLost"
    assert cells(PODS, going)["Status"] == "Unknown"


def test_a_pod_whose_first_containers_are_still_at_work_counts_them() -> None:
    waiting = pod({"waiting": {"reason": "PodInitializing"}}, phase="Pending")
    waiting["spec"]["initContainers"] = [{"name": "a"}, {"name": "b"}]
    waiting["status"]["initContainerStatuses"] = [
        {"state": {"terminated": {"exitCode": 0}}},
        {"state": {"waiting": {"reason": "PodInitializing"}}},
    ]
    assert cells(PODS, waiting)["Status"] == "Init:1/2"
    waiting["status"]["initContainerStatuses"][1]["state"] = {"terminated": {"exitCode": 1, "reason": "Error"}}
    assert cells(PODS, waiting)["Status"] == "Init:Error"


@pytest.mark.parametrize(
    ("ready", "unschedulable", "word"),
    [("True", False, "Ready"), ("False", False, "NotReady"), ("Unknown", False, "NotReady"),
     ("True", True, "Ready,SchedulingDisabled")],
)  # fmt: skip
def test_a_node_is_ready_or_not(ready: str, unschedulable: bool, word: str) -> None:
    node = {
        "metadata": meta(labels={"node-role.kubernetes.io/control-plane": ""}),
        "spec": {"unschedulable": unschedulable},
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "addresses": [{"type": "InternalIP", "address": "192.168.1.10"}],
            "nodeInfo": {"kubeletVersion": "v1"},
        },
    }
    shown = cells(NODES, node)
    assert (shown["Status"], shown["Roles"], shown["Version"]) == (word, "control-plane", "v1")
    assert (shown["Internal-IP"], shown["External-IP"], shown["OS-Image"]) == ("192.168.1.10", "<none>", "<unknown>")


def test_workloads_count_their_pods() -> None:
    spec = {
        "replicas": 3,
        "selector": {"matchLabels": {"b": "2", "a": "1"}, "matchExpressions": [{"key": "t", "operator": "Exists"}]},
        "template": {"spec": {"containers": [{"name": "n", "image": "nginx"}, {"name": "m", "image": "busybox"}]}},
    }
    status = {"readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1}
    shown = cells(DEPLOYMENTS, {"metadata": meta(), "spec": spec, "status": status})
    assert (shown["Ready"], shown["Up-to-date"], shown["Available"]) == ("1/3", 2, 1)
    assert (shown["Containers"], shown["Images"], shown["Selector"]) == ("n,m", "nginx,busybox", "a=1,b=2,t")
    daemons = {"desiredNumberScheduled": 2, "currentNumberScheduled": 2, "numberReady": 1, "numberAvailable": 1}
    shown = cells(DAEMONSETS, {"metadata": meta(), "spec": spec, "status": daemons})
    assert [shown[one] for one in ("Desired", "Current", "Ready", "Up-to-date", "Available")] == [2, 2, 1, 0, 1]


def test_services_and_their_endpoints() -> None:
    spec = {"type": "ClusterIP", "ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}], "selector": {"app": "web"}}
    shown = cells(SERVICES, {"metadata": meta(), "spec": spec})
    assert (shown["Cluster-IP"], shown["Port(s)"], shown["Selector"]) == ("<none>", "80/TCP,53/UDP", "app=web")
    addresses = [{"ip": f"10.0.1.{number}"} for number in range(2, 7)]
    subsets = [{"addresses": addresses, "ports": [{"port": 80}]}]
    shown = cells(ENDPOINTS, {"metadata": meta(), "subsets": subsets})
    assert shown["Endpoints"] == "10.0.1.2:80,10.0.1.3:80,10.0.1.4:80 + 2 more..."
    assert cells(ENDPOINTS, {"metadata": meta()})["Endpoints"] == "<none>"
    shown = cells(ENDPOINTSLICES, {"metadata": meta(), "addressType": "IPv4", "endpoints": [], "ports": [{"port": 80}]})
    assert (shown["Ports"], shown["Endpoints"]) == ("80", "<unset>")


def test_an_event_tells_what_happened_to_whom() -> None:
    event = {
        "metadata": meta(), "type": "Normal", "reason": "Started", "message": "Started container c\n", "count": 3,
        "involvedObject": {"kind": "Pod", "name": "web", "fieldPath": "spec.containers{c}"},
        "source": {"component": "kubelet", "host": "node-1"},
        "firstTimestamp": timestamp(NOW - 60), "lastTimestamp": timestamp(NOW - 2),
    }  # fmt: skip
    assert cells(EVENTS, event) == {
        "Last Seen": "2s", "Type": "Normal", "Reason": "Started", "Object": "pod/web",
        "Subobject": "spec.containers{c}",
        "Source": "kubelet, node-1", "Message": "Started container c", "First Seen": "60s", "Count": 3, "Name": "x",
    }  # fmt: skip


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: one.plural)
def test_every_kind_has_columns_and_an_almost_empty_object_has_a_row(resource: Resource) -> None:
    template: Object = {"spec": {"containers": []}}
    shown = cells(resource, {"metadata": meta(), "spec": {"template": template}})
    assert "x" in shown.values()


def test_a_row_brings_what_is_asked_for_with_it() -> None:
    obj = {"kind": "Pod", "metadata": meta(), "spec": {}}
    beside = {
        include: table(PODS, [obj], "7", NOW, include)["rows"][0]["object"]
        for include in ("Metadata", "Object", "None")
    }
    assert beside["None"] is None
    assert beside["Object"] == obj
    assert beside["Metadata"] == {
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"],
    }  # fmt: skip
    assert table(PODS, [obj], "7", NOW, "None", head=False)["columnDefinitions"] == []
