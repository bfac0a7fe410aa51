"""Who owns whom, and what a pod's state means to its owner.  Pure but for reading the store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from labhelpers.cluster.api.admission import complete
from labhelpers.store import (
    PODS,
    Object,
    ObjectNotFound,
    Resource,
    Store,
    by_selector,
    controller_of,
    copied,
    safe_encoded,
)

__all__ = [
    "available_after",
    "controlled_by",
    "is_active",
    "is_ready",
    "key_of_controller",
    "owner_reference",
    "pod_from_template",
    "pods_of",
    "put",
    "same_template",
    "template_hash",
]


def owner_reference(owner: Object) -> Object:
    """What an object says of the controller that made it."""
    meta = owner["metadata"]
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"],
            "controller": True, "blockOwnerDeletion": True}  # fmt: skip


def controlled_by(owner: Object, objects: Iterable[Object]) -> list[Object]:
    """Those of the objects that this one controls."""
    uid = owner["metadata"]["uid"]
    return [one for one in objects if (controller_of(one) or {}).get("uid") == uid]


def key_of_controller(obj: Object, kind: str) -> Iterable[tuple[str, str]]:
    """The key of the controller of a kind that an object has, if any."""
    reference = controller_of(obj)
    if reference and reference["kind"] == kind:
        yield obj["metadata"].get("namespace", ""), reference["name"]


def pods_of(store: Store, owner: Object) -> list[Object]:
    """The pods that an owner controls and whose labels it still selects."""
    matches = by_selector(owner["spec"].get("selector"))
    pods = store.list(PODS, owner["metadata"]["namespace"])
    return [one for one in controlled_by(owner, pods) if matches(one["metadata"].get("labels") or {})]


def put(store: Store, resource: Resource, obj: Object) -> None:
    """Create an object, or write what is given over what is there of it."""
    meta = obj["metadata"]
    try:
        old = store.get(resource, meta["name"], meta["namespace"])
    except ObjectNotFound:
        store.create(resource, obj)
    else:
        store.update(resource, {**old, **obj, "metadata": {**old["metadata"], **meta}})


def is_active(pod: Object) -> bool:
    """Is it neither finished nor going?"""
    phase = (pod.get("status") or {}).get("phase")
    return phase not in ("Succeeded", "Failed") and "deletionTimestamp" not in pod["metadata"]


def _ready_condition(pod: Object) -> Object:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one["type"] == "Ready"), {})


def is_ready(pod: Object) -> bool:
    """Does its kubelet say that it is ready?"""
    return _ready_condition(pod).get("status") == "True"


def available_after(pod: Object, seconds: int, now: float) -> float | None:
    """In how many seconds it will have been ready for so long: 0 is now, none is unknown."""
    if not is_ready(pod):
        return None
    if not seconds:
        return 0.0
    since = str(_ready_condition(pod).get("lastTransitionTime", "")).replace("Z", "+00:00")
    try:
        return max(0.0, datetime.fromisoformat(since).timestamp() + seconds - now)
    except ValueError:
        return None


def template_hash(template: Object) -> str:
    """The label by which a template's pods are told from those of another: the same for the same template.

    It has 32 bits and looks as Kubernetes writes them; there it is another number, of Go's own text of the template.
    """
    digest = hashlib.sha256(_text(template).encode()).digest()
    return safe_encoded(int.from_bytes(digest[:4], "big"))


def same_template(one: Object, other: Object) -> bool:
    """Do two templates ask for the same?  Two hashes could be the same by chance."""
    return _text(one) == _text(other)


def _text(value: Any) -> str:
    """A text that does not depend on the order of keys, and for which empty is not there."""
    if isinstance(value, dict):
        return (
            "{"
            + ",".join(f"{key}:{_text(value[key])}" for key in sorted(value) if value[key] not in (None, {}, []))
            + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return repr(value)


def pod_from_template(resource: Resource, owner: Object, *, labels: Object | None = None) -> Object:
    """A pod as an owner's template wants it, ready to be created."""
    template = copied(owner["spec"]["template"])
    meta = template.get("metadata") or {}
    name = owner["metadata"]["name"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{name}-",
            "namespace": owner["metadata"]["namespace"],
            "labels": {**(meta.get("labels") or {}), **(labels or {})},
            "annotations": meta.get("annotations") or {},
            "ownerReferences": [owner_reference({**owner, "kind": resource.kind, "apiVersion": resource.api_version})],
        },
        "spec": template["spec"],
    }
    return complete(PODS, pod)
