"""Namespaces: each gets its default ServiceAccount, and one that is deleted is emptied before it goes."""

from __future__ import annotations

from collections.abc import Iterable

from labhelpers.cluster.controllers.loop import Key
from labhelpers.store import (
    NAMESPACES,
    RESOURCES,
    SERVICEACCOUNTS,
    Event,
    ObjectExists,
    ObjectNotFound,
    Resource,
    Store,
    key_of,
)

__all__ = ["NamespaceController"]

_LOOK_AGAIN = 0.1  # seconds: pods need a while to stop


class NamespaceController:
    """Furnishes namespaces and clears them out."""

    watches = (NAMESPACES, SERVICEACCOUNTS)

    def __init__(self, store: Store) -> None:
        self._store = store

    def keys(self, resource: Resource, event: Event) -> Iterable[Key]:
        """A namespace, or the one that an account is in."""
        return [key_of(event.object)] if resource == NAMESPACES else [("", event.object["metadata"]["namespace"])]

    def sync(self, key: Key) -> float | None:
        """Furnish or clear out."""
        name = key[1]
        try:
            namespace = self._store.get(NAMESPACES, name)
        except ObjectNotFound:
            return None
        if "deletionTimestamp" not in namespace["metadata"]:
            self._furnish(name)
            return None
        if self._clear(name):
            return _LOOK_AGAIN
        namespace["spec"]["finalizers"] = []
        self._store.update(NAMESPACES, namespace)
        return None

    def _furnish(self, name: str) -> None:
        try:
            self._store.create(SERVICEACCOUNTS, {"metadata": {"name": "default", "namespace": name}})
        except ObjectExists:
            pass

    def _clear(self, name: str) -> int:
        """Delete all that is in it.  Returns how much is still there."""
        left = 0
        for kind in RESOURCES:
            if not kind.namespaced:
                continue
            for one in self._store.list(kind, name):
                left += 1
                if "deletionTimestamp" not in one["metadata"]:
                    try:
                        self._store.delete(kind, one["metadata"]["name"], name)
                    except ObjectNotFound:
                        pass
        return left
