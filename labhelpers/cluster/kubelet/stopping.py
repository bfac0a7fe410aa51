"""How containers and pods end: by themselves, because they are asked to, and what is noted of it."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from labhelpers.cluster.events import NORMAL, WARNING
from labhelpers.cluster.kubelet import sandbox
from labhelpers.cluster.kubelet.container import START_ERROR, Failure, Started, clean_up
from labhelpers.cluster.kubelet.report import write_status
from labhelpers.cluster.kubelet.state import ContainerState
from labhelpers.errors import LabError, Vanished
from labhelpers.store import PODS, Refused, timestamp

if TYPE_CHECKING:
    from labhelpers.cluster.kubelet.worker import PodWorker

__all__ = ["collect", "crashed", "not_started", "stop_container", "stop_pod"]

_CANNOT_START = 128  # the exit status that containerd reports for what could not be started
_DEFAULT_GRACE = 30
_GRACE_OF_FORCED = 1  # seconds for a pod that is gone from the store already
_ATTEMPTS_OF_FORCED = 3


def collect(worker: PodWorker, one: ContainerState, *, final: bool = False) -> None:
    """Note how a container ended, if it has, and decide whether it is started again.

    Args:
        final: the pod is being stopped: it is not.
    """
    if one.started is None or not one.started.running.ended.done():
        return
    ended = one.started.running.ended.result()
    said = worker.host.launcher.said_at_the_end(one.started.id)
    worker.host.launcher.discard(one.started.id)
    worker.forget_prober(one.name)
    record = {
        "exitCode": ended.status,
        "reason": "Completed" if ended.status == 0 else "Error",
        "startedAt": one.started_at,
        "finishedAt": timestamp(time.time()),
        "containerID": one.id,
        **({"message": said} if said else {}),
    }
    one.started, one.ready, one.passed_startup = None, False, False
    if final:
        one.ended = record
    else:
        crashed(worker, one, record)


def crashed(worker: PodWorker, one: ContainerState, record: dict[str, Any]) -> None:
    """A container ended without being asked to: start it again after a while, if its pod's policy says so."""
    policy = worker.pod["spec"].get("restartPolicy", "Always")
    failed = record["exitCode"] != 0
    again = (failed and policy != "Never") if one.is_init else policy == "Always" or (failed and policy == "OnFailure")
    if not again:
        one.ended = record
        return
    one.last, one.crashed = record, True
    one.not_before = time.monotonic() + one.backoff.wait


def not_started(worker: PodWorker, one: ContainerState, error: Failure) -> dict[str, Any]:
    """How a container ended that did not begin."""
    now = timestamp(time.time())
    return {
        "exitCode": _CANNOT_START, "reason": START_ERROR, "message": error.message, "startedAt": now, "finishedAt": now,
    }  # fmt: skip


def stop_container(worker: PodWorker, one: ContainerState) -> None:
    """Ask one container to end, and end it when its time is over.  A pod that is to go meanwhile goes first."""
    if one.started is None:
        return
    _ask_to_end(worker, one.started)
    latest = time.monotonic() + _grace(worker.pod)
    while not one.started.running.ended.done() and (left := latest - time.monotonic()) > 0:
        worker.wait(left)
        if worker.is_to_go:
            break
    else:
        worker.host.shim.kill(one.started.running)
    worker.wake()


def _ask_to_end(worker: PodWorker, started: Started) -> None:
    worker.host.shim.signal(started.running, getattr(signal, started.image.stop_signal))


def _grace(pod: Mapping[str, Any]) -> float:
    given = pod["metadata"].get("deletionGracePeriodSeconds")
    if given is None:
        given = pod["spec"].get("terminationGracePeriodSeconds")
    return float(_DEFAULT_GRACE if given is None else given)


def stop_pod(worker: PodWorker) -> None:
    """Take a pod off the node: its containers with their time of grace, its network, its files; then say so.

    Raises:
        Vanished: the node has ended.
    """
    _stop_containers(worker)
    if worker.given_up:
        return
    if not worker.deleted:
        write_status(worker)
    _remove_sandbox(worker)
    clean_up(worker.host.node, worker.pod)
    meta = worker.pod["metadata"]
    if not worker.given_up and not worker.deleted:
        try:
            worker.host.store.delete(PODS, meta["name"], meta["namespace"], grace=0, uid=meta["uid"])
        except Refused:  # somebody did already
            pass


def _stop_containers(worker: PodWorker) -> None:
    running = [one for one in worker.containers if one.started]
    for one in running:
        worker.say(NORMAL, "Killing", f"Stopping container {one.name}", one.name, init=one.is_init)
        assert one.started
        _ask_to_end(worker, one.started)
    begun = time.monotonic()
    while not all(one.started is None or one.started.running.ended.done() for one in running):
        # asked again each time: a second delete may shorten it
        grace = _GRACE_OF_FORCED if worker.deleted else _grace(worker.pod)
        left = begun + grace - time.monotonic()
        if left <= 0 or worker.given_up:
            break
        worker.wait(left)
    for one in running:
        assert one.started
        worker.host.shim.kill(one.started.running)
        collect(worker, one, final=True)


def _remove_sandbox(worker: PodWorker) -> None:
    """Until CNI's DEL has worked: the address would be lost otherwise.  Of a pod deleted by force, only a few times."""
    attempts, delay = 0, 1.0
    while (there := worker.sandbox) is not None and not worker.given_up:
        try:
            sandbox.remove(worker.host.node, worker.host.runtime, worker.host.shim, there)
            worker.sandbox = None
        except Vanished:
            raise
        except LabError as error:
            attempts += 1
            uid = worker.pod["metadata"]["uid"]
            worker.say(
                WARNING, "FailedKillPod", f'error killing pod: failed to "KillPodSandbox" for "{uid}": {error.what}'
            )
            if worker.deleted and attempts >= _ATTEMPTS_OF_FORCED:
                sandbox.abandon(worker.host.node, worker.host.shim, there)
                worker.sandbox = None
                return
            worker.wait(delay)
            delay = min(2 * delay, 10.0)
