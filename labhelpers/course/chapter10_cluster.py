"""The second half of the capstone: the learner's plugin makes the network of a cluster of three nodes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from labhelpers.cluster import Cluster
from labhelpers.cni import CniPod, Runtime
from labhelpers.cni import pod as cni_pods
from labhelpers.conformance import Row, across_nodes, network_model
from labhelpers.course import workshop
from labhelpers.course.exercise import Todo
from labhelpers.course.kubectl import ask
from labhelpers.course.pods import is_ready
from labhelpers.errors import LabError, NotFound
from labhelpers.lab import Node

__all__ = [
    "GHOST",
    "HAUNTED",
    "ISLANDS",
    "NETWORK",
    "START",
    "cluster_of_three",
    "leave_a_ghost",
    "model_rows",
    "no_ghost",
]

#: a container whose runtime forgot it
GHOST = "ghost"

START = """
    from labhelpers.cni import Runtime
    from labhelpers.course.chapter10 import begin
    from labhelpers.course.kubectl import kubectl, new_cluster

    begin("{id}")
    cluster = new_cluster(3, network="none")
    node_1, node_2, node_3 = cluster.nodes
"""
_ROUTES = """\
        for other in cluster.nodes:
            if other is not node:
                node.add_route(other.pod_cidr, via=other.address)
"""
#: a configuration for each node, the way between the nodes, and six pods
NETWORK = f"""
    for node in cluster.nodes:
        ipam = {{"type": "lab-host-local", "subnet": node.pod_cidr, "routes": [{{"dst": "0.0.0.0/0"}}]}}
        mine = {{"type": "my-plugin", "bridge": "my0", "isGateway": True, "ipam": ipam}}
        Runtime(node).configure({{"cniVersion": "1.1.0", "name": "mine", "plugins": [mine]}})
{_ROUTES}\
    said = kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=15s")
    said = kubectl("create", "deployment", "web", "--image=nginx", "--replicas=6")
    said = kubectl("rollout", "status", "deployment", "web", "--timeout=15s")
"""
#: nothing brings packets from node to node
ISLANDS = NETWORK.replace(_ROUTES, "")
#: after all that, a container that nobody knows any more
HAUNTED = """
    from labhelpers.course.chapter10_cluster import leave_a_ghost

    leave_a_ghost(node_2)
"""


def leave_a_ghost(node: Node) -> None:
    """Attach a container on a node, and have the runtime forget it, as after a crash between ADD and its note.

    Shell, on the node: the plugin with ``CNI_COMMAND=ADD``, then ``rm /var/lib/cni/results/*-ghost-eth0``.
    """
    Runtime(node, observe=False).add(GHOST)
    for note in Path(f"{node.root}/var/lib/cni/results").glob(f"*-{GHOST}-*"):
        note.unlink()


def cluster_of_three() -> Iterator[Todo]:
    """Is the learner's plugin the network of a cluster of three nodes, and does it keep the model?"""
    for function in workshop.VERBS:
        yield Todo(not workshop.missing([function]), f"{workshop.NAME} has a function {function}", "no cell defines it")
    nodes = _cluster().nodes
    yield Todo(len(nodes) >= 3, "the cluster has three nodes", f"it has {len(nodes)}")
    for node in nodes:
        yield from _configured(node)
    ready = {one["metadata"]["name"]: is_ready(one) for one in ask("get", "nodes")["items"]}
    late = ", ".join(name for name, ok in ready.items() if not ok)
    yield Todo(not late, "the nodes are ready", f"not {late}: kubectl describe node says why")
    pods = _pods(nodes)
    where = {pod.node.name for pod in pods}
    yield Todo(
        len(pods) >= 6 and len(where) >= 3, "six pods or more, on every node", f"{len(pods)} on {len(where)} nodes"
    )
    if len(where) >= 2:
        yield from (Todo(bool(row.ok), f"{row.id}: {row.why}", row.seen) for row in model_rows())


def model_rows() -> list[Row]:
    """The network model, tried with packets between all pods of the cluster that is running."""
    cluster = _cluster()
    pods = _pods(cluster.nodes)
    rows = [*network_model(cluster, pods=pods), *across_nodes(cluster, pods=pods)]
    return list({row.id: row for row in reversed(rows)}.values())[::-1]


def no_ghost() -> Iterator[Todo]:
    """Is the forgotten container's cable gone, and its address free, and has nobody else noticed?"""
    cluster = _cluster()
    node = cluster.node("node-2")
    yield from _configured(node)
    yield Todo(not _has_cable(node), "the forgotten container's cable is gone", f"cni-{GHOST} still has its eth0")
    leases = [lease.name for lease in _leases(node) if GHOST in lease.read_text()]
    yield Todo(not leases, "its address is free", f"{', '.join(leases)} is still noted as taken")
    wanted = len(ask("get", "pods", "-l", "app=web")["items"])
    pods = [pod for pod in _pods(cluster.nodes) if pod.name != GHOST]
    yield Todo(len(pods) >= 6, "the deployment's pods are there", f"{len(pods)} of {wanted} have a namespace")
    failed = [f"{a.name} → {b.name}" for a in pods for b in pods if a is not b and not a.ping(b, timeout=0.5)]
    yield Todo(not failed, "and reach each other", f"no answer: {', '.join(failed[:3])}")


def _configured(node: Node) -> Iterator[Todo]:
    what = f"{node.name}'s network is made by {workshop.NAME}"
    try:
        kinds = [one.type for one in Runtime(node, observe=False).network.plugins]
    except LabError as error:
        yield Todo(False, what, error.what)
    else:
        yield Todo(workshop.NAME in kinds, what, f"by {', '.join(kinds)}")


def _has_cable(node: Node) -> bool:
    with suppress(NotFound):
        return any(link.name == "eth0" for link in cni_pods.find(node, GHOST).links())
    return False


def _leases(node: Node) -> Iterator[Path]:
    for file in Path(f"{node.root}/var/lib/cni/networks").glob("*/*"):
        if file.name[0].isdigit():
            yield file


def _pods(nodes: tuple[Node, ...]) -> list[CniPod]:
    """The pods that have an address; one that is being made has none yet."""
    found = []
    for node in nodes:
        for container in cni_pods.listed(node):
            with suppress(NotFound):
                pod = cni_pods.find(node, container)
                if pod.address:
                    found.append(pod)
    return found


def _cluster() -> Cluster:
    """The cluster that is running, whoever made it (``NotFound`` if there is none)."""
    return Cluster.running()
