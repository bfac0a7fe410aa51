"""What the API server writes into an object where its author wrote nothing.

Source: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/v1/defaults.go and
``pkg/apis/apps/v1/defaults.go``, as far as the fields here are used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from labhelpers.store import (
    DAEMONSETS,
    DEPLOYMENTS,
    NAMESPACES,
    NETWORKPOLICIES,
    PODS,
    REPLICASETS,
    SERVICES,
    Object,
    Resource,
)

__all__ = ["set_defaults"]

_POD = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "securityContext": {},
}
_CONTAINER = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_ROLLING = {"maxUnavailable": "25%", "maxSurge": "25%"}
#: what a pod tolerates for five minutes before it is evicted, as an admission plugin writes it
_TOLERATIONS = [
    {"key": f"node.kubernetes.io/{trouble}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for trouble in ("not-ready", "unreachable")
]


def set_defaults(resource: Resource, obj: Object) -> None:
    """Fill in an object that ``decode`` has read.  It is changed in place."""
    if resource in _SETTERS:
        _SETTERS[resource](obj)


def _fill(target: Object, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if target.get(key) is None:
            target[key] = dict(value) if isinstance(value, dict) else value


def _pod(obj: Object) -> None:
    spec = obj["spec"]
    _pod_spec(spec)
    _fill(spec, {"enableServiceLinks": True, "preemptionPolicy": "PreemptLowerPriority", "priority": 0})
    _fill(spec, {"serviceAccountName": "default", "serviceAccount": spec.get("serviceAccountName") or "default"})
    there = {(one.get("key"), one.get("effect")) for one in spec.get("tolerations") or ()}
    missing = [dict(one) for one in _TOLERATIONS if not there & {(one["key"], one["effect"]), (None, None)}]
    if tolerations := [*(spec.get("tolerations") or ()), *missing]:
        spec["tolerations"] = tolerations


def _pod_spec(spec: Object) -> None:
    _fill(spec, _POD)
    host_network = spec.get("hostNetwork")
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        _fill(container, _CONTAINER)
        image = container.get("image", "")
        latest = image.endswith(":latest") or ":" not in image.rpartition("/")[2]
        _fill(container, {"imagePullPolicy": "Always" if latest and "@" not in image else "IfNotPresent"})
        for port in container.get("ports") or ():
            _fill(port, {"protocol": "TCP", **({"hostPort": port.get("containerPort")} if host_network else {})})
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            if container.get(probe):
                _probe(container[probe])
        for variable in container.get("env") or ():
            reference = (variable.get("valueFrom") or {}).get("fieldRef")
            if reference:
                _fill(reference, {"apiVersion": "v1"})


def _probe(probe: Object) -> None:
    _fill(probe, _PROBE)
    if probe.get("httpGet"):
        _fill(probe["httpGet"], {"path": "/", "scheme": "HTTP"})


def _template(obj: Object) -> Object:
    spec: Object = obj["spec"]
    _pod_spec(spec["template"]["spec"])
    return spec


def _deployment(obj: Object) -> None:
    spec = _template(obj)
    _fill(spec, {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600})
    _fill(spec["strategy"], {"type": "RollingUpdate"})
    if spec["strategy"]["type"] == "RollingUpdate":
        _fill(spec["strategy"], {"rollingUpdate": {}})
        _fill(spec["strategy"]["rollingUpdate"], _ROLLING)


def _replicaset(obj: Object) -> None:
    _fill(_template(obj), {"replicas": 1})


def _daemonset(obj: Object) -> None:
    spec = _template(obj)
    _fill(spec, {"revisionHistoryLimit": 10})
    _fill(spec["updateStrategy"], {"type": "RollingUpdate"})
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        _fill(spec["updateStrategy"], {"rollingUpdate": {}})
        _fill(spec["updateStrategy"]["rollingUpdate"], {"maxUnavailable": 1, "maxSurge": 0})


def _service(obj: Object) -> None:
    spec = obj["spec"]
    _fill(spec, {"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster"})
    for port in spec.get("ports") or ():
        _fill(port, {"protocol": "TCP", "targetPort": port.get("port")})
        if port["targetPort"] in ("", 0):
            port["targetPort"] = port.get("port")


def _namespace(obj: Object) -> None:
    obj["spec"].setdefault("finalizers", ["kubernetes"])
    meta = obj["metadata"]
    if meta.get("name"):
        meta.setdefault("labels", {})["kubernetes.io/metadata.name"] = meta["name"]


def _network_policy(obj: Object) -> None:
    spec = obj["spec"]
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]  # an empty list is none
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            _fill(port, {"protocol": "TCP"})


_SETTERS: dict[Resource, Callable[[Object], None]] = {
    PODS: _pod, DEPLOYMENTS: _deployment, REPLICASETS: _replicaset, DAEMONSETS: _daemonset, SERVICES: _service,
    NAMESPACES: _namespace, NETWORKPOLICIES: _network_policy,
}  # fmt: skip
