"""What a pod's ``status`` says, computed from what the kubelet knows.  Pure functions.

Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/ and
https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/status/generate.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from labhelpers.cluster.kubelet.state import ContainerState

__all__ = ["pod_status", "with_conditions"]


def pod_status(
    pod: Mapping[str, Any],
    containers: Sequence[ContainerState],
    *,
    addresses: Sequence[str],
    host: str,
    has_sandbox: bool,
    now: str,
) -> dict[str, Any]:
    """The whole status; conditions that are not the kubelet's stay.

    Args:
        addresses: the pod's own.
        host: the node's.
        now: a time of RFC 3339.
    """
    before = pod.get("status") or {}
    init = [one for one in containers if one.is_init]
    main = [one for one in containers if not one.is_init]
    phase = _phase(pod, init, main)
    initialized = all(one.succeeded for one in init)
    status: dict[str, Any] = {
        "phase": phase,
        "conditions": with_conditions(
            before.get("conditions") or (), _conditions(phase, init, main, initialized, has_sandbox), now
        ),
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "startTime": before.get("startTime") or now,
        "containerStatuses": [_container(one, initialized) for one in main],
        "qosClass": before.get("qosClass") or _quality(pod),
    }
    if addresses:
        status |= {"podIP": addresses[0], "podIPs": [{"ip": one} for one in addresses]}
    else:  # of a pod that has ended it stays
        status |= {key: before[key] for key in ("podIP", "podIPs") if key in before}
    if init:
        status["initContainerStatuses"] = [_container(one, True) for one in init]
    return status


def _phase(pod: Mapping[str, Any], init: Sequence[ContainerState], main: Sequence[ContainerState]) -> str:
    never = pod["spec"].get("restartPolicy") == "Never"
    if any(one.ended is not None and not one.succeeded for one in init) and never:
        return "Failed"
    if not all(one.succeeded for one in init):
        return "Pending"
    if all(one.ended is not None for one in main):
        return "Succeeded" if all(one.succeeded for one in main) else "Failed"
    if any(not one.running and one.ended is None and one.last is None for one in main):
        return "Pending"
    return "Running"


def _conditions(
    phase: str,
    init: Sequence[ContainerState],
    main: Sequence[ContainerState],
    initialized: bool,
    has_sandbox: bool,
) -> dict[str, tuple[bool, str, str]]:
    """Each condition: whether, and if not a reason and a message."""
    done = phase in ("Succeeded", "Failed")
    unready = [one.name for one in main if not one.ready]
    if done:
        ready = (False, "PodCompleted" if phase == "Succeeded" else "PodFailed", "")
    else:
        ready = (not unready, "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    incomplete = " ".join(one.name for one in init if not one.succeeded)
    return {
        "PodReadyToStartContainers": (has_sandbox, "", ""),
        "Initialized": (
            initialized, "ContainersNotInitialized", f"containers with incomplete status: [{incomplete}]"
        ),
        "Ready": ready,
        "ContainersReady": ready,
    }  # fmt: skip


def with_conditions(
    before: Iterable[Mapping[str, Any]], ours: Mapping[str, tuple[bool, str, str]], now: str
) -> list[dict[str, Any]]:
    """The list of conditions: ours as they are now, others as they were.  What did not change keeps its time."""
    was = {one["type"]: dict(one) for one in before}
    found = []
    for kind, (is_so, reason, message) in ours.items():
        state = "True" if is_so else "False"
        same = kind in was and was[kind]["status"] == state
        one = {
            "type": kind,
            "status": state,
            "lastProbeTime": None,
            "lastTransitionTime": was[kind].get("lastTransitionTime", now) if same else now,
        }
        if not is_so and reason:
            one["reason"] = reason
            if message:
                one["message"] = message
        found.append(one)
    return found + [one for kind, one in was.items() if kind not in ours]


def _container(one: ContainerState, initialized: bool) -> dict[str, Any]:
    if one.running:
        state: dict[str, Any] = {"running": {"startedAt": one.started_at}}
    elif one.ended is not None:
        state = {"terminated": one.ended}
    else:
        reason, message = one.waiting if initialized else ("PodInitializing", "")
        state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    status: dict[str, Any] = {
        "name": one.name,
        "state": state,
        "lastState": {"terminated": one.last} if one.last else {},
        "ready": one.ready if not one.is_init else one.succeeded,
        "restartCount": one.restarts,
        "image": one.image[0] or one.spec["image"],
        "imageID": one.image[1],
        "started": one.running and one.passed_startup,
    }
    if one.id:
        status["containerID"] = one.id
    return status


def _quality(pod: Mapping[str, Any]) -> str:
    """The pod's class, as the API server would write it."""
    given = [one.get("resources") or {} for one in pod["spec"]["containers"]]
    if not any(one.get("requests") or one.get("limits") for one in given):
        return "BestEffort"
    for one in given:
        limits, requests = one.get("limits") or {}, one.get("requests") or one.get("limits") or {}
        if set(limits) < {"cpu", "memory"} or any(limits[name] != requests.get(name, limits[name]) for name in limits):
            return "Burstable"
    return "Guaranteed"
