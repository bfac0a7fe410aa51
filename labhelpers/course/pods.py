"""What exercises ask of a pod: does it run, where, and does its node reach it?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labhelpers.cluster import Cluster
from labhelpers.course.exercise import Todo
from labhelpers.course.kubectl import ask, status_of

__all__ = ["is_ready", "runs"]


def is_ready(pod: Any) -> bool:
    """Does the pod's object say that it is ready?"""
    conditions = {one["type"]: one["status"] for one in pod.get("status", {}).get("conditions", ())}
    return conditions.get("Ready") == "True"


def runs(name: str, node: str = "") -> Iterator[Todo]:
    """Is the pod ready, on ``node`` if one is given, and does its node reach it with a ping?"""
    seen = status_of(name)
    yield Todo(bool(seen), f"there is a pod {name}", "kubectl get pods does not show it")
    if not seen:
        return
    pod = ask("get", "pod", name)
    where = pod["spec"].get("nodeName", "")
    yield Todo(is_ready(pod), f"{name} is ready", f"its status is {seen}")
    if node:
        yield Todo(where == node, f"{name} is on {node}", f"it is on {where or 'no node'}")
    if not is_ready(pod):
        return
    reply = Cluster.running().node(where).ping(pod["status"]["podIP"], timeout=0.5)
    yield Todo(reply.ok, f"{where} reaches {name} at its address", str(reply))
