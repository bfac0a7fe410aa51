"""A ``Table``: what the API server answers to ``Accept: application/json;as=Table``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from labhelpers.cluster.api.printing import rows
from labhelpers.cluster.api.printing.pods import pod_row
from labhelpers.store import (
    CONFIGMAPS,
    CONTROLLERREVISIONS,
    DAEMONSETS,
    DEPLOYMENTS,
    ENDPOINTS,
    ENDPOINTSLICES,
    EVENTS,
    NAMESPACES,
    NETWORKPOLICIES,
    NODES,
    PODS,
    REPLICASETS,
    SERVICEACCOUNTS,
    SERVICES,
    Object,
    Resource,
)

__all__ = ["table"]


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns that are always shown, those only with ``-o wide``, and what makes a row of an object.

    A ``*`` marks a wide column that stands among the others, a ``#`` one of numbers.
    """

    names: str
    wide: str
    row: Callable[[Object, float], list[Any]]

    def definitions(self) -> list[Object]:
        listed = [(one, 1 if "*" in one else 0) for one in self.names.split("|")]
        listed += [(one, 1) for one in self.wide.split("|") if one]
        return [
            {
                "name": name.strip("*#"),
                "type": "integer" if "#" in name else "string",
                "format": "name" if index == 0 else "",
                "description": "",
                "priority": priority,
            }
            for index, (name, priority) in enumerate(listed)
        ]


_WORKLOAD = "Containers|Images|Selector"
_COLUMNS = {
    PODS: _Columns("Name|Ready|Status|Restarts|Age", "IP|Node|Nominated Node|Readiness Gates", pod_row),
    DEPLOYMENTS: _Columns("Name|Ready|#Up-to-date|#Available|Age", _WORKLOAD, rows.deployment_row),
    REPLICASETS: _Columns("Name|#Desired|#Current|#Ready|Age", _WORKLOAD, rows.replicaset_row),
    DAEMONSETS: _Columns(
        "Name|#Desired|#Current|#Ready|#Up-to-date|#Available|Node Selector|Age", _WORKLOAD, rows.daemonset_row
    ),
    CONTROLLERREVISIONS: _Columns("Name|Controller|#Revision|Age", "", rows.controllerrevision_row),
    NODES: _Columns(
        "Name|Status|Roles|Age|Version",
        "Internal-IP|External-IP|OS-Image|Kernel-Version|Container-Runtime",
        rows.node_row,
    ),
    SERVICES: _Columns("Name|Type|Cluster-IP|External-IP|Port(s)|Age", "Selector", rows.service_row),
    ENDPOINTS: _Columns("Name|Endpoints|Age", "", rows.endpoints_row),
    ENDPOINTSLICES: _Columns("Name|AddressType|Ports|Endpoints|Age", "", rows.endpointslice_row),
    NAMESPACES: _Columns("Name|Status|Age", "", rows.namespace_row),
    CONFIGMAPS: _Columns("Name|#Data|Age", "", rows.configmap_row),
    SERVICEACCOUNTS: _Columns("Name|#Secrets|Age", "", rows.serviceaccount_row),
    NETWORKPOLICIES: _Columns("Name|Pod-Selector|Age", "", rows.networkpolicy_row),
    EVENTS: _Columns(
        "Last Seen|Type|Reason|Object|*Subobject|*Source|Message", "First Seen|#Count|Name", rows.event_row
    ),
}


def table(
    resource: Resource, objects: Sequence[Object], version: str, now: float, include: str, *, head: bool = True
) -> Object:
    """Objects as rows.

    Args:
        version: the list's ``resourceVersion``.
        now: seconds since 1970, for ages.
        include: what goes with a row: its ``Metadata``, the whole ``Object`` or ``None``.
        head: also say what the columns are; a watch does so once.
    """
    columns = _COLUMNS[resource]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": columns.definitions() if head else [],
        "rows": [{"cells": columns.row(one, now), "object": _beside(one, include)} for one in objects],
    }


def _beside(obj: Object, include: str) -> Object | None:
    if include == "None":
        return None
    if include == "Object":
        return obj
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
