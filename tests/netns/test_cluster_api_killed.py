"""The API server is killed while its kubelet goes on, and the kubelet while the API server does: nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from labhelpers.cluster.client import ApiStore, Unreachable
from labhelpers.cluster.images import Shelf
from labhelpers.cluster.kubelet import Kubelet
from labhelpers.lab import Lab, Node
from labhelpers.linux.container.shim import Shim
from labhelpers.store import DEPLOYMENTS, NODES, PODS, Object
from tests.netns.cni import leases, names
from tests.netns.kernel import eventually
from tests.netns.kubelets import configure

pytestmark = pytest.mark.once

PATIENCE = 60.0
PROGRAMS = Path(__file__).parent / "data"


def started(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, PROGRAMS / program, *arguments], stdout=subprocess.PIPE, text=True)


def killed(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@dataclass
class Plane:
    """The process, and how to talk to it."""

    file: Path
    process: subprocess.Popen[str]
    url: str

    @classmethod
    def begin(cls, file: Path, port: int = 0) -> Plane:
        process = started("api_process.py", str(file), str(port))
        assert process.stdout is not None
        return cls(file, process, process.stdout.readline().strip())

    def kill(self) -> None:
        killed(self.process)

    def again(self) -> None:
        """With what was written down, at the same place."""
        new = Plane.begin(self.file, int(self.url.rpartition(":")[2]))
        assert new.url == self.url
        self.process = new.process

    @property
    def store(self) -> ApiStore:
        return ApiStore(self.url)

    def pods(self) -> list[Object]:
        return list(self.store.list(PODS, "default"))

    def ready(self) -> list[str]:
        """The names of the pods that are ready, and are not to go."""
        return sorted(
            one["metadata"]["name"]
            for one in self.pods()
            if "deletionTimestamp" not in one["metadata"]
            and any(
                (each["type"], each["status"]) == ("Ready", "True")
                for each in (one.get("status") or {}).get("conditions") or ()
            )
        )


@contextmanager
def node_with_kubelet(url: str) -> Iterator[Node]:
    with Lab() as lab, Shim() as shim:
        node = lab.node("node-1")
        configure(node)
        kubelet = Kubelet(node, ApiStore(url), shim, Shelf())
        kubelet.start()
        try:
            yield node
        finally:
            kubelet.stop()


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    one = Plane.begin(tmp_path / "store.json")
    yield one
    one.kill()


def deploy(plane: Plane, replicas: int) -> None:
    container = {"name": "c", "image": "busybox", "command": ["sleep", "36017"]}
    pod = {"containers": [container], "terminationGracePeriodSeconds": 0}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    plane.store.create(DEPLOYMENTS, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})


def restarts(plane: Plane) -> dict[str, int]:
    """How often each pod's container was started again, as its status says it."""
    return {
        pod["metadata"]["name"]: one["restartCount"]
        for pod in plane.pods()
        for one in pod["status"].get("containerStatuses") or ()
    }


def processes() -> list[int]:
    """The pods' programs that run."""
    found = []
    for pid in (int(one) for one in os.listdir("/proc") if one.isdecimal()):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        if words[:2] == [b"sleep", b"36017"]:
            found.append(pid)
    return sorted(found)


def test_pods_run_on_and_what_was_asked_meanwhile_is_done_afterwards(plane: Plane) -> None:
    with node_with_kubelet(plane.url) as node:
        deploy(plane, 3)
        assert eventually(lambda: len(plane.ready()) == 3, PATIENCE), plane.pods()
        before, running = plane.pods(), processes()
        plane.kill()
        with pytest.raises(Unreachable):
            plane.store.list(NODES)
        os.kill(running[0], signal.SIGKILL)
        assert eventually(lambda: len(processes()) == 3 and processes() != running, PATIENCE), "it is started again"
        assert set(running[1:]) <= set(processes()), "the others were left alone"
        plane.again()
        assert {one["metadata"]["uid"] for one in plane.pods()} == {one["metadata"]["uid"] for one in before}
        plane.store.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 4}}, "default")
        plane.store.delete(PODS, before[2]["metadata"]["name"], "default", grace=0)
        assert eventually(lambda: len(plane.ready()) == 4, PATIENCE), plane.pods()
        assert eventually(lambda: len(processes()) == len(names(node)) == len(leases(node)) == 4, PATIENCE)
        counts = sorted(restarts(plane).values())
        assert counts in ([0, 0, 0, 1], [0, 0, 0, 0]), "the second when it was that pod that was deleted"
        plane.store.delete(DEPLOYMENTS, "web", "default")
        assert eventually(lambda: not processes() and not names(node) and not leases(node), PATIENCE)


def test_a_server_that_is_killed_again_and_again_loses_nothing_and_makes_nothing_twice(plane: Plane) -> None:
    with node_with_kubelet(plane.url) as node:
        deploy(plane, 1)
        for replicas in (2, 3, 4, 5):
            plane.store.patch(DEPLOYMENTS, "web", {"spec": {"replicas": replicas}}, "default")
            plane.kill()
            plane.again()
        assert eventually(lambda: len(plane.ready()) == 5 and len(plane.pods()) == 5, PATIENCE), plane.pods()
        assert eventually(lambda: len(processes()) == len(names(node)) == len(leases(node)) == 5, PATIENCE)
        assert [one["metadata"]["name"] for one in plane.store.list(NODES)] == ["node-1"]


def test_a_kubelet_that_is_killed_takes_its_containers_along_and_the_next_one_runs_them_again(plane: Plane) -> None:
    with Lab() as lab:
        node = lab.node("node-1")
        configure(node)
        described = {"name": node.name, "pid": node.pid, "address": node.address, "pod_cidr": node.pod_cidr}
        deploy(plane, 3)
        kubelet = started("kubelet_process.py", plane.url, json.dumps(described))
        try:
            assert eventually(lambda: len(plane.ready()) == 3, PATIENCE), plane.pods()
            before = plane.ready()
            killed(kubelet)
            assert eventually(lambda: not processes(), PATIENCE), "the containers end with who watches over them"
            assert plane.ready() == before, "nobody has said otherwise"
            gone = before[0]
            plane.store.delete(PODS, gone, "default", grace=0)
            kubelet = started("kubelet_process.py", plane.url, json.dumps(described))
            assert eventually(lambda: len(processes()) == 3 and len(plane.ready()) == 3, PATIENCE), plane.pods()
            assert set(before) - set(plane.ready()) == {gone}
            assert eventually(lambda: [restarts(plane)[name] for name in before[1:]] == [1, 1], PATIENCE), plane.pods()
            assert eventually(lambda: len(names(node)) == len(leases(node)) == 3, PATIENCE), (names(node), leases(node))
            plane.store.delete(DEPLOYMENTS, "web", "default")
            assert eventually(lambda: not processes() and not names(node) and not leases(node), PATIENCE)
        finally:
            killed(kubelet)
