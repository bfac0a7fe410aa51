"""A cluster that is whole: as many pods as there should be, and in the kernel what belongs to them and no more."""

from __future__ import annotations

import json
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.netns.cni import leases, names
from tests.netns.kernel import eventually, ip
from tests.netns.kubectl import Kubectl, cluster_with_kubectl

__all__ = [
    "PATIENCE",
    "PODS",
    "REPLICAS",
    "connect",
    "head",
    "is_whole",
    "log_of_talker",
    "programs",
    "sandboxes",
    "shim_of",
    "stays_whole",
    "talking",
]

PATIENCE = 60.0
REPLICAS = 4
PODS = "/api/v1/namespaces/default/pods"
_PROGRAM = [b"sleep", b"36018"]


#: 8 million bytes in one line, and then a short one
_TALK = "head -c 8000000 /dev/zero | tr '\\0' x; echo; echo said; exec sleep 36019"


@contextmanager
def talking() -> Iterator[Kubectl]:
    """A cluster with a deployment of programs that wait, and one that has said a lot."""
    with cluster_with_kubectl(2) as one:
        one(f"create deployment web --image=busybox --replicas={REPLICAS} --", *(word.decode() for word in _PROGRAM))
        one("create deployment talker --image=busybox -- sh -c", _TALK)
        one("create configmap kept --from-literal=a=b")
        one("wait --for=condition=Available deployments --all --timeout=60s")
        assert eventually(lambda: one("logs deployment/talker --tail=1") == "said", PATIENCE)
        yield one


def log_of_talker(kubectl: Kubectl) -> str:
    """The path of its log, followed."""
    name = kubectl("get pods -l app=talker -o", "jsonpath={.items[0].metadata.name}")
    return f"{PODS}/{name}/log?follow=true"


def words_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:  # it has ended
        return []


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def processes(wanted: Callable[[int], bool]) -> list[int]:
    return [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if wanted(pid)]


def programs() -> list[int]:
    """What runs in the deployment's containers."""
    return processes(lambda pid: words_of(pid)[:2] == _PROGRAM)


def shim_of(kubectl: Kubectl) -> int:
    (shim,) = processes(
        lambda pid: parent_of(pid) == kubectl.cluster.pid and b"labhelpers.linux.container.server" in words_of(pid)
    )
    return shim


def sandboxes(kubectl: Kubectl) -> list[int]:
    shim = shim_of(kubectl)
    return processes(lambda pid: parent_of(pid) == shim and words_of(pid)[:2] == [b"sleep", b"infinity"])


def what_is_there(kubectl: Kubectl) -> dict[str, int]:
    """How many pods there are, how many of them are ready, and what the kernel has of them."""
    pods = kubectl.json("get pods")["items"]
    ready = [
        one
        for one in pods
        if "deletionTimestamp" not in one["metadata"]
        and any((each["type"], each["status"]) == ("Ready", "True") for each in one["status"].get("conditions", ()))
    ]
    nodes = kubectl.cluster.nodes
    return {
        "pods": len(pods),
        "ready": len(ready),
        "cables": sum(one.get("master") == "cni0" for node in nodes for one in ip("link", namespace=node.name)),
        "namespaces": sum(len(names(node)) for node in nodes),
        "addresses": sum(len(leases(node, "bridge")) for node in nodes),
        "sandboxes": len(sandboxes(kubectl)),
        "programs": len(programs()),
    }


WHOLE = {**dict.fromkeys(("pods", "ready", "cables", "namespaces", "addresses", "sandboxes"), REPLICAS + 1),
         "programs": REPLICAS}  # fmt: skip


def is_whole(kubectl: Kubectl) -> bool:
    """All pods are ready, and the kernel has what belongs to them and no more."""
    return what_is_there(kubectl) == WHOLE


def open_ones(kubectl: Kubectl) -> tuple[int, int]:
    """File descriptors and threads of the cluster's process."""
    return len(os.listdir(f"/proc/{kubectl.cluster.pid}/fd")), len(os.listdir(f"/proc/{kubectl.cluster.pid}/task"))


@contextmanager
def stays_whole(kubectl: Kubectl) -> Iterator[None]:
    """Whole before, and whole after: the same process, with no more open than before, and with all its objects."""
    assert eventually(lambda: is_whole(kubectl), PATIENCE), what_is_there(kubectl)
    fds, threads = open_ones(kubectl)
    pid, uid = kubectl.cluster.pid, kubectl.json("get configmap kept")["metadata"]["uid"]
    yield
    assert eventually(lambda: is_whole(kubectl), PATIENCE), what_is_there(kubectl)
    assert kubectl.cluster.pid == pid and kubectl.cluster.runs
    assert kubectl.json("get configmap kept")["metadata"]["uid"] == uid
    assert eventually(lambda: open_ones(kubectl)[0] <= fds + 2, PATIENCE), open_ones(kubectl)
    # the threads in which it waits for others come as they are needed, and stay
    assert open_ones(kubectl)[1] <= threads + (os.cpu_count() or 1) + 4
    assert "Traceback" not in Path("/run/pod-networking/cluster.log").read_text()


def connect(kubectl: Kubectl, *, room: int = 0) -> ssl.SSLSocket:
    """A connection to the API server; ``room``: so few bytes may wait to be read."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    line = socket.socket()
    if room:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    line.settimeout(PATIENCE)
    line.connect(("127.0.0.1", int(kubectl.cluster.url.rpartition(":")[2])))
    return context.wrap_socket(line)


def head(kubectl: Kubectl, request: str, **headers: str) -> bytes:
    token = json.loads(kubectl.cluster.kubeconfig.read_text())["users"][0]["user"]["token"]
    lines = [f"{key.replace('_', '-')}: {value}" for key, value in headers.items()]
    return "\r\n".join([f"{request} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}", *lines, "", ""]).encode()
