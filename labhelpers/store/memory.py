"""``MemoryStore``: the store in this process's memory.  It is the embedded cluster's etcd, and ends with it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from labhelpers.errors import BadInput
from labhelpers.store import deletion
from labhelpers.store.changes import Change, Event, Log, Watch
from labhelpers.store.naming import Naming
from labhelpers.store.objects import Object, copied, key_of, timestamp
from labhelpers.store.patches import merge_patch
from labhelpers.store.protocol import Listing
from labhelpers.store.refused import BadRequest, Conflict, Gone, Invalid, ObjectExists, ObjectNotFound
from labhelpers.store.resources import RESOURCES, Resource
from labhelpers.store.selectors import by_fields, by_labels

__all__ = ["MemoryStore"]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_LONGEST_NAME = 253
_LONGEST_PREFIX = 58  # of a generated name, as the API cuts it, so that a pod's name fits into a host name
_REMEMBERED = 1000  # changes of each kind


class MemoryStore:
    """Objects, versions and watches in memory.  See ``Store`` for the contract.

    Args:
        clock: seconds since 1970; tests pass their own.
        remembered: how many changes of a kind a watch may be behind.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time, remembered: int = _REMEMBERED) -> None:
        self._clock = clock
        self._changed = threading.Condition()  # guards everything below
        self._version = 0
        # What is in here is never changed in place: a write puts a new dictionary there, readers get copies.
        self._objects: dict[Resource, dict[tuple[str, str], Object]] = {one: {} for one in RESOURCES}
        self._logs = {one: Log(remembered) for one in RESOURCES}
        self._naming = Naming()
        self._listeners: list[Callable[[], None]] = []

    @property
    def resource_version(self) -> str:
        """The version of the latest write."""
        return str(self._version)

    def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """See ``Store.get``."""
        with self._changed:
            return _copy(self._there(resource, namespace, name))

    def list(
        self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "", at: str = ""
    ) -> Listing:
        """See ``Store.list``.

        Args:
            at: as it was at this version.

        Raises:
            Gone: what happened since then is forgotten in part.
        """
        test = _test(resource, namespace, labels, fields)
        with self._changed:
            version = at or self.resource_version
            self._require_past(int(version))
            objects = self._logs[resource].rewound(self._objects[resource], int(version))
            chosen = sorted((key, obj) for key, obj in objects.items() if test(obj))
        return Listing([copied(obj) for _, obj in chosen], version)

    def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        since: str = "",
        labels: str = "",
        fields: str = "",
        bookmarks: bool = False,
    ) -> Watch:
        """See ``Store.watch``."""
        test = _test(resource, namespace, labels, fields)
        if not since.isdecimal() and since:
            raise BadRequest(f"invalid resource version: {since!r}", "Use the resourceVersion of a list.")
        with self._changed:
            at = int(since or 0) or self._version
            self._require_past(at)
            log = self._logs[resource]
            log.after(at)
            first = []
            if int(since or 0) == 0:
                chosen = sorted((key, obj) for key, obj in self._objects[resource].items() if test(obj))
                first = [Event("ADDED", copied(obj)) for _, obj in chosen]
                if bookmarks:
                    meta = {"resourceVersion": str(at), "annotations": {"k8s.io/initial-events-end": "true"}}
                    mark = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
                    first.append(Event("BOOKMARK", mark))
            return Watch(self._changed, log, lambda: self._version, at, test, first)

    def _require_past(self, version: int) -> None:
        """A version that is yet to come is another cluster's."""
        if version > self._version:
            raise Gone(
                f"too large resource version: {version}, current: {self._version}", "List again, and watch from there."
            )

    def create(self, resource: Resource, obj: Object) -> Object:
        """See ``Store.create``."""
        obj = copied(obj)
        meta = obj.setdefault("metadata", {})
        if not resource.namespaced:
            meta.pop("namespace", None)
        elif not meta.get("namespace"):
            raise BadRequest(f"{resource.kind} has no namespace", "Say which in metadata.namespace.")
        namespace = meta.get("namespace", "")
        with self._changed:
            name = meta.get("name") or self._generated(resource, namespace, meta.get("generateName", ""))
            _require_name(resource, name)
            if (namespace, name) in self._objects[resource]:
                raise ObjectExists(f'{resource.qualified} "{name}" already exists', details=_details(resource, name))
            meta["name"] = name
            for key in ("deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"):
                meta.pop(key, None)
            meta["uid"] = self._naming.uid(resource.qualified, namespace, name)
            meta["creationTimestamp"] = timestamp(self._clock())
            if resource.generation:
                meta["generation"] = 1
            obj.update(apiVersion=resource.api_version, kind=resource.kind)
            return _copy(self._write(resource, None, obj))

    def _generated(self, resource: Resource, namespace: str, prefix: str) -> str:
        if not prefix:
            raise Invalid(
                f'{resource.qualified_kind} "" is invalid: metadata.name: '
                "Required value: name or generateName is required",
                details=_details(resource, ""),
            )
        while True:
            name = prefix[:_LONGEST_PREFIX] + self._naming.suffix(f"{resource.qualified}/{namespace}/{prefix}")
            if (namespace, name) not in self._objects[resource]:
                return name

    def update(self, resource: Resource, obj: Object, *, subresource: str = "") -> Object:
        """See ``Store.update``."""
        new = copied(obj)
        namespace, name = key_of(new)
        with self._changed:
            old = self._there(resource, namespace, name)
            self._require_same(resource, old, new["metadata"])
            return _copy(self._replace(resource, old, new, subresource))

    def patch(
        self, resource: Resource, name: str, patch: Object, namespace: str = "", *, subresource: str = ""
    ) -> Object:
        """See ``Store.patch``."""
        with self._changed:
            old = self._there(resource, namespace, name)
            self._require_same(resource, old, patch.get("metadata") or {})
            return _copy(self._replace(resource, old, copied(merge_patch(old, patch)), subresource))

    def _require_same(self, resource: Resource, old: Object, wanted: Mapping[str, Any]) -> None:
        """The caller means the object as it is: the version and the uid are either not given or the same."""
        meta = old["metadata"]
        if wanted.get("uid", meta["uid"]) != meta["uid"]:
            raise Conflict(
                f'Operation cannot be fulfilled on {resource.qualified} "{meta["name"]}": Precondition failed: UID in '
                f"precondition: {wanted['uid']}, UID in object meta: {meta['uid']}",
                details=_details(resource, meta["name"]),
            )
        if (wanted.get("resourceVersion") or meta["resourceVersion"]) != meta["resourceVersion"]:
            raise Conflict(
                f'Operation cannot be fulfilled on {resource.qualified} "{meta["name"]}": the object has been '
                "modified; please apply your changes to the latest version and try again",
                details=_details(resource, meta["name"]),
            )

    def _replace(self, resource: Resource, old: Object, new: Object, subresource: str) -> Object:
        if subresource == "status":
            new = {**old, "status": new.get("status") or {}}
        elif subresource:
            raise BadRequest(
                f"{resource.plural} have no subresource {subresource!r} to write", "Write the object itself."
            )
        elif resource.status:
            new.pop("status", None)
            if "status" in old:
                new["status"] = old["status"]
        meta, was = dict(new["metadata"]), old["metadata"]
        for key in (
            "name", "namespace", "uid", "creationTimestamp", "generation", "resourceVersion", "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ):  # fmt: skip
            meta.pop(key, None)
            if key in was:
                meta[key] = was[key]
        new = {**new, "apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta}
        if new == old:
            return old
        if resource.generation and {**new, "metadata": 0, "status": 0} != {**old, "metadata": 0, "status": 0}:
            meta["generation"] = was.get("generation", 0) + 1
        if deletion.finished(resource, new):
            return self._write(resource, old, None, last=new)
        return self._write(resource, old, new)

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
        """See ``Store.delete``."""
        with self._changed:
            old = self._there(resource, namespace, name)
            if uid:
                self._require_same(resource, old, {"uid": uid})
            new = deletion.marked(resource, old, grace, propagation, self._clock())
            if new == old:
                return _copy(old)
            if new is not None and resource.generation and "deletionTimestamp" not in old["metadata"]:
                new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
            return _copy(self._write(resource, old, new, last=old))

    def _there(self, resource: Resource, namespace: str, name: str) -> Object:
        try:
            return self._objects[resource][namespace if resource.namespaced else "", name]
        except KeyError:
            raise ObjectNotFound(f'{resource.qualified} "{name}" not found', details=_details(resource, name)) from None

    def _write(self, resource: Resource, old: Object | None, new: Object | None, last: Object | None = None) -> Object:
        """Put an object in place of another and tell the watches.  ``last``: what is told of an object that is gone."""
        self._version += 1
        told = new if new is not None else last
        assert told is not None
        told = {**told, "metadata": {**told["metadata"], "resourceVersion": str(self._version)}}
        if new is None:
            del self._objects[resource][key_of(told)]
        else:
            self._objects[resource][key_of(told)] = told
        self._logs[resource].add(Change(self._version, old, None if new is None else told, told))
        self._changed.notify_all()
        for listener in self._listeners:
            listener()
        return told

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call something short after each write, in the writer's thread; returns what ends it.  For event loops."""
        with self._changed:
            self._listeners = [*self._listeners, listener]

        def end() -> None:
            with self._changed:
                self._listeners = [one for one in self._listeners if one is not listener]

        return end

    def dump(self) -> dict[str, Any]:
        """Everything in it as JSON values, for ``load``."""
        with self._changed:
            return {
                "resourceVersion": self._version,
                "names": self._naming.dump(),
                "objects": {
                    one.qualified: [copied(self._objects[one][key]) for key in sorted(self._objects[one])]
                    for one in RESOURCES
                },
            }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Put what ``dump`` gave into an empty store, versions and uids included.

        Raises:
            BadInput: it is not empty, or this was not made by ``dump``.
        """
        by_name = {one.qualified: one for one in RESOURCES}
        with self._changed:
            if self._version:
                raise BadInput("There are objects already.", "Load into a store that is new.")
            try:
                objects = {
                    by_name[name]: {key_of(obj): copied(obj) for obj in items}
                    for name, items in saved["objects"].items()
                }
                version = int(saved["resourceVersion"])
                counters = {str(key): int(value) for key, value in saved["names"].items()}
            except (KeyError, TypeError, ValueError, AttributeError):
                raise BadInput("This is no saved store.", "Save one with cluster.save(path).") from None
            self._objects.update(objects)
            self._naming.load(counters)
            self._version = version
            for log in self._logs.values():
                log.forgotten = version


def _copy(obj: Object) -> Object:
    return dict(copied(obj))


def _test(resource: Resource, namespace: str, labels: str, fields: str) -> Callable[[Object], bool]:
    has_labels, has_fields = by_labels(labels), by_fields(fields, resource)

    def test(obj: Object) -> bool:
        meta = obj["metadata"]
        return (
            (not namespace or meta.get("namespace") == namespace)
            and (not labels or has_labels(meta.get("labels") or {}))
            and (not fields or has_fields(obj))
        )

    return test


def _details(resource: Resource, name: str) -> dict[str, str]:
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in details.items() if value}


def _require_name(resource: Resource, name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        rule = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        )
        if len(name) > _LONGEST_NAME:
            rule = f"must be no more than {_LONGEST_NAME} bytes"
        raise Invalid(
            f'{resource.qualified_kind} "{name}" is invalid: metadata.name: Invalid value: "{name}": {rule}',
            details=_details(resource, name),
        )
