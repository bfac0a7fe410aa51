"""What a Deployment's ``status`` says: how many pods, is it available, does it get on.  Pure functions.

Source: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from labhelpers.cluster.controllers.rollout import Limits, replicas_of
from labhelpers.store import Object, timestamp

__all__ = ["deployment_status", "is_complete"]


def _sum(sets: Iterable[Object], key: str) -> int:
    return sum((one.get("status") or {}).get(key, 0) for one in sets)


def is_complete(deployment: Object, new: Object, sets: list[Object]) -> bool:
    """Are all pods there, new, and available, and no old one left?"""
    wanted = deployment["spec"].get("replicas", 1)
    counts = (_sum([new], "replicas"), _sum(sets, "replicas"), _sum(sets, "availableReplicas"))
    return counts == (wanted, wanted, wanted) and all(not replicas_of(one) for one in sets if one is not new)


def deployment_status(
    deployment: Object, new: Object | None, sets: list[Object], limits: Limits, now: float
) -> tuple[Object, float | None]:
    """The status, and after how many seconds to look again: when it would have taken too long."""
    available = _sum(sets, "availableReplicas")
    status = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": _sum(sets, "replicas"),
        "updatedReplicas": _sum([new] if new else [], "replicas"),
        "readyReplicas": _sum(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(map(replicas_of, sets)) - available),
    }
    before = deployment.get("status") or {}
    old = {one["type"]: one for one in before.get("conditions") or ()}
    moved = any(status[key] > before.get(key, 0) for key in ("updatedReplicas", "readyReplicas", "availableReplicas"))
    moved = moved or status["replicas"] - status["updatedReplicas"] < before.get("replicas", 0) - before.get(
        "updatedReplicas", 0
    )
    conditions = [_available(old.get("Available"), available >= limits.fewest, now)]
    progressing, again = _progressing(deployment, new, sets, old.get("Progressing"), moved, now)
    if progressing is not None:
        conditions.append(progressing)
    kept = {key: value for key, value in status.items() if value}
    return {**kept, "conditions": conditions}, again


def _available(old: Object | None, is_so: bool, now: float) -> Object:
    if is_so:
        return _condition(
            old, "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now
        )
    text = "Deployment does not have minimum availability."
    return _condition(old, "Available", "False", "MinimumReplicasUnavailable", text, now)


def _condition(
    old: Object | None, kind: str, status: str, reason: str, message: str, now: float, *, moved: bool = False
) -> Object:
    """A condition; one that did not change keeps its times."""
    same = old is not None and old["status"] == status
    if old is not None and same and (old["reason"], old["message"]) == (reason, message) and not moved:
        return old
    changed = old["lastTransitionTime"] if old is not None and same else timestamp(now)
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": timestamp(now),
        "lastTransitionTime": changed,
    }


def _progressing(
    deployment: Object, new: Object | None, sets: list[Object], old: Object | None, moved: bool, now: float
) -> tuple[Object | None, float | None]:
    if deployment["spec"].get("paused"):
        text = "Deployment is paused"
        return _condition(old, "Progressing", "Unknown", "DeploymentPaused", text, now), None
    if new is None:
        return old, None
    name = f'ReplicaSet "{new["metadata"]["name"]}"'
    if is_complete(deployment, new, sets):
        text = f"{name} has successfully progressed."
        return _condition(old, "Progressing", "True", "NewReplicaSetAvailable", text, now), None
    is_other = old is None or name not in old["message"] or old["reason"] == "DeploymentPaused"
    if is_other or moved or old is None or old["reason"] == "NewReplicaSetAvailable":
        text = f"{name} is progressing."
        old = _condition(old, "Progressing", "True", "ReplicaSetUpdated", text, now, moved=True)
    limit = deployment["spec"].get("progressDeadlineSeconds", 600)
    left = _seconds(old["lastUpdateTime"]) + limit - now
    if left > 0 or old["reason"] == "ProgressDeadlineExceeded":
        return old, left if left > 0 else None
    text = f"{name} has timed out progressing."
    return _condition(old, "Progressing", "False", "ProgressDeadlineExceeded", text, now), None


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
