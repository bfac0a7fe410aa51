"""``Store``: what the kubelet, the controllers and every network's agent need of a Kubernetes API, and no more.

It is the API's own contract: names are Kubernetes' own, and any API server can stand behind it.

* Objects are dictionaries as JSON has them, always with ``apiVersion``, ``kind`` and ``metadata``.  What is returned is
  the caller's own copy.
* Every write gives the object a new ``metadata.resourceVersion``.  An update that carries another one than the store
  has raises ``Conflict``: read again, decide again, repeat.  An update without one is not checked.
* Work level-triggered: a watch says *that* something changed, decide by what ``get`` and ``list`` say *now*.  When a
  watch raises ``Gone``, list again and watch anew.
* All calls may be made from any thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from labhelpers.store.changes import Event
from labhelpers.store.objects import Object
from labhelpers.store.resources import Resource

__all__ = ["Listing", "Store", "Watching"]


@dataclass(frozen=True, slots=True)
class Listing:
    """The objects, in order of namespace and name, and the version at which they were so: where a watch goes on."""

    items: list[Object]
    resource_version: str

    def __iter__(self) -> Iterator[Object]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


class Watching(Protocol):
    """What ``Store.watch`` gives: a context manager to iterate over, that ``close`` ends from any thread."""

    @property
    def resource_version(self) -> str:
        """Everything up to here was told."""

    def next(self, timeout: float | None = None) -> Event | None:
        """The next event, or ``None`` after ``timeout`` seconds or when it was closed.  Raises ``Gone``."""

    def close(self) -> None:
        """End it."""

    def __iter__(self) -> Iterator[Event]: ...

    def __enter__(self) -> Watching: ...

    def __exit__(self, *_: object) -> None: ...


class Store(Protocol):
    """API objects with versions.  Without a ``namespace``: kinds that have none, or all in ``list`` and ``watch``."""

    def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """One object.  Raises ``ObjectNotFound``."""

    def list(self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        """The objects that pass both selectors, in order of namespace and name.

        Args:
            labels: ``app=web,tier in (a,b)``.
            fields: ``spec.nodeName=node-1``.

        Raises:
            BadRequest: a selector that cannot be read.
        """

    def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        since: str = "",
        labels: str = "",
        fields: str = "",
        bookmarks: bool = False,
    ) -> Watching:
        """Every change after the version ``since``, once and in order; without it, first what is there as ``ADDED``.

        An object that begins to pass the selectors is ``ADDED``, one that no longer does is ``DELETED``.

        Args:
            bookmarks: tell by a ``BOOKMARK``, an object with nothing but a version, that what was there is told.

        Raises:
            Gone: the changes since then are no longer remembered.
            BadRequest: a selector or version that cannot be read.
        """

    def create(self, resource: Resource, obj: Object) -> Object:
        """Add an object; ``metadata.namespace`` says where.  The store gives uid, version, time and, after a
        ``generateName``, the name.  Raises ``ObjectExists``, ``Invalid``.
        """

    def update(self, resource: Resource, obj: Object, *, subresource: str = "") -> Object:
        """Replace an object by its namespace and name.  Nothing is written if nothing is different.

        Args:
            subresource: ``"status"`` writes the status and nothing else; without it, kinds that have the subresource
                keep the status they have.

        Raises:
            ObjectNotFound, Conflict, Invalid: nothing was changed.
        """

    def patch(
        self, resource: Resource, name: str, patch: Object, namespace: str = "", *, subresource: str = ""
    ) -> Object:
        """Merge a patch (RFC 7386) into the object as it is now: ``None`` removes a key, a list replaces.

        Raises:
            ObjectNotFound, Conflict, Invalid: as ``update``; ``Conflict`` only if the patch carries a resourceVersion.
        """

    def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        grace: int | None = None,
        uid: str = "",
        propagation: str = "Background",
    ) -> Object:
        """Delete an object, or mark it with ``deletionTimestamp`` while somebody has still to do with it.

        A pod on a node is marked; its kubelet stops it and deletes it again with ``grace=0``.  What has finalizers goes
        with the last of them.  What an object owns goes after it.

        Args:
            grace: seconds; the pod's own ``terminationGracePeriodSeconds`` by default.
            uid: only if it is this very object, not another of its name.
            propagation: ``Background``, ``Foreground`` (what it owns goes first) or ``Orphan`` (what it owns stays).

        Returns:
            The object as marked, or its last state.

        Raises:
            ObjectNotFound, Conflict.
        """
