"""The exercises of chapter 09: labs with kubectl."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labhelpers.cluster import Cluster
from labhelpers.course.exercise import Exercise, Todo
from labhelpers.course.kubectl import ask, kubectl
from labhelpers.course.pods import is_ready, runs
from labhelpers.errors import LabError
from labhelpers.topology import End, Snapshot

__all__ = ["EXERCISES"]

_START = """
    from labhelpers.cluster import Cluster
    from labhelpers.course.kubectl import kubectl, new_cluster

    cluster = new_cluster(names=("minikube", "minikube-m02"))
"""
_HERE = '\'--overrides={"spec": {"nodeName": "minikube"}}\''


def _cable(now: Snapshot, pod: str) -> End:
    """Where the other end of the pod's cable is.

    Raises:
        LabError: the pod has no cable.
    """
    end = now.peer(f"default/{pod}", "eth0") if f"default/{pod}" in now else None
    if end is None:
        raise LabError(f"The pod {pod} has no cable.", "See whether it runs: kubectl get pods.")
    return end


def _pulled() -> Iterator[Todo]:
    now = Snapshot.take()
    for name, wanted in (("red", True), ("blue", False)):
        end = _cable(now, name)
        up = now[end.namespace].links[end.link].up
        yield Todo(
            up == wanted,
            f"{name}'s cable is {'up' if wanted else 'down'} on the node",
            f"{end} is {'up' if up else 'down'}",
        )
        inside = now[f"default/{name}"].links["eth0"].up
        yield Todo(inside, f"inside {name}, eth0 is up", "somebody has set it down")
    for name, wanted in (("red", True), ("blue", False)):
        address = ask("get", "pod", name)["status"]["podIP"]
        reply = Cluster.running().node("minikube").ping(address, timeout=0.5)
        yield Todo(reply.ok == wanted, f"{name} {'answers' if wanted else 'does not answer'}", str(reply))


def _across() -> Iterator[Todo]:
    yield from runs("client", "minikube")
    yield from runs("server", "minikube-m02")
    client = ask("get", "pod", "client")["status"].get("podIP", "")
    seen = {line.split()[0] for line in kubectl("logs", "server").splitlines() if '"GET ' in line}
    yield Todo(
        client in seen,
        "server's log has a request from client's address",
        f"requests from: {', '.join(sorted(seen)) or 'nobody'}",
    )


def _other_network() -> Iterator[Todo]:
    nodes = [node["metadata"]["name"] for node in ask("get", "nodes")["items"]]
    yield Todo(len(nodes) == 2, "the cluster has two nodes", f"it has {', '.join(nodes)}")
    now = Snapshot.take()
    for name in nodes:
        kinds = {link.kind for link in now[name].links}
        yield Todo("vxlan" in kinds, f"{name} has an end of a VXLAN tunnel", "it has none")
    pods: list[Any] = ask("get", "pods", "-l", "app=web")["items"]
    ready = [pod for pod in pods if is_ready(pod)]
    yield Todo(len(ready) >= 2, "two pods of the deployment web are ready", f"{len(ready)} are")
    places = {pod["spec"]["nodeName"] for pod in ready}
    yield Todo(len(places) == 2, "they are on two nodes", f"they are on {', '.join(sorted(places)) or 'none'}")
    for pod in ready[:2]:
        name = pod["metadata"]["name"]
        mtu = now[f"default/{name}"].links["eth0"].mtu
        yield Todo(mtu == 1450, "a pod of web leaves room for the tunnel: its MTU is 1450", f"it is {mtu}")


EXERCISES = (
    Exercise(
        id="9.1",
        title="pull the right cable",
        task="On the node, the cable of the pod blue is down. red's is up, and nothing inside a pod has changed.",
        rows=_pulled,
        start=_START
        + f"""
    kubectl("run", "red", "--image=nginx", {_HERE})
    kubectl("run", "blue", "--image=nginx", {_HERE})
    kubectl("wait", "--for=condition=Ready", "pod/red", "pod/blue", "--timeout=15s")
""",
        gives=("cluster",),
        hints=(
            "Each pod's eth0 has its other end on the node, a veth. How do you find out which?",
            "Inside the pod, /sys/class/net/eth0/iflink is the number that the other end has on the node. `ip link` on "
            "the node begins each line with that number.",
            "`kubectl exec blue -- cat /sys/class/net/eth0/iflink`, then in `minikube ssh`: `ip link set NAME down`.",
        ),
        solution="""
            %%bash
            NUMBER=$(kubectl exec blue -- cat /sys/class/net/eth0/iflink)
            minikube ssh "ip link set \\$(ip -o link | grep ^$NUMBER: | cut -d' ' -f2 | cut -d@ -f1) down"
        """,
        broken="""
            %%bash
            NUMBER=$(kubectl exec red -- cat /sys/class/net/eth0/iflink)
            minikube ssh "ip link set \\$(ip -o link | grep ^$NUMBER: | cut -d' ' -f2 | cut -d@ -f1) down"
        """,
    ),
    Exercise(
        id="9.2",
        title="from node to node, and who asked",
        task="client (busybox, sleeping) runs on minikube, server (nginx) on minikube-m02. client has fetched server's "
        "page, and server's log has client's own address.",
        rows=_across,
        start=_START,
        gives=("cluster",),
        hints=(
            "`kubectl run` chooses no node. Chapter 05 had a way to name one.",
            '`--overrides=\'{"spec": {"nodeName": "minikube"}}\'` with `kubectl run`. With --command, the command '
            "comes last, after --.",
            "`kubectl exec client -- wget -qO- http://ADDRESS`, ADDRESS from `kubectl get pod server -o wide`. "
            "Then read `kubectl logs server`.",
        ),
        solution="""
            %%bash
            on() { echo "{\\"spec\\": {\\"nodeName\\": \\"$1\\"}}"; }
            kubectl run client --image=busybox --overrides="$(on minikube)" --command -- sleep 3600
            kubectl run server --image=nginx --overrides="$(on minikube-m02)"
            kubectl wait --for=condition=Ready pod/client pod/server --timeout=30s
            kubectl exec client -- wget -qO- http://$(kubectl get pod server -o jsonpath='{.status.podIP}')
        """,
        broken="""
            %%bash
            on() { echo "{\\"spec\\": {\\"nodeName\\": \\"$1\\"}}"; }
            kubectl run client --image=busybox --overrides="$(on minikube)" --command -- sleep 3600
            kubectl run server --image=nginx --overrides="$(on minikube)"
            kubectl wait --for=condition=Ready pod/client pod/server --timeout=30s
            kubectl exec client -- wget -qO- http://$(kubectl get pod server -o jsonpath='{.status.podIP}')
        """,
    ),
    Exercise(
        id="9.3",
        title="another network",
        task="A cluster of two nodes with Flannel's VXLAN, and on each node a ready pod of the deployment web (nginx).",
        rows=_other_network,
        start=_START,
        gives=("cluster",),
        hints=(
            "The network is chosen when a cluster is made. What happens to the one that is there?",
            "Take the old one away, then `minikube start` with two options.",
            "`--cni=flannel` and `--nodes 2`. Then a deployment with two replicas: the scheduler spreads them.",
        ),
        solution="""
            %%bash
            minikube delete
            minikube start --cni=flannel --nodes 2
            kubectl create deployment web --image=nginx --replicas=2
            kubectl wait --for=condition=Available deployment/web --timeout=30s
        """,
        broken="""
            %%bash
            minikube start --cni=flannel --nodes 2
            kubectl create deployment web --image=nginx --replicas=2
            kubectl wait --for=condition=Available deployment/web --timeout=30s
        """,
    ),
)
