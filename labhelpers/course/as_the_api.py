"""What the API server would tell the agents of a network about pods that no API server knows: those of a lab."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from labhelpers.cni import CniPod

__all__ = ["as_objects", "policy"]


def as_objects(pods: Iterable[CniPod], *policies: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The pods and policies as the API's objects, for ``apply`` of a lab's network.  Changes nothing.

    All pods are in the namespace ``default``, and each has a label ``app`` with its name.
    """
    found = [
        {
            "metadata": {"name": pod.name, "namespace": "default", "labels": {"app": pod.name}},
            "spec": {"nodeName": pod.node.name},
            "status": {"podIP": pod.address},
        }
        for pod in pods
    ]
    return {"pods": found, "namespaces": [{"metadata": {"name": "default"}}], "networkpolicies": list(policies)}


def policy(name: str, app: str, *, only_from: str = "") -> dict[str, Any]:
    """A NetworkPolicy that lets one app, or nobody, connect to the pods of another.  Changes nothing."""
    peers = [{"podSelector": {"matchLabels": {"app": only_from}}}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "podSelector": {"matchLabels": {"app": app}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": peers}] if only_from else [],
        },
    }
