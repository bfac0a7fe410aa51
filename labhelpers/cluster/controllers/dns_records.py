"""``DnsRecords``: the names that the cluster's DNS answers, as a ConfigMap that its pod mounts.

A service's name stands for the addresses of its ready pods.  On a real cluster that is so for headless services only,
and others have the address of their ClusterIP; here there is none.
Source: https://github.com/kubernetes/dns/blob/master/docs/specification.md
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from labhelpers.cluster.controllers.loop import Key
from labhelpers.cluster.controllers.owned import is_active, owner_reference, put
from labhelpers.cluster.dns import DOMAIN, NAME, NAMESPACE
from labhelpers.store import (
    CONFIGMAPS,
    DEPLOYMENTS,
    ENDPOINTS,
    PODS,
    SERVICES,
    Event,
    Object,
    ObjectNotFound,
    Resource,
    Store,
)

__all__ = ["DnsRecords"]


class DnsRecords:
    """Keeps the ConfigMap for as long as there is the Deployment of the DNS, which owns it."""

    watches = (DEPLOYMENTS, ENDPOINTS, PODS)

    def __init__(self, store: Store) -> None:
        self._store = store

    def keys(self, resource: Resource, event: Event) -> Iterable[Key]:
        """There is one thing to do, whatever has changed."""
        if resource == DEPLOYMENTS and event.object["metadata"]["name"] != NAME:
            return []
        return [(NAMESPACE, NAME)]

    def sync(self, key: Key) -> float | None:
        """Write the records as they are now."""
        namespace, name = key
        try:
            owner = self._store.get(DEPLOYMENTS, name, namespace)
        except ObjectNotFound:
            return None  # the ConfigMap is collected
        reference = owner_reference({**owner, "kind": DEPLOYMENTS.kind, "apiVersion": DEPLOYMENTS.api_version})
        meta: Object = {"name": name, "namespace": namespace, "ownerReferences": [reference]}
        data = {"services": _text(self._of_services()), "pods": _text(self._of_pods())}
        put(self._store, CONFIGMAPS, {"metadata": meta, "data": data})
        return None

    def _of_services(self) -> Iterator[tuple[str, str]]:
        for one in self._store.list(ENDPOINTS):
            name = f"{one['metadata']['name']}.{one['metadata']['namespace']}.svc.{DOMAIN}"
            for subset in one.get("subsets") or ():
                for address in subset.get("addresses") or ():
                    yield address["ip"], name

    def _of_pods(self) -> Iterator[tuple[str, str]]:
        services = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in self._store.list(SERVICES)}
        for pod in self._store.list(PODS):
            address = (pod.get("status") or {}).get("podIP")
            if not address or not is_active(pod):
                continue
            namespace, spec = pod["metadata"]["namespace"], pod["spec"]
            yield address, f"{address.replace('.', '-')}.{namespace}.pod.{DOMAIN}"
            if spec.get("hostname") and (namespace, spec.get("subdomain")) in services:
                yield address, f"{spec['hostname']}.{spec['subdomain']}.{namespace}.svc.{DOMAIN}"


def _text(records: Iterable[tuple[str, str]]) -> str:
    """As a hosts file, each name once for each of its addresses."""
    return "".join(f"{address} {name}\n" for address, name in dict.fromkeys(records))
