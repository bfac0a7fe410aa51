"""``World``: the pods, namespaces and policies of a cluster at one moment, and who is selected by what."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from typing import Any, Protocol

from labhelpers.networks.policy.model import Direction, Peer, Policy, read_policy
from labhelpers.store import by_selector

__all__ = ["HasObjects", "KnownPod", "Objects", "World", "objects_of"]

#: the API's objects, by the plural of their kind: ``pods``, ``namespaces``, ``networkpolicies``
Objects = Mapping[str, Sequence[Mapping[str, Any]]]
_ENDED = ("Succeeded", "Failed")


class HasObjects(Protocol):
    """What knows the API's objects, such as a cluster."""

    def objects(self) -> Objects:
        """Those of now."""


def objects_of(source: Objects | HasObjects) -> Objects:
    """The objects themselves, or those that a cluster has now."""
    return source if isinstance(source, Mapping) else source.objects()


@dataclass(frozen=True, slots=True)
class KnownPod:
    """What matters of a pod here."""

    namespace: str
    name: str
    address: str
    node: str
    labels: Mapping[str, str] = field(hash=False)
    #: protocol, name and number of its ports that have a name
    ports: tuple[tuple[str, str, int], ...] = ()

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class World:
    """Read the API's objects.

    A pod without an address, one that has ended, and one in its node's own network are left out: to policies the last
    is its node.

    Raises:
        BadInput: a policy cannot be read.
    """

    def __init__(self, objects: Objects) -> None:
        self.pods = tuple(sorted(filter(None, map(_pod, objects.get("pods") or ())), key=str))
        self.policies: tuple[Policy, ...] = tuple(
            sorted(map(read_policy, objects.get("networkpolicies") or ()), key=lambda one: (one.namespace, one.name))
        )
        self._namespaces = {
            one["metadata"]["name"]: one["metadata"].get("labels") or {} for one in objects.get("namespaces") or ()
        }
        self._by_label: dict[tuple[str, str, str], list[KnownPod]] = defaultdict(list)
        self._by_namespace: dict[str, list[KnownPod]] = defaultdict(list)
        for pod in self.pods:
            self._by_namespace[pod.namespace].append(pod)
            for key, value in pod.labels.items():
                self._by_label[pod.namespace, key, value].append(pod)
        self._selected: dict[tuple[str, str], tuple[KnownPod, ...]] = {}

    def pod(self, name: str) -> KnownPod | None:
        """The pod of this ``namespace/name``, or of this address."""
        return next((one for one in self.pods if name in (str(one), one.address)), None)

    def in_namespace(self, namespace: str, selector: Mapping[str, Any]) -> tuple[KnownPod, ...]:
        """The pods of a namespace that a selector selects."""
        # two policies often select alike; and where there is a label, only pods that have it can be meant
        key = (namespace, json.dumps(selector, sort_keys=True))
        if key not in self._selected:
            pods: Sequence[KnownPod] = self._by_namespace.get(namespace, ())
            for label, value in (selector.get("matchLabels") or {}).items():
                pods = min(pods, self._by_label.get((namespace, label, value), ()), key=len)
            test = by_selector(selector)
            self._selected[key] = tuple(pod for pod in pods if test(pod.labels))
        return self._selected[key]

    def pods_of(self, peer: Peer, own: str) -> tuple[KnownPod, ...]:
        """The pods that an entry of ``from`` or ``to`` selects by labels, in a policy of the namespace ``own``."""
        if peer.block is not None:
            return ()
        if peer.namespaces is None:
            return self.in_namespace(own, peer.pods or {})
        test = by_selector(peer.namespaces)
        return tuple(
            pod
            for namespace in self._by_namespace
            if test(self._namespaces.get(namespace, {}))
            for pod in self.in_namespace(namespace, peer.pods or {})
        )

    def policies_for(self, direction: Direction) -> dict[KnownPod, tuple[Policy, ...]]:
        """Each isolated pod, and the policies that isolate it in this direction."""
        found: dict[KnownPod, list[Policy]] = defaultdict(list)
        for policy in self.policies:
            if policy.rules(direction) is not None:
                for pod in self.in_namespace(policy.namespace, policy.pods):
                    found[pod].append(policy)
        return {pod: tuple(policies) for pod, policies in found.items()}


def _pod(obj: Mapping[str, Any]) -> KnownPod | None:
    meta, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    address = status.get("podIP") or ""
    if not address or spec.get("hostNetwork") or status.get("phase") in _ENDED:
        return None
    ports = tuple(
        (port.get("protocol") or "TCP", port["name"], int(port["containerPort"]))
        for container in spec.get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("name")
    )
    namespace = meta.get("namespace") or "default"
    if not isinstance(ip_address(address), IPv4Address):
        return None  # rules are about IPv4, which is all that pods have here
    return KnownPod(namespace, meta["name"], address, spec.get("nodeName") or "", meta.get("labels") or {}, ports)
