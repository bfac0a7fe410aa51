"""A pod's row.  Source: ``printPod`` in https://github.com/kubernetes/kubernetes/blob/master/pkg/printers/internalversion/printers.go."""

from __future__ import annotations

from typing import Any

from labhelpers.cluster.api.printing.age import age
from labhelpers.store import Object

__all__ = ["pod_row", "pod_status"]


def pod_row(pod: Object, now: float) -> list[Any]:
    """The cells of one pod."""
    status, spec = pod.get("status") or {}, pod["spec"]
    containers = status.get("containerStatuses") or []
    ready = sum(bool(one.get("ready")) and "running" in (one.get("state") or {}) for one in containers)
    gates = spec.get("readinessGates") or []
    return [
        pod["metadata"]["name"],
        f"{ready}/{len(spec.get('containers') or ())}",
        pod_status(pod),
        _restarts(containers, now),
        age(pod["metadata"].get("creationTimestamp"), now),
        status.get("podIP") or "<none>",
        spec.get("nodeName") or "<none>",
        status.get("nominatedNodeName") or "<none>",
        f"0/{len(gates)}" if gates else "<none>",
    ]


def _restarts(containers: list[Object], now: float) -> str:
    count = sum(one.get("restartCount", 0) for one in containers)
    ends = [((one.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for one in containers]
    last = max((one for one in ends if one), default="")
    return f"{count} ({age(last, now)} ago)" if count and last else str(count)


def pod_status(pod: Object) -> str:
    """The word in the column STATUS: the phase, or what keeps a container from running."""
    status = pod.get("status") or {}
    word = status.get("reason") or status.get("phase") or "Unknown"
    containers = status.get("containerStatuses") or []
    waiting_init = _init_word(pod)
    if waiting_init:
        word = waiting_init
    else:
        has_running = False
        for one in reversed(containers):
            state = one.get("state") or {}
            word = _container_word(state) or word
            has_running |= bool(one.get("ready")) and "running" in state
        if word == "Completed" and has_running:
            word = "Running" if _is_ready(status) else "NotReady"
    if pod["metadata"].get("deletionTimestamp"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return str(word)


def _container_word(state: Object) -> str:
    waiting, ended = state.get("waiting") or {}, state.get("terminated")
    if waiting.get("reason"):
        return str(waiting["reason"])
    if ended is None:
        return ""
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _init_word(pod: Object) -> str:
    statuses = (pod.get("status") or {}).get("initContainerStatuses") or []
    total = len(pod["spec"].get("initContainers") or ())
    for index, one in enumerate(statuses):
        state = one.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        if ended is not None and ended.get("exitCode", 0) == 0:
            continue
        if ended is not None:
            return f"Init:{_container_word(state)}"
        if waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{total}"
    return ""


def _is_ready(status: Object) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions") or ())
