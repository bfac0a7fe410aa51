"""What an object must be like beyond its types: the rules of validation that the course's objects can break.

Each message is the real API server's.  What the cluster cannot do is refused here too, so that nobody waits for a field
that is stored and ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from labhelpers.cluster.api.network_policies import network_policy_problems
from labhelpers.cluster.api.problems import NOT_HERE, Problems, invalid, label_problems, reason_of, unsupported
from labhelpers.store import (
    CONTROLLERREVISIONS,
    DAEMONSETS,
    DEPLOYMENTS,
    NETWORKPOLICIES,
    PODS,
    REPLICASETS,
    SERVICES,
    Invalid,
    Object,
    Resource,
    by_selector,
)

__all__ = ["require_valid"]

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
#: fields of a pod that nobody here acts on, and what is so instead
_POD_NOT_HERE = {
    "hostPID": "a pod sees its own processes; to a node leads `minikube ssh`",
    "hostIPC": "a pod has IPC of its own",
    "shareProcessNamespace": "each container sees its own processes",
    "topologySpreadConstraints": "the scheduler spreads pods by itself",
    "resourceClaims": "there are no devices to be claimed",
}
_CHANGEABLE = ("image",)  # of a container in a pod that exists
_POD_CHANGEABLE = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")


def require_valid(resource: Resource, obj: Object, old: Object | None = None) -> None:
    """Check an object that has its defaults, and against what it was before if it is an update.

    Raises:
        Invalid: with every problem found.
    """
    problems = [*_metadata(obj), *(_CHECKS[resource](obj) if resource in _CHECKS else ())]
    if old is not None:
        problems += _unchanged(resource, obj, old)
    if not problems:
        return
    texts = [f"{path}: {text}" for path, text in problems]
    name = obj["metadata"].get("name") or obj["metadata"].get("generateName", "")
    causes = [{"reason": reason_of(text), "message": text, "field": path} for path, text in problems]
    raise Invalid(
        f'{resource.qualified_kind} "{name}" is invalid: ' + (texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"),
        "Correct it and send it again.",
        details={"name": name, "group": resource.group, "kind": resource.kind, "causes": causes},
    )


def _metadata(obj: Object) -> Problems:
    yield from label_problems(obj["metadata"].get("labels") or {}, "metadata.labels")


def _pod(obj: Object) -> Problems:
    yield from _pod_spec(obj["spec"], "spec")


def _pod_spec(spec: Object, path: str) -> Problems:
    containers = spec.get("containers") or []
    if not containers:
        yield f"{path}.containers", "Required value"
    names: set[str] = set()
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or ()):
            where = f"{path}.{kind}[{index}]"
            yield from _container(container, where)
            if container.get("name") in names:
                yield f"{where}.name", f'Duplicate value: "{container["name"]}"'
            names.add(container.get("name", ""))
    policies = ("Always", "OnFailure", "Never")
    if spec.get("restartPolicy") not in policies:
        yield f"{path}.restartPolicy", unsupported(spec.get("restartPolicy"), policies)
    for field, instead in _POD_NOT_HERE.items():
        if spec.get(field):
            yield f"{path}.{field}", f"Forbidden: {NOT_HERE}: {instead}"


def _container(container: Object, path: str) -> Problems:
    name = container.get("name", "")
    if not name:
        yield f"{path}.name", "Required value"
    elif not _DNS_LABEL.fullmatch(name) or len(name) > 63:
        yield (
            f"{path}.name",
            invalid(
                name,
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
                "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
                "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
            ),
        )
    if not container.get("image"):
        yield f"{path}.image", "Required value"
    elif container["image"] != container["image"].strip():
        yield f"{path}.image", invalid(container["image"], "must not have leading or trailing whitespace")
    for index, port in enumerate(container.get("ports") or ()):
        if not 0 < port.get("containerPort", 0) < 65536:
            yield (
                f"{path}.ports[{index}].containerPort",
                invalid(port.get("containerPort", 0), "must be between 1 and 65535, inclusive"),
            )


def _workload(obj: Object) -> Problems:
    spec = obj["spec"]
    if spec.get("replicas", 0) < 0:
        yield "spec.replicas", invalid(spec["replicas"], "must be greater than or equal to 0")
    selector, labels = spec.get("selector"), spec["template"]["metadata"].get("labels") or {}
    if not selector:
        yield "spec.selector", "Required value"
    elif not any(selector.values()):
        yield "spec.selector", invalid(selector, "empty selector is invalid for deployment")
    elif not by_selector(selector)(labels):
        yield "spec.template.metadata.labels", invalid(labels, "`selector` does not match template `labels`")
    yield from label_problems(labels, "spec.template.labels")
    yield from _pod_spec(spec["template"]["spec"], "spec.template.spec")
    if spec["template"]["spec"].get("restartPolicy") != "Always":
        yield (
            "spec.template.spec.restartPolicy",
            unsupported(spec["template"]["spec"].get("restartPolicy"), ("Always",)),
        )


def _service(obj: Object) -> Problems:
    spec = obj["spec"]
    if len(obj["metadata"].get("name", "")) > 63:
        yield "metadata.name", invalid(obj["metadata"]["name"], "must be no more than 63 characters")
    ports = spec.get("ports") or []
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        yield "spec.ports", "Required value"
    for index, port in enumerate(ports):
        if not 0 < port.get("port", 0) < 65536:
            yield f"spec.ports[{index}].port", invalid(port.get("port", 0), "must be between 1 and 65535, inclusive")
        if len(ports) > 1 and not port.get("name"):
            yield f"spec.ports[{index}].name", "Required value"
    if spec.get("type") in ("NodePort", "LoadBalancer", "ExternalName"):
        yield "spec.type", f"Forbidden: {NOT_HERE}: nothing routes a service of type {spec['type']}; use ClusterIP"


_CHECKS: dict[Resource, Callable[[Object], Problems]] = {
    PODS: _pod, DEPLOYMENTS: _workload, REPLICASETS: _workload, DAEMONSETS: _workload, SERVICES: _service,
    NETWORKPOLICIES: network_policy_problems,
}  # fmt: skip


def _unchanged(resource: Resource, obj: Object, old: Object) -> Problems:
    """What may not change once the object is there."""
    if resource in (DEPLOYMENTS, REPLICASETS, DAEMONSETS) and obj["spec"].get("selector") != old["spec"].get(
        "selector"
    ):
        yield "spec.selector", invalid(obj["spec"].get("selector"), "field is immutable")
    if resource == CONTROLLERREVISIONS and obj.get("data") != old.get("data"):
        yield "data", invalid(obj.get("data"), "field is immutable")
    if resource == PODS and _frozen(obj["spec"]) != _frozen(old["spec"]):
        yield (
            "spec",
            "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
            "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously "
            "negative)",
        )


def _frozen(spec: Object) -> Object:
    """The part of a pod's spec that never changes; empty values count as not there."""
    kept = {
        key: value for key, value in spec.items() if key not in _POD_CHANGEABLE and value not in ({}, [], "", False)
    }
    for kind in ("containers", "initContainers"):
        if kind in kept:
            kept[kind] = [
                {key: value for key, value in one.items() if key not in _CHANGEABLE and value not in ({}, [], "")}
                for one in kept[kind]
            ]
    return kept
