"""A Deployment's revisions: each is a ReplicaSet that keeps its template.  Numbers, annotations, history.

Source: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/deployment/util/deployment_util.go
"""

from __future__ import annotations

from labhelpers.cluster.controllers.owned import owner_reference, same_template, template_hash
from labhelpers.store import DEPLOYMENTS, REPLICASETS, Object, Store, copied

__all__ = ["find_new", "forget_old", "new_set", "revision_of"]

_HASH = "pod-template-hash"
_REVISION = "deployment.kubernetes.io/revision"
_DESIRED, _MOST = "deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas"
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
#: what a set does not take over from its deployment
_NOT_COPIED = (_APPLIED, _REVISION, _DESIRED, _MOST, "deprecated.deployment.rollback.to")


def revision_of(obj: Object) -> int:
    """The number of a revision, 0 if it has none."""
    text = (obj["metadata"].get("annotations") or {}).get(_REVISION, "0")
    return int(text) if text.isdecimal() else 0


def _without_hash(template: Object) -> Object:
    template = copied(template)
    meta = template.get("metadata") or {}
    meta["labels"] = {key: value for key, value in (meta.get("labels") or {}).items() if key != _HASH}
    return {**template, "metadata": meta}


def find_new(deployment: Object, sets: list[Object]) -> Object | None:
    """The set with the deployment's template as it is now, the oldest if there are several."""
    wanted = _without_hash(deployment["spec"]["template"])
    same = [one for one in sets if same_template(_without_hash(one["spec"]["template"]), wanted)]
    return min(same, key=lambda one: one["metadata"]["creationTimestamp"], default=None)


def new_set(store: Store, deployment: Object, sets: list[Object], replicas: int, most: int) -> tuple[Object, bool]:
    """The set of the template as it is now, made with so many replicas if it is not there; and whether it was made.

    Its revision becomes the highest one: a deployment that goes back to an old template gets a new number.
    """
    found = find_new(deployment, sets)
    revision = max((revision_of(one) for one in sets if one is not found), default=0) + 1
    if found is not None:
        revision = max(revision, revision_of(found))
        annotations = _annotations(deployment, found, revision, most)
        if annotations != found["metadata"].get("annotations"):
            found["metadata"]["annotations"] = annotations
            found["spec"]["minReadySeconds"] = deployment["spec"].get("minReadySeconds", 0)
            found = store.update(REPLICASETS, found)
        _mark(store, deployment, revision)
        return found, False
    made = store.create(REPLICASETS, _set_for(deployment, replicas, revision, most))
    _mark(store, deployment, revision)
    return made, True


def _annotations(deployment: Object, old: Object | None, revision: int, most: int) -> dict[str, str]:
    mine = deployment["metadata"].get("annotations") or {}
    kept = dict((old["metadata"].get("annotations") or {}) if old else {})
    kept.update({key: value for key, value in mine.items() if key not in _NOT_COPIED})
    kept.update({_REVISION: str(revision), _DESIRED: str(deployment["spec"]["replicas"]), _MOST: str(most)})
    return kept


def _set_for(deployment: Object, replicas: int, revision: int, most: int) -> Object:
    meta, spec = deployment["metadata"], deployment["spec"]
    template = _without_hash(spec["template"])
    suffix = template_hash(template)
    labels = {**template["metadata"]["labels"], _HASH: suffix}
    template["metadata"]["labels"] = labels
    selector = copied(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), _HASH: suffix}
    made: Object = {
        "metadata": {
            "name": f"{meta['name']}-{suffix}",
            "namespace": meta["namespace"],
            "labels": dict(labels),
            "annotations": _annotations(deployment, None, revision, most),
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {"replicas": replicas, "selector": selector, "template": template},
        "status": {"replicas": 0},
    }
    if spec.get("minReadySeconds"):
        made["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    return made


def _mark(store: Store, deployment: Object, revision: int) -> None:
    """Write the revision into the deployment, in the store and in our copy of it."""
    annotations = deployment["metadata"].setdefault("annotations", {})
    if annotations.get(_REVISION) != str(revision):
        annotations[_REVISION] = str(revision)
        written = store.update(DEPLOYMENTS, deployment)
        deployment["metadata"] = written["metadata"]


def forget_old(store: Store, deployment: Object, old: list[Object]) -> None:
    """Delete the oldest sets that have no pods, beyond the limit of the history."""
    empty = [one for one in old if not one["spec"].get("replicas") and not (one.get("status") or {}).get("replicas")]
    limit = deployment["spec"].get("revisionHistoryLimit", 10)
    for one in sorted(empty, key=revision_of)[: max(0, len(empty) - limit)]:
        store.delete(REPLICASETS, one["metadata"]["name"], one["metadata"]["namespace"], uid=one["metadata"]["uid"])
