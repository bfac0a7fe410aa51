"""What the API says about a connection, in as few lines as it takes: the judge of those who enforce policies.

It shares no code with what compiles policies, and reads the objects as they are.  Source: the API reference of
NetworkPolicy v1 (networking.k8s.io).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["is_allowed"]

Object = Mapping[str, Any]


def is_allowed(
    objects: Mapping[str, Iterable[Object]], source: Object, target: Object, protocol: str, port: int
) -> bool:
    """May a pod open a connection to another pod's port?

    Args:
        objects: ``namespaces`` and ``networkpolicies``.
        source, target: objects of pods; or, for somebody outside, ``{"status": {"podIP": ADDRESS}}``.
    """
    namespaces = {one["metadata"]["name"]: one["metadata"].get("labels", {}) for one in objects["namespaces"]}
    policies = list(objects["networkpolicies"])
    sends = _agrees(policies, namespaces, "Egress", source, target, target, protocol, port)
    return sends and _agrees(policies, namespaces, "Ingress", target, source, target, protocol, port)


def _agrees(
    policies: list[Object],
    namespaces: Mapping[str, Mapping[str, str]],
    way: str,
    mine: Object,
    other: Object,
    target: Object,
    protocol: str,
    port: int,
) -> bool:
    isolated = False
    for policy in policies:
        spec, home = policy["spec"], policy["metadata"].get("namespace", "default")
        ways = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
        if way not in ways or _home(mine) != home or not _selects(spec.get("podSelector", {}), _labels(mine)):
            continue
        isolated = True
        for rule in spec.get(way.lower()) or []:
            peers, ports = rule.get("from" if way == "Ingress" else "to"), rule.get("ports")
            if peers and not any(_is_peer(peer, home, other, namespaces) for peer in peers):
                continue
            if not ports or any(_is_port(one, target, protocol, port) for one in ports):
                return True
    return not isolated


def _home(pod: Object) -> str | None:
    """A pod's namespace; somebody outside has none."""
    return pod["metadata"].get("namespace", "default") if "metadata" in pod else None


def _labels(pod: Object) -> Mapping[str, str]:
    return pod.get("metadata", {}).get("labels") or {}


def _selects(selector: Object, labels: Mapping[str, str]) -> bool:
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for need in selector.get("matchExpressions") or []:
        there, fits = need["key"] in labels, labels.get(need["key"]) in (need.get("values") or [])
        verdict = {"In": fits, "NotIn": not fits, "Exists": there, "DoesNotExist": not there}[need["operator"]]
        if not verdict:
            return False
    return True


def _is_peer(peer: Object, home: str, other: Object, namespaces: Mapping[str, Mapping[str, str]]) -> bool:
    if "ipBlock" in peer:
        address = ipaddress.ip_address(other["status"]["podIP"])
        block = peer["ipBlock"]
        outside = [address in ipaddress.ip_network(one, strict=False) for one in block.get("except") or []]
        return address in ipaddress.ip_network(block["cidr"], strict=False) and not any(outside)
    where = _home(other)
    if where is None:
        return False
    if "namespaceSelector" in peer:
        in_place = _selects(peer["namespaceSelector"], namespaces.get(where, {}))
    else:
        in_place = where == home
    return in_place and _selects(peer.get("podSelector") or {}, _labels(other))


def _is_port(entry: Object, target: Object, protocol: str, port: int) -> bool:
    if entry.get("protocol", "TCP") != protocol:
        return False
    wanted = entry.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        for container in target.get("spec", {}).get("containers", []):
            for one in container.get("ports", []):
                if (one.get("name"), one.get("protocol", "TCP"), one["containerPort"]) == (wanted, protocol, port):
                    return True
        return False
    return bool(wanted <= port <= (entry.get("endPort") or wanted))
