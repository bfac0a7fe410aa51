"""The rows of all other kinds.

Source: https://github.com/kubernetes/kubernetes/blob/master/pkg/printers/internalversion/printers.go
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labhelpers.cluster.api.printing.age import age
from labhelpers.store import Object, controller_of

__all__ = [
    "configmap_row",
    "controllerrevision_row",
    "daemonset_row",
    "deployment_row",
    "endpoints_row",
    "endpointslice_row",
    "event_row",
    "namespace_row",
    "networkpolicy_row",
    "node_row",
    "replicaset_row",
    "service_row",
    "serviceaccount_row",
]

_MOST_SHOWN = 3  # endpoints and ports


def _name(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def _age(obj: Object, now: float) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


def _labels(labels: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or "<none>"


def _selector(selector: Object | None) -> str:
    """A label selector as ``kubectl -l`` takes it."""
    parts = [f"{key}={value}" for key, value in sorted(((selector or {}).get("matchLabels") or {}).items())]
    for one in (selector or {}).get("matchExpressions") or ():
        values = ",".join(sorted(one.get("values") or ()))
        parts.append(
            {"Exists": one["key"], "DoesNotExist": f"!{one['key']}"}.get(
                one["operator"], f"{one['key']} {one['operator'].lower()} ({values})"
            )
        )
    return ",".join(parts) or "<none>"


def _images(obj: Object, field: str) -> str:
    return ",".join(one.get(field, "") for one in obj["spec"]["template"]["spec"].get("containers") or ())


def _workload(obj: Object) -> list[Any]:
    return [_images(obj, "name"), _images(obj, "image"), _selector(obj["spec"].get("selector"))]


def deployment_row(obj: Object, now: float) -> list[Any]:
    """READY is of how many are wanted."""
    status = obj.get("status") or {}
    return [
        _name(obj),
        f"{status.get('readyReplicas', 0)}/{obj['spec'].get('replicas', 0)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        _age(obj, now),
        *_workload(obj),
    ]


def replicaset_row(obj: Object, now: float) -> list[Any]:
    """Wanted, there, and ready."""
    status = obj.get("status") or {}
    counts = [obj["spec"].get("replicas", 0), status.get("replicas", 0), status.get("readyReplicas", 0)]
    return [_name(obj), *counts, _age(obj, now), *_workload(obj)]


def daemonset_row(obj: Object, now: float) -> list[Any]:
    """One pod a node: how many nodes, pods, ready ones."""
    status = obj.get("status") or {}
    fields = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    counts = [status.get(one, 0) for one in fields]
    node_selector = _labels(obj["spec"]["template"]["spec"].get("nodeSelector"))
    return [_name(obj), *counts, node_selector, _age(obj, now), *_workload(obj)]


def controllerrevision_row(obj: Object, now: float) -> list[Any]:
    """Whose template it keeps, and its number."""
    owner = controller_of(obj) or {}
    group = owner.get("apiVersion", "").rpartition("/")[0]
    whose = f"{owner['kind'].lower()}{'.' if group else ''}{group}/{owner['name']}" if owner else "<none>"
    return [_name(obj), whose, obj.get("revision", 0), _age(obj, now)]


def node_row(obj: Object, now: float) -> list[Any]:
    """Ready or not, and what it runs."""
    status, info = obj.get("status") or {}, (obj.get("status") or {}).get("nodeInfo") or {}
    ready = next((one["status"] for one in status.get("conditions") or () if one["type"] == "Ready"), "Unknown")
    words = [{"True": "Ready", "False": "NotReady"}.get(ready, "NotReady" if status.get("conditions") else "Unknown")]
    if (obj.get("spec") or {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    prefix = "node-role.kubernetes.io/"
    labels = obj["metadata"].get("labels") or {}
    roles = sorted(one[len(prefix) :] for one in labels if one.startswith(prefix) and len(one) > len(prefix))
    addresses = {one["type"]: one["address"] for one in status.get("addresses") or ()}
    return [
        _name(obj),
        ",".join(words),
        ",".join(roles) or "<none>",
        _age(obj, now),
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP", "<none>"),
        addresses.get("ExternalIP", "<none>"),
        info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>",
        info.get("containerRuntimeVersion") or "<unknown>",
    ]


def service_row(obj: Object, now: float) -> list[Any]:
    """Its address and ports."""
    spec = obj["spec"]
    ports = [
        f"{one['port']}{':' + str(one['nodePort']) if one.get('nodePort') else ''}/{one.get('protocol', 'TCP')}"
        for one in spec.get("ports") or ()
    ]
    return [
        _name(obj),
        spec.get("type", "ClusterIP"),
        spec.get("clusterIP") or "<none>",
        "<none>",
        ",".join(ports) or "<none>",
        _age(obj, now),
        _labels(spec.get("selector")),
    ]


def _few(items: list[str]) -> str:
    if not items:
        return "<none>"
    more = f" + {len(items) - _MOST_SHOWN} more..." if len(items) > _MOST_SHOWN else ""
    return ",".join(items[:_MOST_SHOWN]) + more


def endpoints_row(obj: Object, now: float) -> list[Any]:
    """The first few addresses with their ports."""
    pairs = [
        f"{address['ip']}:{port['port']}"
        for subset in obj.get("subsets") or ()
        for port in subset.get("ports") or ()
        for address in subset.get("addresses") or ()
    ]
    return [_name(obj), _few(pairs), _age(obj, now)]


def endpointslice_row(obj: Object, now: float) -> list[Any]:
    """Ports and addresses apart."""
    ports = [str(one.get("port", "*")) for one in obj.get("ports") or ()]
    addresses = [one for endpoint in obj.get("endpoints") or () for one in endpoint.get("addresses") or ()]
    return [_name(obj), obj.get("addressType", ""), _few(ports) if ports else "<unset>", _few(addresses) if addresses
            else "<unset>", _age(obj, now)]  # fmt: skip


def namespace_row(obj: Object, now: float) -> list[Any]:
    """Active or Terminating."""
    return [_name(obj), (obj.get("status") or {}).get("phase", ""), _age(obj, now)]


def configmap_row(obj: Object, now: float) -> list[Any]:
    """How many keys."""
    return [_name(obj), len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), _age(obj, now)]


def serviceaccount_row(obj: Object, now: float) -> list[Any]:
    """How many secrets: none since Kubernetes 1.24."""
    return [_name(obj), len(obj.get("secrets") or ()), _age(obj, now)]


def networkpolicy_row(obj: Object, now: float) -> list[Any]:
    """Which pods it is about."""
    return [_name(obj), _selector(obj["spec"].get("podSelector")), _age(obj, now)]


def event_row(obj: Object, now: float) -> list[Any]:
    """What happened to whom, and how often."""
    about, source = obj.get("involvedObject") or {}, obj.get("source") or {}
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    last = obj.get("lastTimestamp") or first
    name = (
        f"{about.get('kind', '').lower()}/{about.get('name', '')}"
        if about.get("name")
        else about.get("kind", "").lower()
    )
    host = source.get("host", "")
    return [
        age(last, now),
        obj.get("type", ""),
        obj.get("reason", ""),
        name,
        about.get("fieldPath", ""),
        ", ".join(filter(None, (source.get("component") or obj.get("reportingComponent", ""), host))),
        str(obj.get("message", "")).strip(),
        age(first, now),
        obj.get("count") or 1,
        _name(obj),
    ]
