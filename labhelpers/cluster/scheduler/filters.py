"""Which nodes a pod may go to.  Pure functions.

What a pod requests of CPU and memory is not looked at, because nothing here limits it.
Source: https://kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from labhelpers.store import Object

__all__ = ["reasons_against"]

_MOST_PODS = 110


def reasons_against(pod: Object, node: Object, there: Sequence[Object]) -> list[str]:
    """Why a pod cannot go to a node, in the real scheduler's words; none if it can.

    Args:
        there: the pods that are on the node already and not finished.
    """
    for check in (_unschedulable, _not_wanted, _tainted, _full, _ports_taken):
        reason = check(pod, node, there)
        if reason:
            return [reason]  # the first is all that the real one tells of a node, too
    return []


def _unschedulable(pod: Object, node: Object, _: Sequence[Object]) -> str:
    taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    if (node.get("spec") or {}).get("unschedulable") and not _tolerated(pod, taint):
        return "node(s) were unschedulable"
    return ""


def _not_wanted(pod: Object, node: Object, _: Sequence[Object]) -> str:
    spec, labels = pod["spec"], node["metadata"].get("labels") or {}
    selected = (spec.get("nodeSelector") or {}).items() <= labels.items()
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if selected and (not required or any(_term(one, node) for one in required.get("nodeSelectorTerms") or ())):
        return ""
    return "node(s) didn't match Pod's node affinity/selector"


def _term(term: Mapping[str, Any], node: Object) -> bool:
    """All of a term's conditions; an empty term matches nothing."""
    labels = node["metadata"].get("labels") or {}
    fields = {"metadata.name": node["metadata"]["name"]}
    conditions = [
        *((one, labels) for one in term.get("matchExpressions") or ()),
        *((one, fields) for one in term.get("matchFields") or ()),
    ]
    return bool(conditions) and all(_condition(one, values) for one, values in conditions)


def _condition(one: Mapping[str, Any], values: Mapping[str, str]) -> bool:
    key, operator, wanted = one["key"], one["operator"], one.get("values") or []
    if operator in ("Gt", "Lt"):
        try:
            number, limit = int(values[key]), int(wanted[0])
        except (KeyError, ValueError, IndexError):
            return False
        return number > limit if operator == "Gt" else number < limit
    return {
        "In": values.get(key) in wanted,
        "NotIn": values.get(key) not in wanted,
        "Exists": key in values,
        "DoesNotExist": key not in values,
    }.get(operator, False)


def _tainted(pod: Object, node: Object, _: Sequence[Object]) -> str:
    for taint in (node.get("spec") or {}).get("taints") or ():
        if taint["effect"] in ("NoSchedule", "NoExecute") and not _tolerated(pod, taint):
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    if not _is_ready(node):
        # a real cluster marks such a node with this taint
        taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
        daemon = _tolerated(pod, {**taint, "effect": "NoExecute"}, forever=True)
        if not daemon and not _tolerated(pod, taint):
            return "node(s) had untolerated taint {node.kubernetes.io/not-ready: }"
    return ""


def _is_ready(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _tolerated(pod: Object, taint: Mapping[str, Any], *, forever: bool = False) -> bool:
    return any(
        one.get("effect") in (None, "", taint["effect"])
        and one.get("key") in (None, "", taint["key"])
        and (
            one.get("operator", "Equal") == "Exists"
            or (one.get("key") and one.get("value", "") == taint.get("value", ""))
        )
        and not (forever and one.get("tolerationSeconds") is not None)
        for one in pod["spec"].get("tolerations") or ()
    )


def _full(_: Object, node: Object, there: Sequence[Object]) -> str:
    limit = ((node.get("status") or {}).get("allocatable") or {}).get("pods", _MOST_PODS)
    return "Too many pods" if len(there) >= int(limit) else ""


def _ports_taken(pod: Object, _: Object, there: Sequence[Object]) -> str:
    taken = {port for one in there for port in _host_ports(one)}
    if taken & set(_host_ports(pod)):
        return "node(s) didn't have free ports for the requested pod ports"
    return ""


def _host_ports(pod: Object) -> Iterable[tuple[str, int]]:
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield port.get("protocol", "TCP"), int(port["hostPort"])
