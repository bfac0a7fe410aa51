"""What an object owns goes when the object goes: after it, before it (``--cascade=foreground``), or stays (``orphan``).

Source: https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

from collections.abc import Iterable

from labhelpers.cluster.controllers.loop import Key
from labhelpers.store import EVENTS, RESOURCES, Event, Object, ObjectNotFound, Resource, Store

__all__ = ["GarbageCollector"]

_FOREGROUND, _ORPHAN = "foregroundDeletion", "orphan"
_BY_KIND = {(one.api_version, one.kind): one for one in RESOURCES}
_ALL = ("", "")  # one key: who owns whom is looked up over all kinds at once


class GarbageCollector:
    """Collects what has lost all its owners.  Events own nothing and are owned by nobody."""

    watches = tuple(one for one in RESOURCES if one != EVENTS)

    def __init__(self, store: Store) -> None:
        self._store = store

    def keys(self, resource: Resource, event: Event) -> Iterable[Key]:
        """When something has gone or waits for what it owns, and when something new says that it is owned."""
        meta = event.object["metadata"]
        going = event.type == "DELETED" or ("deletionTimestamp" in meta and meta.get("finalizers"))
        orphaned = event.type == "ADDED" and not all(map(self._is_there, self._owners(event.object)))
        return [_ALL] if going or orphaned else []

    def _owners(self, obj: Object) -> list[tuple[Object, str]]:
        meta = obj["metadata"]
        return [(owner, meta.get("namespace", "")) for owner in meta.get("ownerReferences") or ()]

    def _is_there(self, reference: tuple[Object, str]) -> bool:
        owner, namespace = reference
        kind = _BY_KIND.get((owner["apiVersion"], owner["kind"]))
        try:
            return (
                kind is not None and self._store.get(kind, owner["name"], namespace)["metadata"]["uid"] == owner["uid"]
            )
        except ObjectNotFound:
            return False

    def sync(self, key: Key) -> float | None:
        """Look at every object that has owners, and at every one that waits for what it owns."""
        objects = [(kind, one) for kind in self.watches for one in self._store.list(kind)]
        uids = {one["metadata"]["uid"] for _, one in objects}
        waiting = {
            one["metadata"]["uid"]: set(one["metadata"]["finalizers"])
            for _, one in objects
            if "deletionTimestamp" in one["metadata"] and one["metadata"].get("finalizers")
        }
        references = [owner for _, one in objects for owner in one["metadata"].get("ownerReferences") or ()]
        owning = {owner["uid"] for owner in references}
        blocking = {owner["uid"] for owner in references if owner.get("blockOwnerDeletion")}
        for kind, one in objects:
            self._owned(kind, one, uids, owning, waiting)
        for kind, one in objects:
            mine = waiting.get(one["metadata"]["uid"], set())
            if _ORPHAN in mine or (_FOREGROUND in mine and one["metadata"]["uid"] not in blocking):
                self._finish(kind, one, mine - {_ORPHAN, _FOREGROUND})
        return None

    def _owned(
        self, kind: Resource, one: Object, uids: set[str], owning: set[str], waiting: dict[str, set[str]]
    ) -> None:
        """Let one object go if its owners have gone, or keep it without those that say it may stay."""
        meta = one["metadata"]
        owners = meta.get("ownerReferences") or []
        if not owners:
            return
        kept = [owner for owner in owners if _ORPHAN not in waiting.get(owner["uid"], ())]
        if kept != owners:  # its owner goes, and it stays without it
            meta["ownerReferences"] = kept
            self._store.update(kind, one)
            return
        solid = [owner for owner in owners if owner["uid"] in uids and _FOREGROUND not in waiting.get(owner["uid"], ())]
        if solid or "deletionTimestamp" in meta:
            return
        foreground = any(_FOREGROUND in waiting.get(owner["uid"], ()) for owner in owners)
        try:
            self._store.delete(
                kind,
                meta["name"],
                meta.get("namespace", ""),
                uid=meta["uid"],
                propagation="Foreground" if foreground and meta["uid"] in owning else "Background",
            )
        except ObjectNotFound:
            pass

    def _finish(self, kind: Resource, one: Object, finalizers: set[str]) -> None:
        one["metadata"]["finalizers"] = sorted(finalizers)
        try:
            self._store.update(kind, one)
        except ObjectNotFound:
            pass
