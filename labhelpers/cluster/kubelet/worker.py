"""``PodWorker``: one thread that brings one pod to what the store says, again and again.

It is level-triggered: each round looks at the pod as it is now, at what has ended, and does what is missing; then it
waits until something changes or a waiting time is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from labhelpers.cluster.events import NORMAL, WARNING
from labhelpers.cluster.kubelet import sandbox
from labhelpers.cluster.kubelet.backoff import Backoff
from labhelpers.cluster.kubelet.container import START_ERROR, Failure
from labhelpers.cluster.kubelet.environment import CannotConfigure, field_of
from labhelpers.cluster.kubelet.files import PodFiles
from labhelpers.cluster.kubelet.host import Host
from labhelpers.cluster.kubelet.ignored import ignored
from labhelpers.cluster.kubelet.prober import Prober
from labhelpers.cluster.kubelet.report import restored, write_status
from labhelpers.cluster.kubelet.sandbox import CannotCreateSandbox, Sandbox
from labhelpers.cluster.kubelet.state import ContainerState
from labhelpers.cluster.kubelet.stopping import collect, crashed, not_started, stop_container, stop_pod
from labhelpers.cluster.kubelet.volumes import CannotMount
from labhelpers.cni import pod as cni_pods
from labhelpers.errors import LabError, Vanished
from labhelpers.linux import users
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.store import timestamp

__all__ = ["PodWorker"]

_IMAGE_TROUBLE = ("ErrImagePull", "ErrImageNeverPull", "InvalidImageName")
# seconds
_FIRST_RETRY, _LAST_RETRY = 1.0, 10.0  # between attempts at a sandbox or a volume
_CONFIGURATION_RETRY = 5.0
_SOON = 2.0  # after which what was an error is said to be waited for


class PodWorker:
    """Runs one pod.  ``update`` tells it of a newer version, and of the pod's end.

    Args:
        done: called, in its thread, when the pod is gone from the node.
    """

    def __init__(self, host: Host, pod: Mapping[str, Any], done: Callable[[], None]) -> None:
        self.host = host
        self.pod = pod
        self.sandbox: Sandbox | None = None
        self.containers = restored(pod)
        self.deleted = False
        self._done = done
        self._wake = threading.Event()
        self._given_up = False
        self._attempt = max((one.restarts for one in self.containers), default=0)
        self._retry = _FIRST_RETRY
        self._files = PodFiles(host)
        self._probers: dict[str, Prober] = {}
        self._thread = threading.Thread(target=self._run, name=f"pod {pod['metadata']['name']}", daemon=True)

    def start(self) -> None:
        """Begin; called in the order in which pods came."""
        self.host.turns.join(self)
        self._thread.start()

    def update(self, pod: Mapping[str, Any] | None) -> None:
        """The pod is so now; ``None``: it is gone from the store."""
        if pod is None:
            self.deleted = True
        else:
            self.pod = pod
        self._wake.set()

    def give_up(self) -> None:
        """End the thread at once and leave everything as it is: the node has ended, or the cluster ends."""
        self._given_up = True
        self._wake.set()

    def join(self) -> None:
        """Wait for the thread."""
        self._thread.join()

    def wait(self, seconds: float) -> None:
        """Until something changes, at most so long."""
        self._wake.wait(seconds)
        self._wake.clear()

    def wake(self, *_: object) -> None:
        """Something changed: look again."""
        self._wake.set()

    @property
    def is_to_go(self) -> bool:
        """Is it to end, now or with its time of grace?"""
        return self._given_up or self.deleted or "deletionTimestamp" in self.pod["metadata"]

    @property
    def given_up(self) -> bool:
        """Is it to end at once?"""
        return self._given_up

    def say(
        self,
        kind: str,
        reason: str,
        message: str,
        container: str = "",
        *,
        init: bool = False,
        at: float | None = None,
    ) -> None:
        """Write an event about the pod, or about one of its containers; ``at`` is when, if that is past."""
        where = "spec.initContainers" if init else "spec.containers"
        field = f"{where}{{{container}}}" if container else ""
        self.host.recorder.record(self.pod, kind, reason, message, field=field, at=at)

    def forget_prober(self, container: str) -> None:
        """A container has ended: nobody is to be asked any more."""
        if prober := self._probers.pop(container, None):
            prober.stop()

    # --- the loop ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            for sentence in ignored(self.pod, one_user=users.only_one()):
                self.say(WARNING, "NotImplemented", sentence)
            while not self._given_up:
                if self.is_to_go:
                    stop_pod(self)
                    break
                try:
                    delay = self._step()
                except Vanished:
                    raise
                except (LabError, OSError) as error:  # nothing that a step knows of: say so, and try again
                    self._require_node()
                    self.say(WARNING, "FailedSync", f"error syncing pod: {error}")
                    delay = self._later()
                self._wake.wait(delay)
                self._wake.clear()
        except Vanished:  # the node has ended: nobody is left to say anything
            pass
        finally:
            self.host.turns.leave(self)
            for prober in self._probers.values():
                prober.stop()
            self._done()

    def _require_node(self) -> None:
        """What looks like a fault of the pod's is none if the node has ended.  Raises ``Vanished``."""
        assert self.host.node._pid

    def _step(self) -> float | None:
        """One round.  Returns after how many seconds to look again, ``None`` for when something changes."""
        if (self.pod.get("status") or {}).get("phase") in ("Succeeded", "Failed") and self.sandbox is None:
            self.host.turns.leave(self)
            return None
        for one in self.containers:
            self._take_new_image(one)
            collect(self, one)
        if self._is_over():
            self._take_sandbox_away()
            write_status(self)
            return None
        if self.sandbox is not None and self.sandbox.running.ended.done():
            self._sandbox_has_died()
        if self.sandbox is None and not self._make_sandbox():
            write_status(self)
            return self._later()
        if not self._keep_files():
            write_status(self)
            return self._later()
        self._retry = _FIRST_RETRY
        delays = [self._files.look_again, *(self._bring_up(one) for one in self._due())]
        write_status(self)
        return min((one for one in delays if one is not None), default=None)

    def _later(self) -> float:
        delay, self._retry = self._retry, min(self._retry * 2, _LAST_RETRY)
        return delay

    def _is_over(self) -> bool:
        failed_init = any(one.is_init and one.ended and not one.succeeded for one in self.containers)
        return failed_init or all(one.ended is not None for one in self.containers)

    def _take_new_image(self, one: ContainerState) -> None:
        """The image is the one thing of a container that can be changed: it is pulled at once, whatever was before."""
        specs = self.pod["spec"].get("initContainers" if one.is_init else "containers") or ()
        new = next((spec for spec in specs if spec["name"] == one.name), one.spec)
        if new["image"] == one.spec["image"]:
            return
        one.spec, one.pulling = new, Backoff()
        if one.running:
            self._say_of(one, NORMAL, "Killing", f"Container {one.name} definition changed, will be restarted")
            stop_container(self, one)
        elif not one.crashed:
            one.not_before = 0.0

    def _due(self) -> list[ContainerState]:
        """The containers that are to run now: the first init container that has not succeeded, or all others."""
        for one in self.containers:
            if one.is_init and not one.succeeded:
                return [one]
        return [one for one in self.containers if not one.is_init]

    # --- the sandbox -------------------------------------------------------------------------------------------------

    def _make_sandbox(self) -> bool:
        trouble = "" if self.pod["spec"].get("hostNetwork") else self.host.network_trouble()
        if trouble:
            self.host.turns.leave(self)
            self.say(WARNING, "NetworkNotReady", f"network is not ready: {trouble}")
            return False
        host = self.host
        try:
            with host.turns.turn(self):
                self.sandbox = sandbox.create(host.node, host.runtime, host.shim, self.pod, self._attempt)
        except CannotCreateSandbox as error:
            self._attempt += 1
            self.say(
                WARNING,
                "FailedCreatePodSandBox",
                f"Failed to create pod sandbox: rpc error: code = Unknown desc = {error.what}",
            )
            return False
        self.sandbox.running.ended.add_done_callback(self.wake)
        if not self.sandbox.host_network:
            operation = self.sandbox.operation
            network = operation.network if operation else ""
            made = self.sandbox
            self.say(NORMAL, "SandboxCreated", f"Created network namespace cni-{made.id}", at=made.made_at)
            self.say(NORMAL, "AddedInterface", f"Add eth0 [{', '.join(self.sandbox.addresses)}] from {network}")
        self._files.write_etc(self.pod, self.address)
        write_status(self)  # it has an address from here on
        return True

    def _sandbox_has_died(self) -> None:
        self.say(NORMAL, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        for one in self.containers:
            if one.started:
                self.host.shim.kill(one.started.running)
                collect(self, one)
        self._take_sandbox_away()
        self._attempt += 1
        write_status(self)

    def _take_sandbox_away(self) -> None:
        if self.sandbox is not None:
            sandbox.remove(self.host.node, self.host.runtime, self.host.shim, self.sandbox)
            self.sandbox = None

    @property
    def address(self) -> str:
        """The pod's first address, ``""`` while it has none."""
        return self.sandbox.addresses[0] if self.sandbox and self.sandbox.addresses else ""

    def network(self) -> NetworkNamespace:
        """The network namespace it is in."""
        if self.sandbox is None or self.sandbox.host_network:
            return self.host.node._kernel
        return cni_pods.find(self.host.node, self.sandbox.id)._kernel

    # --- volumes and containers --------------------------------------------------------------------------------------

    def _field(self) -> Callable[[str], str]:
        known = {
            "status.podIP": self.address,
            "status.podIPs": ",".join(self.sandbox.addresses if self.sandbox else ()),
            "status.hostIP": self.host.node.address,
            "status.hostIPs": self.host.node.address,
        }
        return field_of(self.pod, known)

    def _keep_files(self) -> bool:
        """The pod's volumes are there and as they are to be; says what is wrong if they cannot be."""
        try:
            self._files.keep(self.pod, self.address, self._field())
        except (CannotMount, CannotConfigure) as error:
            self.say(WARNING, "FailedMount", error.what)
            return self._files.prepared  # what was there before stays
        return True

    def _bring_up(self, one: ContainerState) -> float | None:
        """Start a container that is to run and does not, unless it is to wait; returns for how long still."""
        if one.running or one.ended is not None:
            self._look_at_probes(one)
            return None
        left = one.not_before - time.monotonic()
        if left > 0:
            self._wait_with(one)
            return left
        if one.crashed:
            one.crashed = False
            one.restarts += 1
            one.backoff.attempt()
        return None if self._start(one) else min(max(0.0, one.not_before - time.monotonic()), _SOON)

    def _wait_with(self, one: ContainerState) -> None:
        """Say why a container is not tried now."""
        if one.crashed and one.waiting[0] != "CrashLoopBackOff":
            meta = self.pod["metadata"]
            pod = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
            self._say_of(one, WARNING, "BackOff", f"Back-off restarting failed container {one.name} in pod {pod}")
            wait = _duration(one.backoff.wait)
            one.waiting = ("CrashLoopBackOff", f"back-off {wait} restarting failed container={one.name} pod={pod}")
        elif one.waiting[0] == "ErrImagePull":
            message = f'Back-off pulling image "{one.spec["image"]}"'
            self._say_of(one, NORMAL, "BackOff", message)
            self._say_of(one, WARNING, "Failed", "Error: ImagePullBackOff")
            one.waiting = ("ImagePullBackOff", f"{message}: {one.waiting[1]}")

    def _say_of(self, one: ContainerState, kind: str, reason: str, message: str) -> None:
        self.say(kind, reason, message, one.name, init=one.is_init)

    def _start(self, one: ContainerState) -> bool:
        assert self.sandbox is not None
        try:
            one.started = self.host.launcher.start(
                self.pod,
                one.spec,
                self.sandbox.running,
                one.restarts,
                self._files.volumes,
                self._field(),
                self.host.config_map(self.pod["metadata"]["namespace"]),
                partial(self._say_of, one),
            )
        except Failure as error:
            self._has_not_started(one, error)
            return False
        one.started_at = timestamp(time.time())
        one.id = f"containerd://{one.started.id}"
        image = one.started.image
        one.image = (str(image.reference), image.id)
        one.waiting = ("ContainerCreating", "")
        one.started.running.ended.add_done_callback(self.wake)
        prober = self._probers[one.name] = Prober(self.host, one, self.address, self.wake)
        one.ready, one.passed_startup = prober.ready, prober.passed_startup
        prober.start()
        return True

    def _has_not_started(self, one: ContainerState, error: Failure) -> None:
        one.waiting = (error.reason, error.message)
        if error.reason == START_ERROR:
            crashed(self, one, not_started(self, one, error))
        elif error.reason in _IMAGE_TROUBLE:
            one.pulling.attempt()
            one.not_before = time.monotonic() + one.pulling.wait
        else:
            one.not_before = time.monotonic() + _CONFIGURATION_RETRY

    def _look_at_probes(self, one: ContainerState) -> None:
        prober = self._probers.get(one.name)
        if not one.running or prober is None:
            return
        one.ready, one.passed_startup = prober.ready, prober.passed_startup
        for kind, reason, message in prober.news():
            self._say_of(one, kind, reason, message)
        if prober.verdict:
            self._say_of(one, NORMAL, "Killing", f"Container {one.name} {prober.verdict}, will be restarted")
            stop_container(self, one)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
