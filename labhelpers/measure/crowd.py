"""Policies of many others, and pods that need not exist: what a large cluster's node has to hold."""

from __future__ import annotations

from typing import Any

__all__ = ["EACH", "PODS", "Object", "crowd", "open_port", "pod_object"]

Object = dict[str, Any]
#: pods that there are, and that a policy selects
PODS, EACH = 500, 5


def pod_object(name: str, address: str, node: str, labels: dict[str, str]) -> Object:
    """A pod as the API has it."""
    meta = {"name": name, "namespace": "default", "labels": labels}
    return {"metadata": meta, "spec": {"nodeName": node}, "status": {"phase": "Running", "podIP": address}}


def open_port(name: str, selected: Object, port: int, source: Object | None = None) -> Object:
    """A policy: to the pods that are selected, TCP to this port, from these pods of their namespace or from all."""
    rule: Object = {"ports": [{"port": port, "protocol": "TCP"}]}
    if source is not None:
        rule["from"] = [{"podSelector": source}]
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"podSelector": selected, "ingress": [rule]}}


def crowd(policies: int, node: str, *, broad: bool = False) -> dict[str, list[Object]]:
    """Five hundred pods of one node, which need not exist, and policies that each select five of them, or all."""
    groups = PODS // EACH
    pods = [
        pod_object(f"pod-{n}", f"10.9.{n // 250}.{n % 250 + 1}", node, {"group": str(n % groups)}) for n in range(PODS)
    ]
    made = [
        open_port(f"policy-{n}", {} if broad else _group(n % groups), 1000 + n, _group((n * 7 + 1) % groups))
        for n in range(policies)
    ]
    meta = {"name": "default", "labels": {"kubernetes.io/metadata.name": "default"}}
    return {"pods": pods, "namespaces": [{"metadata": meta}], "networkpolicies": made}


def _group(number: int) -> Object:
    return {"matchLabels": {"group": str(number)}}
