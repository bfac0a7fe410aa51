"""Write a pod's status into the store, and read from it what a kubelet must know that begins anew."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from labhelpers.cluster.kubelet.state import ContainerState
from labhelpers.cluster.kubelet.status import pod_status
from labhelpers.store import PODS, Conflict, ObjectNotFound, timestamp

if TYPE_CHECKING:
    from labhelpers.cluster.kubelet.worker import PodWorker

__all__ = ["restored", "write_status"]

_ATTEMPTS = 20
_LOST = 255  # the exit status of a container of which nobody knows how it ended


def restored(pod: Mapping[str, Any]) -> list[ContainerState]:
    """The containers of a pod, init containers first; those that ran under an earlier kubelet have ended."""
    status = pod.get("status") or {}
    before = {
        one["name"]: one for key in ("initContainerStatuses", "containerStatuses") for one in status.get(key) or ()
    }
    found = []
    for is_init, key in ((True, "initContainers"), (False, "containers")):
        for spec in pod["spec"].get(key) or ():
            one = ContainerState(spec, is_init)
            if was := before.get(spec["name"]):
                _restore(one, was)
            found.append(one)
    return found


def _restore(one: ContainerState, was: Mapping[str, Any]) -> None:
    one.restarts = was.get("restartCount", 0)
    one.last = (was.get("lastState") or {}).get("terminated")
    one.id = was.get("containerID", "")
    state = was.get("state") or {}
    if running := state.get("running"):
        now = timestamp(time.time())
        one.last = {
            "exitCode": _LOST, "reason": "Unknown", "startedAt": running.get("startedAt", now), "finishedAt": now,
            "containerID": one.id,
        }  # fmt: skip
        one.crashed = True
    elif "terminated" in state and one.is_init and state["terminated"]["exitCode"] == 0:
        one.ended = state["terminated"]


def write_status(worker: PodWorker) -> None:
    """Bring the status in the store up to date.  Nothing is written if nothing is different.

    Somebody else may write the object at the same time: then it is read and decided again.
    """
    meta = worker.pod["metadata"]
    for _ in range(_ATTEMPTS):
        try:
            current = worker.host.store.get(PODS, meta["name"], meta["namespace"])
        except ObjectNotFound:
            return
        if current["metadata"]["uid"] != meta["uid"]:
            return
        status = pod_status(
            current,
            worker.containers,
            addresses=worker.sandbox.addresses if worker.sandbox else (),
            host=worker.host.node.address,
            has_sandbox=worker.sandbox is not None,
            now=timestamp(time.time()),
        )
        if status == current.get("status"):
            return
        current["status"] = status
        try:
            worker.host.store.update(PODS, current, subresource="status")
            return
        except Conflict:
            continue
        except ObjectNotFound:
            return
