"""Nodes with kubelets on a store in memory, without an API server, and what tests ask of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labhelpers.cluster.api.defaults import set_defaults
from labhelpers.cluster.images import Shelf
from labhelpers.cluster.kubelet import Kubelet
from labhelpers.cluster.node_api import LogQuestion, Session
from labhelpers.cni import Runtime
from labhelpers.lab import Lab, Node
from labhelpers.linux.container.shim import Shim
from labhelpers.store import CONFIGMAPS, EVENTS, NAMESPACES, PODS, MemoryStore, Object
from tests.netns.cni import network, plugin
from tests.netns.kernel import eventually

__all__ = ["Kubelets", "configure", "kubelets"]

PATIENCE = 30.0


def configure(node: Node, **options: Any) -> None:
    """The node's pods get a bridge and addresses of its block."""
    Runtime(node, observe=False).configure(network(plugin("lab-bridge", "lab-host-local", node.pod_cidr, **options)))


@dataclass
class Kubelets:
    """What there is, and short ways to ask for it."""

    lab: Lab
    store: MemoryStore
    shim: Shim
    shelf: Shelf
    kubelets: dict[str, Kubelet] = field(default_factory=dict)

    def begin(self, node: Node) -> Kubelet:
        """A kubelet on the node."""
        kubelet = self.kubelets[node.name] = Kubelet(node, self.store, self.shim, self.shelf)
        kubelet.start()
        return kubelet

    @property
    def node(self) -> Node:
        return self.lab.nodes[0]

    @property
    def kubelet(self) -> Kubelet:
        return self.kubelets[self.node.name]

    # --- pods --------------------------------------------------------------------------------------------------------

    def create(self, name: str = "web", image: str = "busybox", *command: str, **more: Any) -> Object:
        """A pod with one container, on the first node.  ``spec_…`` go into its spec, others into the container."""
        of_spec = {key.removeprefix("spec_"): more.pop(key) for key in tuple(more) if key.startswith("spec_")}
        container = {"name": name, "image": image, **({"command": list(command)} if command else {}), **more}
        spec = {"nodeName": self.node.name, "containers": [container], **of_spec}
        pod = {"metadata": {"name": name, "namespace": "default"}, "spec": spec}
        set_defaults(PODS, pod)
        return self.store.create(PODS, pod)

    def pod(self, name: str = "web") -> Object:
        return self.store.get(PODS, name, "default")

    def status(self, name: str = "web") -> Object:
        return dict(self.pod(name).get("status") or {})

    def container(self, name: str = "web") -> Object:
        """The status of its first container."""
        return dict((self.status(name).get("containerStatuses") or [{}])[0])

    def waiting(self, name: str = "web") -> str:
        return str(self.container(name).get("state", {}).get("waiting", {}).get("reason", ""))

    def ready(self, name: str = "web") -> bool:
        conditions = self.status(name).get("conditions") or ()
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def run(self, name: str = "web", image: str = "busybox", *command: str, **more: Any) -> Object:
        """Create a pod, and wait until it is ready."""
        self.create(name, image, *(command or ("sleep", "3600") if image == "busybox" else command), **more)
        assert self.comes(lambda: self.ready(name)), f"{self.status(name)}\n{self.events(name)}"
        if image.startswith("nginx"):  # a container is ready when it runs, and nginx listens a little later
            log = f"var/log/pods/default_{name}_*/{name}/0.log"
            nodes = [Path(node.root) for node in self.lab.nodes]
            assert self.comes(
                lambda: any("start worker processes" in one.read_text() for root in nodes for one in root.glob(log))
            )
        return self.pod(name)

    def delete(self, name: str = "web", grace: int = 1) -> None:
        """Delete a pod, and wait until its kubelet has."""
        self.store.delete(PODS, name, "default", grace=grace)
        assert self.comes(lambda: not self.there(name)), self.status(name)

    def there(self, name: str = "web") -> bool:
        return any(pod["metadata"]["name"] == name for pod in self.store.list(PODS))

    def comes(self, claim: Callable[[], object]) -> bool:
        return eventually(claim, PATIENCE)

    def events(self, name: str = "web") -> list[tuple[str, str]]:
        """Reason and message of the events about a pod, in order."""
        found = [one for one in self.store.list(EVENTS) if one["involvedObject"]["name"] == name]
        return [(one["reason"], one["message"]) for one in sorted(found, key=lambda one: str(one["eventTime"]))]

    def reasons(self, name: str = "web") -> list[str]:
        return [reason for reason, _ in self.events(name)]

    def config_map(self, name: str, **data: str) -> None:
        self.store.create(CONFIGMAPS, {"metadata": {"name": name, "namespace": "default"}, "data": data})

    # --- what the API server asks ------------------------------------------------------------------------------------

    def exec(self, name: str, *command: str, input: bytes = b"", container: str = "") -> tuple[int, str]:
        """Exit status and all output of a program in a pod."""
        session = self.kubelet.requests.exec(self.pod(name), container, command, stdin=True)
        try:
            os.write(session.stdin, input)
            session.close_stdin()
            said = b"".join(read_all(fd) for fd in (session.stdout, session.stderr))
            return session.exit.result(PATIENCE), said.decode()
        finally:
            session.close()

    def logs(self, name: str = "web", **question: Any) -> str:
        fd = self.kubelet.requests.logs(self.pod(name), LogQuestion(**question))
        try:
            return read_all(fd).decode()
        finally:
            os.close(fd)

    def session(self, name: str, command: Sequence[str], **how: bool) -> Session:
        return self.kubelet.requests.exec(self.pod(name), "", command, **how)


def read_all(fd: int) -> bytes:
    """Until the end of what is read; of a terminal that is an error."""
    parts = []
    try:
        while part := os.read(fd, 65536):
            parts.append(part)
    except OSError:
        pass
    return b"".join(parts)


@contextmanager
def kubelets(nodes: int = 1, *, connected: bool = True) -> Iterator[Kubelets]:
    """So many nodes with kubelets.

    Args:
        connected: with a network for pods.
    """
    store = MemoryStore()
    for name in ("default", "kube-system"):
        store.create(NAMESPACES, {"metadata": {"name": name}})
    with Lab() as lab, Shim() as shim:
        here = Kubelets(lab, store, shim, Shelf())
        for number in range(1, nodes + 1):
            node = lab.node(f"node-{number}")
            if connected:
                configure(node)
            here.begin(node)
        lab.connect_nodes()
        try:
            yield here
        finally:
            for kubelet in here.kubelets.values():
                kubelet.stop()
