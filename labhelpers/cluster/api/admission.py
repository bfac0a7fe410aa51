"""The way of an object into the store: decoded, filled in, checked."""

from __future__ import annotations

from typing import Any

from labhelpers.cluster.api.decode import decode
from labhelpers.cluster.api.defaults import set_defaults
from labhelpers.cluster.api.refusals import Forbidden
from labhelpers.cluster.api.rules import require_valid
from labhelpers.cluster.api.types import type_of
from labhelpers.store import (
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
    BadRequest,
    Object,
    ObjectNotFound,
    Resource,
    Store,
)

__all__ = ["admit_new", "admit_status", "admit_update", "complete", "warnings_about"]


def admit_new(store: Store, resource: Resource, namespace: str, sent: Any, validation: str) -> tuple[Object, list[str]]:
    """An object ready to be created, and warnings for its author.

    Args:
        validation: what to do about unknown fields: ``Strict``, ``Warn`` or ``Ignore``.

    Raises:
        BadRequest, Invalid, ObjectNotFound, Forbidden.
    """
    obj, warnings = _read(resource, sent, validation)
    meta = obj["metadata"]
    if resource.namespaced:
        if meta.get("namespace", namespace) != namespace:
            raise BadRequest(
                "the namespace of the provided object does not match the namespace sent on the request",
                "Leave metadata.namespace away or name the same.",
            )
        meta["namespace"] = namespace
        _require_namespace(store, resource, namespace, meta.get("name", ""))
    if resource.status and resource != NODES:
        obj["status"] = _first_status(resource, obj)
    set_defaults(resource, obj)
    require_valid(resource, obj)
    return obj, warnings + warnings_about(resource, obj)


def complete(resource: Resource, obj: Object) -> Object:
    """An object of a controller's as the API server would store it: with its defaults and its first status.

    A controller here writes to the store itself; a real one's objects come by the API server.
    """
    made = decode(type_of(resource.api_version, resource.kind), obj, resource.kind, resource.version).object
    made["status"] = _first_status(resource, made)
    set_defaults(resource, made)
    return made


def admit_update(resource: Resource, old: Object, sent: Any, validation: str) -> tuple[Object, list[str]]:
    """An object ready to take the place of another of the same name, and warnings for its author."""
    obj, warnings = _read(resource, sent, validation)
    _require_same_name(obj["metadata"], old["metadata"])
    set_defaults(resource, obj)
    require_valid(resource, obj, old)
    return obj, warnings


def admit_status(resource: Resource, old: Object, sent: Any, validation: str) -> tuple[Object, list[str]]:
    """An object that is as it was but for its status, and warnings.  What else was sent does not matter."""
    obj, warnings = _read(resource, sent, validation)
    _require_same_name(obj["metadata"], old["metadata"])
    meta = dict(old["metadata"])
    for key in ("resourceVersion", "uid"):  # whom the writer means
        if obj["metadata"].get(key):
            meta[key] = obj["metadata"][key]
    return {**old, "metadata": meta, "status": obj.get("status") or {}}, warnings


def _require_same_name(meta: Object, was: Object) -> None:
    for key in ("name", "namespace"):
        if meta.get(key, was.get(key)) != was.get(key):
            raise BadRequest(
                f"the {key} of the object ({meta.get(key)}) does not match the {key} on the URL ({was.get(key)})",
                "Send it to its own URL.",
            )
        if key in was:
            meta[key] = was[key]


def _read(resource: Resource, sent: Any, validation: str) -> tuple[Object, list[str]]:
    if not isinstance(sent, dict):
        raise BadRequest("the body of the request is no object", 'Send one, like {"kind": …, "metadata": {…}}.')
    kind, api_version = sent.get("kind", resource.kind), sent.get("apiVersion", resource.api_version)
    if (kind, api_version) != (resource.kind, resource.api_version):
        raise BadRequest(
            f"{kind} in version {json_text(api_version)} cannot be handled as a {resource.kind}: "
            f"no kind {json_text(kind)} is registered for this path",
            f"Send a {resource.kind} of {resource.api_version}.",
        )
    decoded = decode(type_of(resource.api_version, resource.kind), sent, resource.kind, resource.version)
    decoded.object.update(kind=resource.kind, apiVersion=resource.api_version)
    decoded.object["metadata"].pop("managedFields", None)  # of server-side apply, which is not here
    problems = [f'unknown field "{path}"' for path in decoded.unknown]
    if problems and validation == "Strict":
        raise BadRequest(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
            f"strict decoding error: {', '.join(problems)}",
            "Compare it with kubectl explain.",
        )
    return decoded.object, problems if validation == "Warn" else []


def json_text(value: Any) -> str:
    """A value in double quotes, as Go's %q shows it."""
    return f'"{value}"'


def _require_namespace(store: Store, resource: Resource, namespace: str, name: str) -> None:
    try:
        there = store.get(NAMESPACES, namespace)
    except ObjectNotFound:
        raise ObjectNotFound(
            f'namespaces "{namespace}" not found', details={"name": namespace, "kind": "namespaces"}
        ) from None
    if "deletionTimestamp" in there["metadata"]:
        raise Forbidden(
            f'{resource.qualified} "{name}" is forbidden: unable to create new content in namespace {namespace} '
            "because it is being terminated",
            "Wait until it is gone.",
        )


def _first_status(resource: Resource, obj: Object) -> Object:
    if resource == PODS:
        return {"phase": "Pending", "qosClass": _quality(obj["spec"])}
    if resource == NAMESPACES:
        return {"phase": "Active"}
    return dict(decode(type_of(resource.api_version, resource.kind), {}, "", "").object["status"])


def _quality(spec: Object) -> str:
    """The pod's class of service: Guaranteed if every container has limits for both and asks for no less."""
    resources = [one.get("resources") or {} for one in spec.get("containers") or ()]
    if not any(one.get("requests") or one.get("limits") for one in resources):
        return "BestEffort"
    for one in resources:
        limits = one.get("limits") or {}
        if not {"cpu", "memory"} <= limits.keys() or {**limits, **(one.get("requests") or {})} != limits:
            return "Burstable"
    return "Guaranteed"


def warnings_about(resource: Resource, obj: Object) -> list[str]:
    """What is stored and has no effect here; kubectl prints each as a warning."""
    if resource == SERVICES and obj["spec"].get("clusterIP") != "None":
        return [
            "this cluster keeps the service's endpoints and routes no ClusterIP: reach the pods by their own addresses "
            "(kubectl get endpoints)"
        ]
    return []
