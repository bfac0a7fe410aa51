"""The pods of chapter 08: a shop and a blog on two nodes, and a table of who reaches whom."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable
from typing import Any

from labhelpers.cluster import Cluster
from labhelpers.conformance.policy import TruthTable, truth_table
from labhelpers.course.kubectl import ask, kubectl, new_cluster
from labhelpers.course.pods import is_ready
from labhelpers.errors import TimedOut
from labhelpers.networks import Network

__all__ = ["PODS", "apply", "new_shop", "who_reaches_whom"]

#: the node of each pod; its label ``app`` is its name
_PLACES = {
    "blog/cron": "node-1", "blog/web": "node-2", "shop/api": "node-2", "shop/db": "node-1", "shop/web": "node-1",
}  # fmt: skip
PODS = tuple(_PLACES)
_SERVERS = ("api", "db")
# seconds
_PATIENCE = 60.0
_OFTEN = 0.1


def new_shop(network: Network | str) -> Cluster:
    """Make a new cluster of two nodes with the pods of the chapter, and wait until they are ready.

    ``api`` and ``db`` of the namespace shop are web servers.  ``web`` of both namespaces, and ``cron`` of blog, are
    pods with ``curl`` and ``dig``.  Each pod's label ``app`` is its name, each namespace's label ``team`` is its name.

    Args:
        network: as ``Cluster`` takes it.

    Raises:
        LabError: see ``Cluster``; TimedOut: a pod is not ready after a minute.
    """
    cluster = new_cluster(2, network=network)
    apply([_namespace(name) for name in sorted({pod.split("/")[0] for pod in PODS})])
    apply([_pod(name) for name in PODS])
    end = time.monotonic() + _PATIENCE
    while late := _not_ready():
        if time.monotonic() > end:
            raise TimedOut(f"{late[0]} is not ready.", f"Ask why: kubectl describe pods -n {late[0].split('/')[0]}.")
        time.sleep(_OFTEN)
    return cluster


def apply(objects: Iterable[Any]) -> str:
    """Give objects to the API server, and return what kubectl says.

    Raises:
        LabError: the API server refuses one.

    Shell: ``kubectl apply -f FILE``.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"apiVersion": "v1", "kind": "List", "items": list(objects)}, file)
        file.flush()
        return kubectl("apply", "-f", file.name)


def who_reaches_whom(
    cluster: Cluster, ports: Iterable[tuple[str, int]] = (("TCP", 80),), *, within: float = _PATIENCE
) -> TruthTable:
    """Try all connections between the pods with real packets, until they are as the policies say.

    A node's agent hears of a new policy a moment after ``kubectl apply``, so the first try may come too early.

    Args:
        ports: protocol and number.
        within: seconds after which what was seen last is returned, whatever it is.

    Raises:
        LabError: see ``truth_table``.
    """
    end = time.monotonic() + within
    while True:
        table = truth_table(cluster, ports, title="who reaches whom", pods=PODS)
        if table.ok or time.monotonic() > end:
            return table
        time.sleep(_OFTEN)


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": name}}}


def _pod(full: str) -> dict[str, Any]:
    namespace, _, name = full.partition("/")
    container: dict[str, Any] = {"name": name, "image": "nginx"}
    if name not in _SERVERS:
        container = {"name": name, "image": "nicolaka/netshoot", "command": ["sleep", "infinity"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"nodeName": _PLACES[full], "terminationGracePeriodSeconds": 1, "containers": [container]},
    }


def _not_ready() -> list[str]:
    pods = ask("get", "pods", "-A")["items"]
    found = {f"{pod['metadata']['namespace']}/{pod['metadata']['name']}": pod for pod in pods}
    return [name for name in PODS if name not in found or not is_ready(found[name])]
