"""The course's kubelets join a real control plane: its controllers make the pods, its scheduler places them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labhelpers.cluster.credentials import store_of
from labhelpers.cluster.join import JoinedNodes
from labhelpers.cluster.pod_network import network_named
from labhelpers.cni import pod as cni_pods
from labhelpers.lab import Node
from tests.netns.cni import names
from tests.netns.control_plane import FOLDER, PROGRAMS, control_plane, programs
from tests.netns.kernel import eventually

_MISSING = [name for name in PROGRAMS if name not in programs()]
needs_a_control_plane = pytest.mark.skipif(
    bool(_MISSING), reason=f"no real control plane: {', '.join(_MISSING)} not on the PATH or in {FOLDER}"
)
pytestmark = pytest.mark.once
PATIENCE = 60.0
NODES = ["node-1", "node-2"]


class Plane:
    """A real API server, asked with kubectl."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def __call__(self, *arguments: str) -> str:
        command = ["kubectl", "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "-o", "json"))

    def comes(self, claim: Callable[[], object]) -> None:
        assert eventually(claim, PATIENCE), self("get", "events,nodes,pods", "-A")

    def events(self) -> set[tuple[str, str]]:
        """Who said what."""
        found = self.json("get", "events")["items"]
        return {(one["source"].get("component") or one["reportingComponent"], one["reason"]) for one in found}


@needs_a_control_plane
def test_nodes_join_and_run_what_real_controllers_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # kubectl keeps what it discovers there
    (tmp_path / "plane").mkdir()
    with control_plane(tmp_path / "plane") as kubeconfig:
        plane = Plane(kubeconfig)
        with JoinedNodes(store_of(kubeconfig), NODES, network_named("bridge")) as joined:
            plane.comes(lambda: [ready(one) for one in plane.json("get", "nodes")["items"]] == [True, True])
            found = {one["metadata"]["name"]: one for one in plane.json("get", "leases", "-A")["items"]}
            assert set(NODES) <= found.keys()
            deploy(plane)
            pods = plane.json("get", "pods", "-l", "app=web")["items"]
            assert sorted(one["spec"]["nodeName"] for one in pods) == NODES
            assert {one["metadata"]["ownerReferences"][0]["kind"] for one in pods} == {"ReplicaSet"}
            one, other = pods
            where = {node.name: node for node in joined.lab.nodes}
            address = other["status"]["podIP"]
            assert ping(where[one["spec"]["nodeName"]], address) == 0
            assert ping(where[one["spec"]["nodeName"]], "10.0.1.250") != 0  # nobody has it
            said = {("default-scheduler", "Scheduled"), ("kubelet", "AddedInterface"), ("kubelet", "Started")}
            plane.comes(lambda: said <= plane.events())
            plane.comes(lambda: renewed(plane, found["node-1"]["spec"]["renewTime"]))
            plane("delete", "deployment", "web", "--wait=false")
            plane.comes(lambda: not plane.json("get", "pods")["items"])
            assert not any(names(node) for node in where.values())
        assert plane.json("get", "nodes")["items"] == []


def ready(node: Any) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"]["conditions"])


def renewed(plane: Plane, since: str) -> bool:
    return bool(plane.json("get", "lease", "node-1", "-n", "kube-node-lease")["spec"]["renewTime"] > since)


def ping(node: Node, address: str) -> int:
    """The status of a ping out of the node's only pod."""
    (container,) = cni_pods.listed(node)
    inode = cni_pods.find(node, container).inode
    assert inode != node.inode
    command = ["nsenter", f"--mount=/proc/{node.pid}/ns/mnt", "ip", "netns", "exec", f"cni-{container}"]
    return subprocess.run([*command, "ping", "-c", "1", "-W", "2", address], capture_output=True).returncode


def deploy(plane: Plane) -> None:
    """Two pods that may not be on one node."""
    selector = {"matchLabels": {"app": "web"}}
    apart = {"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"}
    manifest = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": 2, "selector": selector,
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": "web", "image": "busybox", "command": ["sleep", "3600"]}],
                    "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}},
                },
            },
        },
    }  # fmt: skip
    path = plane.kubeconfig.with_name("web.json")
    path.write_text(json.dumps(manifest))
    plane("create", "-f", str(path))
    plane.comes(lambda: plane.json("get", "deployment", "web")["status"].get("readyReplicas") == 2)


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"exec": {"command": "aws", "apiVersion": "client.authentication.k8s.io/v1"}}, "says who you are by exec"),
        ({"username": "me", "password": "x"}, "says who you are by password, username"),
        ({"token": "x"}, "does not answer"),
    ],
)
def test_what_cannot_be_joined_is_refused_in_words(tmp_path: Path, user: Any, said: str) -> None:
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "c", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }  # fmt: skip
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    command = [sys.executable, "-m", "labhelpers.cluster.join", "--kubeconfig", str(path), "--nodes", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
