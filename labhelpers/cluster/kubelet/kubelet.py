"""``Kubelet``: a node's agent.  It runs the pods that the store has for the node, and says how the node is.

The kubelets of all nodes are threads of the process that has the store, one for the pods, one for the node and one for
each pod.  A process for each would cost 15 MB, and would need the store over a socket.  What a pod's containers do is
in other processes anyway: the shim's children.  With a node its kubelet ends too; nobody says anything for it then, as
on a machine without power.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from labhelpers.cluster.events import NORMAL, Recorder
from labhelpers.cluster.images import Shelf
from labhelpers.cluster.kubelet import places
from labhelpers.cluster.kubelet.host import Host
from labhelpers.cluster.kubelet.name_servers import NameServers
from labhelpers.cluster.kubelet.node_status import node_object, node_status
from labhelpers.cluster.kubelet.requests import Requests
from labhelpers.cluster.kubelet.worker import PodWorker
from labhelpers.cni import Runtime
from labhelpers.cni import pod as cni_pods
from labhelpers.errors import LabError, NotFound, Vanished
from labhelpers.lab import Node
from labhelpers.linux.container.node_folders import give_own, show
from labhelpers.linux.container.shim import Shim
from labhelpers.store import NODES, PODS, Conflict, Gone, Object, ObjectExists, Refused, Store, timestamp

__all__ = ["Kubelet"]

_OFTEN = 0.25  # seconds between looks at /etc/cni/net.d
_HEARTBEAT = 10.0
_AGAIN = 1.0  # seconds until an API server that did not answer is asked again
_NOT_INITIALIZED = (
    "NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized"
)


class Kubelet:
    """The kubelet of one node, and with it the node's container runtime.

    Args:
        shim: the parent of all containers; may be shared between nodes.
        shelf: the images; may be shared between nodes.
        labels: of the ``Node`` object, beside the usual ones.

    Raises:
        LabError: the node's folders could not be prepared.
    """

    def __init__(
        self, node: Node, store: Store, shim: Shim, shelf: Shelf, *, labels: Mapping[str, str] | None = None
    ) -> None:
        self.node, self._store, self._shim = node, store, shim
        self._labels = dict(labels or {})
        self._prepare(shelf)
        recorder = Recorder(store, "kubelet", node.name)
        runtime = Runtime(node, observe=False)
        self._host = Host(node, store, shim, shelf, runtime, recorder, lambda: self.network_trouble)
        self._workers: dict[str, PodWorker] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._watch: Any = None
        self._name_servers: NameServers | None = None
        #: for the API server
        self.requests = Requests(self._workers, shim)

    def _prepare(self, shelf: Shelf) -> None:
        """Folders of the node's own for logs, and the images."""
        try:
            give_own(self.node.pid, "/var/log")
            show(self.node.pid, str(shelf.folder), places.IMAGES)
        except OSError as error:
            raise LabError(
                f"The node {self.node.name} could not be prepared for containers: {error}.", "Run doctor() to see why."
            ) from error

    @property
    def alive(self) -> bool:
        """Does it run, and its node too?"""
        return not self._stop.is_set() and any(one.is_alive() for one in self._threads)

    @property
    def network_trouble(self) -> str:
        """Why pods cannot be connected, in a real kubelet's words; ``""`` if they can."""
        try:
            assert self._host.runtime.network
        except NotFound:
            return _NOT_INITIALIZED
        except LabError as error:
            return f"NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: {error.what}"
        return ""

    def start(self) -> None:
        """Register the node, clean up what an earlier kubelet has left, and begin."""
        self._clean_orphans()
        self._register()
        self._name_servers = NameServers(self._store, self._host.name_servers, self._wake_all)
        for name, job in (("pods", self._watch_pods), ("node", self._watch_node)):
            thread = threading.Thread(target=job, name=f"kubelet {self.node.name} {name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End its threads.  The pods stay as they are: the shim ends their processes when it ends."""
        self._stop.set()
        if self._watch is not None:
            self._watch.close()
        if self._name_servers is not None:
            self._name_servers.close()
        with self._lock:
            workers = list(self._workers.values())
        for worker in workers:
            worker.give_up()
        for thread in self._threads:
            thread.join()
        for worker in workers:
            worker.join()

    # --- the node ----------------------------------------------------------------------------------------------------

    def _clean_orphans(self) -> None:
        """Sandboxes whose processes ended with an earlier shim: take their network down, so that addresses are free."""
        for name in cni_pods.listed(self.node):
            try:
                if cni_pods.find(self.node, name).owner != "kubelet":
                    continue
            except NotFound:  # a name that is left of one that was unmounted
                pass
            with suppress(LabError):
                self._host.runtime.delete(name)

    def _register(self) -> None:
        with suppress(ObjectExists):
            self._store.create(NODES, node_object(self.node, self._labels))
        self._say_how_the_node_is()
        self._host.recorder.record(self._store.get(NODES, self.node.name), NORMAL, "Starting", "Starting kubelet.")

    def _say_how_the_node_is(self) -> None:
        while True:
            current = self._store.get(NODES, self.node.name)
            before = current.get("status") or {}
            current["status"] = node_status(self.node, before, self.network_trouble, timestamp(time.time()))
            try:
                self._store.update(NODES, current, subresource="status")
                return
            except Conflict:
                continue

    def _watch_node(self) -> None:
        """Say at once when the network's configuration comes or goes, and now and then that all is as before."""
        said, last = self.network_trouble, time.monotonic()
        while not self._stop.wait(_OFTEN):
            if not self.node.exists or not self._node_runs():
                self._stop.set()
                if self._watch is not None:
                    self._watch.close()
                if self._name_servers is not None:
                    self._name_servers.close()
                return
            now = self.network_trouble
            if now != said or time.monotonic() - last > _HEARTBEAT:
                with suppress(Refused):  # the Node object was deleted; a real kubelet does not come back either
                    self._say_how_the_node_is()
                if now != said:
                    self._wake_all()
                said, last = now, time.monotonic()

    def _node_runs(self) -> bool:
        try:
            return bool(self.node._pid)
        except Vanished:
            return False

    def _wake_all(self) -> None:
        with self._lock:
            for worker in self._workers.values():
                worker.wake()

    # --- the pods ----------------------------------------------------------------------------------------------------

    def _watch_pods(self) -> None:
        """Level-triggered: a watch that is lost begins anew with all that is there."""
        while not self._stop.is_set():
            try:
                with self._store.watch(PODS, fields=f"spec.nodeName={self.node.name}", bookmarks=True) as watch:
                    self._watch = watch
                    if self._stop.is_set():
                        return
                    seen: set[str] | None = set()
                    for event in watch:
                        if event.type == "BOOKMARK":
                            self._forget_all_but(seen)
                            seen = None
                            continue
                        if seen is not None:
                            seen.add(event.object["metadata"]["uid"])
                        self._pod(event.object, gone=event.type == "DELETED")
            except Gone:
                continue
            except Refused:  # the API server does not answer: pods go on as they are until it does
                self._stop.wait(_AGAIN)

    def _forget_all_but(self, seen: set[str] | None) -> None:
        """Pods that were deleted while nobody watched."""
        if seen is None:
            return
        with self._lock:
            lost = [worker for uid, worker in self._workers.items() if uid not in seen]
        for worker in lost:
            worker.update(None)

    def _pod(self, pod: Object, *, gone: bool) -> None:
        uid = pod["metadata"]["uid"]
        with self._lock:
            worker = self._workers.get(uid)
            if worker is None:
                if gone:
                    return
                worker = self._workers[uid] = PodWorker(self._host, pod, self._done_with(uid))
                worker.start()
                return
        worker.update(None if gone else pod)

    def _done_with(self, uid: str) -> Callable[[], None]:
        def job() -> None:
            with self._lock:
                self._workers.pop(uid, None)

        return job
