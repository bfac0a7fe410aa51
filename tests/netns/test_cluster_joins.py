"""A kubelet joins an API server over the network, knowing nothing of it but the ``Store`` interface."""

from __future__ import annotations

import ssl
from pathlib import Path

from labhelpers.cluster.api.certificate import make_certificate
from labhelpers.cluster.api.serving import ADDRESS, Serving, listen
from labhelpers.cluster.client import ApiStore
from labhelpers.cluster.controllers import Manager, controllers
from labhelpers.cluster.images import Shelf
from labhelpers.cluster.kubelet import Kubelet
from labhelpers.cluster.scheduler import Scheduler
from labhelpers.lab import Lab
from labhelpers.linux.container.shim import Shim
from labhelpers.store import DEPLOYMENTS, NAMESPACES, NODES, PODS, MemoryStore, Store
from tests.netns.cni import names
from tests.netns.kernel import eventually
from tests.netns.kubelets import configure

PATIENCE = 20.0
CONTAINER = {"name": "c", "image": "busybox", "command": ["sleep", "3600"]}
POD = {"containers": [CONTAINER], "terminationGracePeriodSeconds": 0}


def trusting(serving: Serving, certificate: Path, token: str) -> Store:
    context = ssl.create_default_context(cafile=str(certificate))
    return ApiStore(serving.url, token=token, context=context)


def test_a_kubelet_works_through_https(tmp_path: Path) -> None:
    memory = MemoryStore()
    memory.create(NAMESPACES, {"metadata": {"name": "default"}, "spec": {"finalizers": ["kubernetes"]}})
    certificate = make_certificate(tmp_path, ADDRESS)
    serving = Serving(memory, {}, listen(0), token="secret", certificate=certificate)
    store = trusting(serving, certificate.certificate, "secret")
    with Lab() as lab, Shim() as shim:
        node = lab.node("node-1")
        configure(node)
        manager = Manager(memory, [*controllers(memory), Scheduler(memory)])
        kubelet = Kubelet(node, store, shim, Shelf())
        kubelet.start()
        try:
            template = {"metadata": {"labels": {"app": "web"}}, "spec": POD}
            spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
            store.create(DEPLOYMENTS, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})

            def available() -> int:
                return int(memory.get(DEPLOYMENTS, "web", "default").get("status", {}).get("availableReplicas", 0))

            assert eventually(lambda: available() == 2, PATIENCE), memory.list(PODS).items
            assert len(names(node)) == 2
            assert memory.get(NODES, "node-1")["status"]["nodeInfo"]["operatingSystem"] == "linux"
            store.delete(DEPLOYMENTS, "web", "default")
            assert eventually(lambda: not names(node) and not memory.list(PODS).items, PATIENCE)
        finally:
            kubelet.stop()
            manager.close()
            serving.close()
