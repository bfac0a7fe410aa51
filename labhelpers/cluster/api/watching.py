"""The answer to a watch: one JSON line for each event, for as long as the client wants."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from labhelpers.cluster.api.printing import table
from labhelpers.cluster.api.request import Target, answer_form, flag
from labhelpers.store import BadRequest, Event, MemoryStore, Object, Refused, Watch

__all__ = ["Pulse", "stream_watch"]

_BOOKMARK_EVERY = 60.0
_SHORTEST, _LONGEST = 1800.0, 3600.0  # seconds, for clients that do not say


class Pulse:
    """Wakes the event loop's watches after a write in any thread; many writes at once wake them once."""

    def __init__(self, store: MemoryStore) -> None:
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.Future[None] = self._loop.create_future()
        self._asked = False
        #: the server is closing, and no watch has anything to wait for
        self.is_closed = False
        self._end = store.on_change(self._wake)

    def _wake(self) -> None:
        if not self._asked:
            self._asked = True
            self._loop.call_soon_threadsafe(self._beat)

    def _beat(self) -> None:
        self._asked = False
        beaten, self._next = self._next, self._loop.create_future()
        beaten.set_result(None)

    @property
    def next(self) -> asyncio.Future[None]:
        """Done after the next write.  Take it before you look at what there is."""
        return self._next

    def close(self) -> None:
        """Listen no more, and end every watch."""
        self._end()
        self.is_closed = True
        self._beat()


async def stream_watch(request: web.Request, store: MemoryStore, pulse: Pulse, target: Target) -> web.StreamResponse:
    """Answer a watch until its time is over, the client has gone or is too far behind."""
    query = request.query
    version = query.get("resourceVersion", "")
    initial = flag(query, "sendInitialEvents")
    bookmarks = flag(query, "allowWatchBookmarks")
    fields = query.get("fieldSelector", "")
    if target.name:  # the old way to watch one object
        fields = ",".join(filter(None, (fields, f"metadata.name={target.name}")))
    watch = store.watch(
        target.resource,
        target.namespace,
        since="" if initial else version,
        labels=query.get("labelSelector", ""),
        fields=fields,
        bookmarks=initial and bookmarks,
    )
    shown = _shown_as(target, answer_form(request.headers.getall("Accept", [])), query.get("includeObject", "Metadata"))
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    end = time.monotonic() + _seconds(query.get("timeoutSeconds"))
    await response.prepare(request)
    try:
        await _send(response, watch, pulse, end, shown, target if bookmarks else None)
    except ConnectionError:
        pass
    return response


def _seconds(asked: str | None) -> float:
    try:
        seconds = float(int(asked or 0))
        return seconds if seconds > 0 else random.uniform(_SHORTEST, _LONGEST)
    except ValueError:
        raise BadRequest(f"timeoutSeconds: {asked!r} is no number", "Write whole seconds.") from None


def _shown_as(target: Target, form: str, include: str) -> Callable[[Event], Object]:
    """How an object is put into an event: as it is, as a row, or its metadata alone."""
    first = True

    def shown(event: Event) -> Object:
        nonlocal first
        if form == "Table":
            objects = [] if event.type == "BOOKMARK" else [event.object]
            version = event.object["metadata"]["resourceVersion"]
            head, first = first, False
            return table(target.resource, objects, version, time.time(), include, head=head)
        if form:
            meta = event.object["metadata"]
            return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
        return event.object

    return shown


async def _send(
    response: web.StreamResponse,
    watch: Watch,
    pulse: Pulse,
    end: float,
    shown: Callable[[Event], Object],
    marked_for: Target | None,
) -> None:
    marked = time.monotonic()
    while not pulse.is_closed and time.monotonic() < end:
        changed = pulse.next
        try:
            events = watch.poll()
        except Refused as gone:
            await response.write(_line("ERROR", gone.status()))
            return
        for event in events:
            await response.write(_line(event.type, shown(event)))
        if marked_for and time.monotonic() >= marked + _BOOKMARK_EVERY:
            marked = time.monotonic()
            await response.write(_line("BOOKMARK", shown(_bookmark(marked_for, watch))))
        if not events:
            left = min(end - time.monotonic(), _BOOKMARK_EVERY)
            await asyncio.wait([changed], timeout=max(left, 0))


def _bookmark(target: Target, watch: Watch) -> Event:
    """Without a kind a client cannot read it, and gives the watch up."""
    kind, version = target.resource.kind, target.resource.api_version
    meta = {"resourceVersion": watch.resource_version}
    return Event("BOOKMARK", {"kind": kind, "apiVersion": version, "metadata": meta})


def _line(kind: str, obj: Any) -> bytes:
    return json.dumps({"type": kind, "object": obj}, separators=(",", ":")).encode() + b"\n"
