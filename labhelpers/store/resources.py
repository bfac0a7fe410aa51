"""``Resource``: the kinds of objects there are, one constant each, with the facts of the API that do not vary."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "CONFIGMAPS",
    "CONTROLLERREVISIONS",
    "DAEMONSETS",
    "DEPLOYMENTS",
    "ENDPOINTS",
    "ENDPOINTSLICES",
    "EVENTS",
    "NAMESPACES",
    "NETWORKPOLICIES",
    "NODES",
    "PODS",
    "REPLICASETS",
    "RESOURCES",
    "SERVICEACCOUNTS",
    "SERVICES",
    "Resource",
]


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object.

    ``fields`` are what a field selector may ask for, besides name and namespace.  ``generation`` says that the API
    counts changes of the spec in ``metadata.generation``; ``status`` that the status is written through its own
    subresource, so that a write of the object leaves the status alone and the other way round.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    generation: bool = False

    @property
    def api_version(self) -> str:
        """``v1``, ``apps/v1`` …, as an object's ``apiVersion`` says it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def status(self) -> bool:
        """Does it have a status subresource?"""
        return "status" in self.subresources

    @property
    def qualified(self) -> str:
        """``pods``, ``deployments.apps`` …, as messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """``Pod``, ``Deployment.apps`` …, as messages about an object that cannot be name it."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


NAMESPACES = Resource(
    "", "v1", "namespaces", "Namespace", namespaced=False, short_names=("ns",), subresources=("finalize", "status"),
    fields=("status.phase",),
)  # fmt: skip
NODES = Resource(
    "", "v1", "nodes", "Node", namespaced=False, short_names=("no",), subresources=("status",),
    fields=("spec.unschedulable",),
)  # fmt: skip
PODS = Resource(
    "", "v1", "pods", "Pod", short_names=("po",), categories=("all",),
    subresources=("attach", "binding", "exec", "log", "portforward", "status"),
    fields=(
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase", "status.podIP", "status.nominatedNodeName",
    ),
)  # fmt: skip
SERVICES = Resource(
    "", "v1", "services", "Service", short_names=("svc",), categories=("all",), subresources=("status",),
    fields=("spec.clusterIP", "spec.type"),
)  # fmt: skip
ENDPOINTS = Resource("", "v1", "endpoints", "Endpoints", short_names=("ep",))
CONFIGMAPS = Resource("", "v1", "configmaps", "ConfigMap", short_names=("cm",))
SERVICEACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", short_names=("sa",))
EVENTS = Resource(
    "", "v1", "events", "Event", short_names=("ev",),
    fields=(
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
        "reportingComponent", "source", "type",
    ),
)  # fmt: skip
DEPLOYMENTS = Resource(
    "apps", "v1", "deployments", "Deployment", short_names=("deploy",), categories=("all",),
    subresources=("scale", "status"), generation=True,
)  # fmt: skip
REPLICASETS = Resource(
    "apps", "v1", "replicasets", "ReplicaSet", short_names=("rs",), categories=("all",),
    subresources=("scale", "status"), fields=("status.replicas",), generation=True,
)  # fmt: skip
CONTROLLERREVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
DAEMONSETS = Resource(
    "apps", "v1", "daemonsets", "DaemonSet", short_names=("ds",), categories=("all",), subresources=("status",),
    generation=True,
)  # fmt: skip
ENDPOINTSLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", generation=True)
NETWORKPOLICIES = Resource(
    "networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", short_names=("netpol",), generation=True
)

RESOURCES = (
    CONFIGMAPS, ENDPOINTS, EVENTS, NAMESPACES, NODES, PODS, SERVICEACCOUNTS, SERVICES,
    CONTROLLERREVISIONS, DAEMONSETS, DEPLOYMENTS, REPLICASETS, ENDPOINTSLICES, NETWORKPOLICIES,
)  # fmt: skip
