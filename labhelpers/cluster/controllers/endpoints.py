"""Endpoints and EndpointSlices: the addresses of the ready pods that a service selects.

Nothing routes to them here; they are what a proxy on each node would program.
Source: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from labhelpers.cluster.controllers.loop import Key
from labhelpers.cluster.controllers.owned import is_active, is_ready, owner_reference, put
from labhelpers.store import (
    ENDPOINTS,
    ENDPOINTSLICES,
    PODS,
    SERVICES,
    Event,
    Object,
    ObjectNotFound,
    Resource,
    Store,
    by_selector,
    hashed,
    key_of,
)

__all__ = ["EndpointsController"]

_SERVICE = "kubernetes.io/service-name"
_MANAGED = "endpointslice.kubernetes.io/managed-by"
_WE = "endpointslice-controller.k8s.io"


class EndpointsController:
    """Keeps both forms for each service that has a selector."""

    watches = (SERVICES, PODS)

    def __init__(self, store: Store) -> None:
        self._store = store

    def keys(self, resource: Resource, event: Event) -> Iterable[Key]:
        """A service, or all of a pod's namespace: its labels may have changed."""
        if resource == SERVICES:
            return [key_of(event.object)]
        return [key_of(one) for one in self._store.list(SERVICES, event.object["metadata"]["namespace"])]

    def sync(self, key: Key) -> float | None:
        """Write the addresses as they are now."""
        namespace, name = key
        try:
            service = self._store.get(SERVICES, name, namespace)
        except ObjectNotFound:
            self._remove(ENDPOINTS, namespace, name)  # the slice is collected, as the service owns it
            return None
        selector = service["spec"].get("selector")
        if not selector:
            return None
        matches = by_selector({"matchLabels": selector})
        pods = [
            one
            for one in self._store.list(PODS, namespace)
            if matches(one["metadata"].get("labels") or {})
            and is_active(one)
            and (one.get("status") or {}).get("podIP")
        ]
        labels = service["metadata"].get("labels") or {}
        meta: Object = {"name": name, "namespace": namespace, "labels": dict(labels)}
        put(self._store, ENDPOINTS, {"metadata": meta, "subsets": _subsets(service, pods)})
        put(self._store, ENDPOINTSLICES, _slice(service, pods))
        return None

    def _remove(self, resource: Resource, namespace: str, name: str) -> None:
        try:
            self._store.delete(resource, name, namespace)
        except ObjectNotFound:
            pass


def _target_port(port: Object, pod: Object) -> int | None:
    """The number of a service's target port in a pod; none if the pod has no port of that name."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    for container in pod["spec"].get("containers") or ():
        for one in container.get("ports") or ():
            if one.get("name") == target and one.get("protocol", "TCP") == port.get("protocol", "TCP"):
                return int(one["containerPort"])
    return None


def _ports(service: Object, pod: Object) -> list[Object]:
    found = []
    for port in service["spec"].get("ports") or ():
        number = _target_port(port, pod)
        if number is not None:
            name = {"name": port["name"]} if port.get("name") else {}
            found.append({**name, "port": number, "protocol": port.get("protocol", "TCP")})
    return found


def _reference(pod: Object) -> Object:
    meta = pod["metadata"]
    return {"kind": "Pod", "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}


def _subsets(service: Object, pods: list[Object]) -> list[Object]:
    """Addresses with the same ports, the ready ones and the others apart."""
    by_ports: dict[str, Object] = {}
    for pod in sorted(pods, key=lambda one: _as_number(one["status"]["podIP"])):
        ports = _ports(service, pod)
        subset = by_ports.setdefault(str(ports), {"ports": ports})
        address = {"ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"], "targetRef": _reference(pod)}
        ready = is_ready(pod) or service["spec"].get("publishNotReadyAddresses")
        subset.setdefault("addresses" if ready else "notReadyAddresses", []).append(address)
    return [one for one in by_ports.values() if one["ports"] or "clusterIP" not in service["spec"]]


def _as_number(address: str) -> tuple[Any, ...]:
    return tuple(int(part) if part.isdecimal() else part for part in address.replace(":", ".").split("."))


def _slice(service: Object, pods: list[Object]) -> Object:
    meta = service["metadata"]
    endpoints = [
        {
            "addresses": [pod["status"]["podIP"]],
            "conditions": {"ready": is_ready(pod), "serving": is_ready(pod), "terminating": False},
            "nodeName": pod["spec"]["nodeName"],
            "targetRef": _reference(pod),
        }
        for pod in sorted(pods, key=lambda one: _as_number(one["status"]["podIP"]))
    ]
    ports = _ports(service, pods[0]) if pods else []
    return {
        "metadata": {
            "name": f"{meta['name']}-{hashed('slice', meta['uid'])}",
            "namespace": meta["namespace"],
            "labels": {**(meta.get("labels") or {}), _SERVICE: meta["name"], _MANAGED: _WE},
            "ownerReferences": [owner_reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "", **one} for one in ports],
    }
