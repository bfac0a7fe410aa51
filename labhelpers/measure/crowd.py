"""Policies of many others, and pods that need not exist: what a large cluster's node has to hold."""

from __future__ import annotations

from typing import Any

from labhelpers.cni import CniPod

__all__ = ["crowd", "open_port", "pod_object"]

Object = dict[str, Any]
_EACH = 5  # pods that a policy selects
_PODS = 500


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


def crowd(policies: int, own: list[CniPod], port: int) -> dict[str, list[Object]]:
    """Five hundred pods and so many policies, each of five of them; and one more, which lets the own pods connect."""
    node = own[-1].node.name
    groups = _PODS // _EACH
    pods = [
        pod_object(f"pod-{n}", f"10.9.{n // 250}.{n % 250 + 1}", node, {"group": str(n % groups)}) for n in range(_PODS)
    ]
    pods += [pod_object(pod.name, pod.address, pod.node.name, {"app": "own"}) for pod in own]
    made = [
        open_port(f"policy-{n}", _group(n % groups), 1000 + n, _group((n * 7 + 1) % groups)) for n in range(policies)
    ]
    made.append(open_port("the-last", {"matchLabels": {"app": "own"}}, port))
    meta = {"name": "default", "labels": {"kubernetes.io/metadata.name": "default"}}
    return {"pods": pods, "namespaces": [{"metadata": meta}], "networkpolicies": made}


def _group(number: int) -> Object:
    return {"matchLabels": {"group": str(number)}}
