"""get, list, create, update, patch and delete, between HTTP's words and the store's.  No HTTP in here."""

from __future__ import annotations

from typing import Any

from labhelpers.cluster.api.admission import admit_new, admit_status, admit_update
from labhelpers.cluster.api.decode import decode
from labhelpers.cluster.api.refusals import Forbidden, UnsupportedBody
from labhelpers.cluster.api.request import Target
from labhelpers.cluster.api.rules import require_valid
from labhelpers.cluster.api.strategic import strategic_merge
from labhelpers.cluster.api.types import type_of
from labhelpers.store import (
    NAMESPACES,
    PODS,
    BadRequest,
    Conflict,
    Object,
    Store,
    copied,
    json_patch,
    merge_patch,
    timestamp,
)

__all__ = ["create", "delete", "delete_collection", "patch", "scale_of", "set_scale", "update"]

_KEPT_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_TRIES = 5  # of a patch, when others write at the same time

Answer = tuple[Object, list[str]]


def create(store: Store, target: Target, sent: Any, *, validation: str, dry_run: bool) -> Answer:
    """Add an object."""
    obj, warnings = admit_new(store, target.resource, target.namespace, sent, validation)
    if not dry_run:
        return store.create(target.resource, obj), warnings
    obj["metadata"].setdefault("name", obj["metadata"].get("generateName", "") + "xxxxx")
    obj["metadata"].update(uid="", creationTimestamp=timestamp(0))
    return obj, warnings


def update(store: Store, target: Target, sent: Any, *, validation: str, dry_run: bool) -> Answer:
    """Replace an object, or only its status."""
    old = store.get(target.resource, target.name, target.namespace)
    return _replace(store, target, old, sent, validation, dry_run)


def _replace(store: Store, target: Target, old: Object, sent: Any, validation: str, dry_run: bool) -> Answer:
    resource = target.resource
    if target.subresource == "status":
        obj, warnings = admit_status(resource, old, sent, validation)
        return (obj if dry_run else store.update(resource, obj, subresource="status")), warnings
    obj, warnings = admit_update(resource, old, sent, validation)
    return (obj if dry_run else store.update(resource, obj)), warnings


def patch(store: Store, target: Target, media: str, sent: Any, *, validation: str, dry_run: bool) -> Answer:
    """Change a part of an object: strategic merge, merge or JSON patch.  Repeated when somebody wrote meanwhile."""
    if media == "application/apply-patch+yaml":  # which would also create the object
        raise UnsupportedBody(
            "this API server has no server-side apply: it does not record who manages which field",
            "Use kubectl apply without --server-side.",
        )
    checked = isinstance(sent, dict) and (sent.get("metadata") or {}).get("resourceVersion")
    for attempt in range(_TRIES):
        old = store.get(target.resource, target.name, target.namespace)
        new = _patched(target, media, old, sent)
        try:
            return _replace(store, target, old, new, validation, dry_run)
        except Conflict:
            if checked or attempt == _TRIES - 1:
                raise
    raise AssertionError("a loop with a last round has ended without it")


def _patched(target: Target, media: str, old: Object, sent: Any) -> Object:
    resource = target.resource
    if media == "application/strategic-merge-patch+json":
        return strategic_merge(type_of(resource.api_version, resource.kind), old, sent)
    if media == "application/merge-patch+json":
        if not isinstance(sent, dict):
            raise BadRequest("a merge patch of an object is an object", 'Write it like {"spec": {…}}.')
        return dict(copied(merge_patch(old, sent)))
    if media == "application/json-patch+json":
        new = json_patch(old, sent)
        if not isinstance(new, dict):
            raise BadRequest("the patch leaves no object", "Patch a part of it.")
        return new
    raise UnsupportedBody(f"the body of the request was in an unknown patch format: {media}", "Use a JSON patch.")


def delete(store: Store, target: Target, options: Any) -> Object:
    """Delete one object; the answer is a ``Status``, or the object where it stays for a while."""
    resource, name = target.resource, target.name
    if resource == NAMESPACES and name in _KEPT_NAMESPACES:
        raise Forbidden(f'namespaces "{name}" is forbidden: this namespace may not be deleted', "Delete what is in it.")
    read = _delete_options(options)
    uid = (read.get("preconditions") or {}).get("uid", "")
    if read.get("dryRun"):
        obj = store.get(resource, name, target.namespace)
    else:
        obj = store.delete(
            resource,
            name,
            target.namespace,
            grace=read.get("gracePeriodSeconds"),
            uid=uid,
            propagation=_propagation(read),
        )
    if resource == PODS or "deletionTimestamp" in obj["metadata"]:
        return obj
    details = {"name": name, "group": resource.group, "kind": resource.plural, "uid": obj["metadata"]["uid"]}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }


def _delete_options(sent: Any) -> Object:
    return decode(type_of("v1", "DeleteOptions"), sent, "DeleteOptions", "v1").object


def _propagation(options: Object) -> str:
    asked = options.get("propagationPolicy")
    if asked not in (None, "Background", "Foreground", "Orphan"):
        raise BadRequest(
            f"DeleteOptions is invalid: propagationPolicy: {asked}", "Use Background, Foreground or Orphan."
        )
    return asked or ("Orphan" if options.get("orphanDependents") else "Background")


def delete_collection(store: Store, target: Target, labels: str, fields: str, options: Any) -> list[Object]:
    """Delete all that the selectors choose, and return them."""
    chosen = store.list(target.resource, target.namespace, labels=labels, fields=fields).items
    for one in chosen:
        meta = one["metadata"]
        delete(store, Target(target.resource, meta.get("namespace", ""), meta["name"]), options)
    return chosen


def scale_of(obj: Object) -> Object:
    """The ``Scale`` of a Deployment or ReplicaSet."""
    meta, status = obj["metadata"], obj.get("status") or {}
    labels = (obj["spec"].get("selector") or {}).get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            key: meta[key]
            for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
            if key in meta
        },
        "spec": {"replicas": obj["spec"].get("replicas", 0)},
        "status": {
            "replicas": status.get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        },
    }


def set_scale(store: Store, target: Target, media: str, sent: Any, *, dry_run: bool) -> Object:
    """Write a ``Scale``, whole or as a patch: it changes how many replicas are wanted."""
    for attempt in range(_TRIES):
        obj = store.get(target.resource, target.name, target.namespace)
        scale = scale_of(obj)
        new = sent if media == "application/json" else _patched_scale(media, scale, sent)
        new = decode(type_of("autoscaling/v1", "Scale"), new, "Scale", "v1").object
        wanted = new["metadata"].get("resourceVersion")
        if wanted:
            obj["metadata"]["resourceVersion"] = wanted
        obj["spec"]["replicas"] = new["spec"].get("replicas", 0)
        require_valid(target.resource, obj)
        try:
            return scale_of(obj if dry_run else store.update(target.resource, obj))
        except Conflict:
            if media == "application/json" or attempt == _TRIES - 1:
                raise
    raise AssertionError("a loop with a last round has ended without it")


def _patched_scale(media: str, scale: Object, sent: Any) -> Any:
    if media == "application/json-patch+json":
        return json_patch(scale, sent)
    if media in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
        return copied(merge_patch(scale, sent))
    raise UnsupportedBody(f"the body of the request was in an unknown patch format: {media}", "Use a JSON patch.")
