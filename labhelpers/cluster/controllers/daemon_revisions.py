"""A DaemonSet's revisions: each is a ControllerRevision that keeps a template, as a patch that brings it back.

Source: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/daemon/update.go
"""

from __future__ import annotations

from collections.abc import Iterable

from labhelpers.cluster.controllers.owned import controlled_by, owner_reference, same_template
from labhelpers.store import CONTROLLERREVISIONS, DAEMONSETS, Object, ObjectNotFound, Store, by_selector

__all__ = ["HASH", "keep_history"]

#: the label by which pods and revisions are told from those of another template
HASH = "controller-revision-hash"


def keep_history(store: Store, wanted: Object, suffix: str, pods: Iterable[Object]) -> None:
    """Keep the template as it is now as the latest revision, and no more old ones than the set wants.

    A set that goes back to an old template gets a new number for it.

    Args:
        suffix: the template's hash.
        pods: the set's; a revision that one of them has stays.
    """
    history = _history(store, wanted)
    template = {"$patch": "replace", **wanted["spec"]["template"]}
    same = [one for one in history if same_template(one["data"]["spec"]["template"], template)]
    latest = max((one["revision"] for one in history), default=0)
    if not same:
        store.create(CONTROLLERREVISIONS, _revision(wanted, template, suffix, latest + 1))
    elif (found := max(same, key=_number))["revision"] < latest:
        store.update(CONTROLLERREVISIONS, {**found, "revision": latest + 1})
    in_use = {suffix, *(one["metadata"]["labels"].get(HASH) for one in pods)}
    old = sorted((one for one in history if one["metadata"]["labels"].get(HASH) not in in_use), key=_number)
    limit = wanted["spec"].get("revisionHistoryLimit", 10)
    for one in old[: max(0, len(old) - limit)]:
        try:
            store.delete(CONTROLLERREVISIONS, one["metadata"]["name"], one["metadata"]["namespace"])
        except ObjectNotFound:
            pass


def _history(store: Store, wanted: Object) -> list[Object]:
    matches = by_selector(wanted["spec"]["selector"])
    there = store.list(CONTROLLERREVISIONS, wanted["metadata"]["namespace"])
    return [one for one in controlled_by(wanted, there) if matches(one["metadata"].get("labels") or {})]


def _number(revision: Object) -> int:
    return int(revision["revision"])


def _revision(wanted: Object, template: Object, suffix: str, number: int) -> Object:
    meta = wanted["metadata"]
    owner = {**wanted, "kind": DAEMONSETS.kind, "apiVersion": DAEMONSETS.api_version}
    return {
        "metadata": {
            "name": f"{meta['name']}-{suffix}",
            "namespace": meta["namespace"],
            "labels": {**(template["metadata"].get("labels") or {}), HASH: suffix},
            "annotations": dict(meta.get("annotations") or {}),
            "ownerReferences": [owner_reference(owner)],
        },
        "data": {"spec": {"template": template}},
        "revision": number,
    }
