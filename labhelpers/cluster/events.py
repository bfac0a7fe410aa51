"""``Recorder``: writes Events about an object, and counts one up that is repeated, as Kubernetes' own components do.

Source: https://github.com/kubernetes/client-go/tree/master/tools/record.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from labhelpers.store import EVENTS, Object, ObjectNotFound, Refused, Store, timestamp

__all__ = ["NORMAL", "WARNING", "Recorder"]

NORMAL, WARNING = "Normal", "Warning"
_REFERENCE = ("apiVersion", "kind")
_REMEMBERED = 4096


class Recorder:
    """Events of one component.  An event that cannot be written is lost: nothing depends on it.

    Args:
        component: who says it, such as ``kubelet``.
        host: on which node.
    """

    def __init__(self, store: Store, component: str, host: str = "", *, clock: Callable[[], float] = time.time) -> None:
        self._store, self._component, self._host, self._clock = store, component, host, clock
        self._lock = threading.Lock()
        #: what was said before: the event's name and how often
        self._said: dict[tuple[str, ...], tuple[str, int]] = {}
        #: what names were made of lately
        self._numbers: dict[int, None] = {}

    def record(
        self,
        about: Mapping[str, Any],
        kind: str,
        reason: str,
        message: str,
        *,
        field: str = "",
        at: float | None = None,
    ) -> None:
        """Write an event about an object, or count up the one that says the same.

        Args:
            kind: ``NORMAL`` or ``WARNING``.
            field: the part of the object it is about, such as ``spec.containers{web}``.
            at: when it happened, in seconds since 1970; by default now.
        """
        meta, when = about["metadata"], self._clock() if at is None else at
        key = (meta.get("uid", ""), kind, reason, message, field)
        with self._lock:
            name, count = self._said.get(key, ("", 0))
            name = name or self._name(meta["name"], when)
            self._said[key] = name, count + 1
            if len(self._said) > _REMEMBERED:
                del self._said[next(iter(self._said))]
        try:
            if count:
                try:
                    self._repeat(name, meta.get("namespace") or "default", count + 1)
                    return
                except ObjectNotFound:  # it has been deleted
                    pass
            self._store.create(EVENTS, self._event(about, kind, reason, message, field, name, when))
        except Refused:  # its namespace is going, or an earlier run wrote it
            pass

    def _name(self, about: str, when: float) -> str:
        """As Kubernetes forms it, from the time: a list sorted by name is in order of time."""
        number = int(when * 1e9)
        while number in self._numbers:  # the clock stood still
            number += 1
        self._numbers[number] = None
        if len(self._numbers) > _REMEMBERED:
            del self._numbers[next(iter(self._numbers))]
        return f"{about}.{number:x}"

    def _repeat(self, name: str, namespace: str, count: int) -> None:
        now = timestamp(self._clock())
        self._store.patch(EVENTS, name, {"count": count, "lastTimestamp": now}, namespace)

    def _event(
        self, about: Mapping[str, Any], kind: str, reason: str, message: str, field: str, name: str, now: float
    ) -> Object:
        meta = about["metadata"]
        namespace = meta.get("namespace") or "default"
        involved = {key: about[key] for key in _REFERENCE if key in about}
        involved |= {key: meta[key] for key in ("namespace", "name", "uid", "resourceVersion") if meta.get(key)}
        if field:
            involved["fieldPath"] = field
        return {
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": involved,
            "reason": reason,
            "action": reason,  # a real API server wants one where there is an eventTime
            "message": message,
            "type": kind,
            "source": {"component": self._component, **({"host": self._host} if self._host else {})},
            "reportingComponent": self._component,
            "reportingInstance": self._host,
            "firstTimestamp": timestamp(now),
            "lastTimestamp": timestamp(now),
            "eventTime": datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "count": 1,
        }
