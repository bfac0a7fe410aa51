"""``ApiStore``: a ``Store`` that is some API server, the embedded cluster's or a real one.

Whoever is written against ``Store``, the kubelet for one, can so join a control plane that runs elsewhere.
"""

from __future__ import annotations

import http.client
import json
import queue
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from labhelpers.store import (
    BadRequest,
    Conflict,
    Event,
    Gone,
    Invalid,
    Listing,
    Object,
    ObjectExists,
    ObjectNotFound,
    Refused,
    Resource,
)

__all__ = ["ApiStore", "ApiWatch", "Unreachable"]

_PATIENCE = 30.0  # seconds for an answer
_WATCH = 300  # seconds that one request of a watch lasts; then another goes on from there
_AGAIN = 0.5  # seconds until a watch whose connection was lost is tried again
_REASONS: Mapping[str, type[Refused]] = {
    one.reason: one for one in (ObjectNotFound, ObjectExists, Conflict, Gone, Invalid, BadRequest)
}


class Unreachable(Refused):
    """The API server does not answer."""

    code = 503
    reason = "ServiceUnavailable"


def _refused(status: Any) -> Refused:
    """The error that a ``Status`` says."""
    status = status if isinstance(status, dict) else {}
    reason = "Expired" if status.get("code") == Gone.code else status.get("reason", "")
    error = _REASONS.get(reason, Refused)(
        status.get("message", "refused without a word"), details=status.get("details")
    )
    if type(error) is Refused:
        error.code, error.reason = status.get("code", 500), reason
    return error


class _Answer:
    """An answer that has begun, and the connection it comes by."""

    def __init__(
        self, connection: http.client.HTTPConnection, line: socket.socket, response: http.client.HTTPResponse
    ) -> None:
        self._connection, self.socket, self.response = connection, line, response

    def whole(self) -> Any:
        """All of it, as JSON values.  Raises what it says if it is a refusal."""
        try:
            content = json.loads(self.response.read() or b"{}")
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unreachable(f"the API server broke off: {error}") from None
        if self.response.status >= 400:
            raise _refused(content)
        return content

    def break_off(self) -> None:
        """Let whoever reads it in another thread find its end."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # it has ended already
            pass

    def close(self) -> None:
        """It has been read."""
        self.response.close()
        self._connection.close()


class _ThroughSocket(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_PATIENCE)
        self.sock.connect(self._path)


class ApiStore:
    """An API server as a store.  See ``Store`` for the contract; any call may also raise ``Unreachable``.

    Args:
        url: ``https://HOST:PORT``, or ``unix:PATH``.
        token: sent with each request; none: the server asks for none, or knows us by our certificate.
        context: whom to trust, and who we are; by default what the system trusts.
    """

    def __init__(self, url: str, *, token: str = "", context: ssl.SSLContext | None = None) -> None:
        self._path = url.removeprefix("unix:") if url.startswith("unix:/") else ""
        parts = urlsplit("http://localhost" if self._path else url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadRequest(f"{url!r} is no URL of an API server", "Write it like https://127.0.0.1:6443.")
        self._host, self._port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        self._headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        self._context = (context or ssl.create_default_context()) if parts.scheme == "https" else None

    def _open(self, method: str, path: str, body: Any = None, media: str = "application/json") -> _Answer:
        """Send a request.  What is returned must be closed."""
        if self._path:
            connection: http.client.HTTPConnection = _ThroughSocket(self._path)
        elif self._context is not None:
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=_PATIENCE, context=self._context)
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=_PATIENCE)
        data = None if body is None else json.dumps(body).encode()
        headers = {**self._headers, **({"Content-Type": media} if data is not None else {})}
        try:
            connection.connect()
            line: socket.socket = connection.sock
            connection.request(method, path, data, headers)
            return _Answer(connection, line, connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unreachable(f"the API server at {self._host}:{self._port} does not answer: {error}") from None

    def _ask(self, method: str, path: str, body: Any = None, media: str = "application/json") -> Any:
        answer = self._open(method, path, body, media)
        try:
            return answer.whole()
        finally:
            answer.close()

    def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """See ``Store.get``."""
        return dict(self._ask("GET", _path(resource, namespace, name)))

    def list(self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        """See ``Store.list``."""
        answer = self._ask("GET", _path(resource, namespace) + _query(labels, fields))
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        items = [{**kind, **one} for one in answer.get("items") or ()]
        return Listing(items, answer["metadata"]["resourceVersion"])

    def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        since: str = "",
        labels: str = "",
        fields: str = "",
        bookmarks: bool = False,
    ) -> ApiWatch:
        """See ``Store.watch``."""
        first: list[Event] = []
        if since in ("", "0"):
            listing = self.list(resource, namespace, labels=labels, fields=fields)
            first, since = [Event("ADDED", one) for one in listing], listing.resource_version
            if bookmarks:
                first.append(Event("BOOKMARK", {"metadata": {"resourceVersion": since}}))
        return ApiWatch(self, _path(resource, namespace), _query(labels, fields), since, first)

    def create(self, resource: Resource, obj: Object) -> Object:
        """See ``Store.create``."""
        namespace = obj.get("metadata", {}).get("namespace", "")
        if resource.namespaced and not namespace:
            raise BadRequest(f"{resource.kind} has no namespace", "Say which in metadata.namespace.")
        return dict(self._ask("POST", _path(resource, namespace), _whole(resource, obj)))

    def update(self, resource: Resource, obj: Object, *, subresource: str = "") -> Object:
        """See ``Store.update``."""
        meta = obj["metadata"]
        path = _path(resource, meta.get("namespace", ""), meta["name"], subresource)
        return dict(self._ask("PUT", path, _whole(resource, obj)))

    def patch(
        self, resource: Resource, name: str, patch: Object, namespace: str = "", *, subresource: str = ""
    ) -> Object:
        """See ``Store.patch``."""
        path = _path(resource, namespace, name, subresource)
        return dict(self._ask("PATCH", path, patch, "application/merge-patch+json"))

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
        """See ``Store.delete``.  What is gone at once is returned as it was a moment before."""
        last = self.get(resource, name, namespace)
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        if uid:
            options["preconditions"] = {"uid": uid}
        answer = dict(self._ask("DELETE", _path(resource, namespace, name), options))
        return last if answer.get("kind") == "Status" else answer


def _whole(resource: Resource, obj: Object) -> Object:
    return {**obj, "apiVersion": resource.api_version, "kind": resource.kind}


def _path(resource: Resource, namespace: str = "", name: str = "", subresource: str = "") -> str:
    base = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    within = f"/namespaces/{quote(namespace, safe='')}" if resource.namespaced and namespace else ""
    rest = "".join(f"/{quote(one, safe='')}" for one in (name, subresource) if one)
    return f"{base}{within}/{resource.plural}{rest}"


def _query(labels: str, fields: str) -> str:
    asked = {"labelSelector": labels, "fieldSelector": fields}
    text = urlencode({key: value for key, value in asked.items() if value})
    return f"?{text}" if text else ""


class ApiWatch:
    """A watch over HTTP: a thread reads lines, and goes on from the last version when the connection ends."""

    def __init__(self, store: ApiStore, path: str, query: str, since: str, first: list[Event]) -> None:
        self._store, self._path, self._query, self._at = store, path, query, since
        self._version = "" if first else since
        self._told: queue.SimpleQueue[Event | Refused | None] = queue.SimpleQueue()
        for event in first:
            self._told.put(event)
        self._closed = threading.Event()
        self._answer = self._begin()  # here, so that a refusal is raised at once
        self._thread = threading.Thread(target=self._read, name=f"watch {path}", daemon=True)
        self._thread.start()

    def _begin(self) -> _Answer:
        asked = {
            "watch": "true", "allowWatchBookmarks": "true", "resourceVersion": self._at, "timeoutSeconds": str(_WATCH),
        }  # fmt: skip
        answer = self._store._open("GET", f"{self._path}{self._query}{'&' if self._query else '?'}{urlencode(asked)}")
        if answer.response.status >= 400:
            try:
                answer.whole()
            finally:
                answer.close()
        answer.socket.settimeout(None)  # nothing may happen for a long time
        return answer

    def _read(self) -> None:
        while True:
            try:
                for line in self._answer.response:
                    self._hear(json.loads(line))
            except (OSError, ValueError, AttributeError, http.client.HTTPException):  # broken off, by us or by it
                pass
            except Refused as error:
                self._told.put(error)
                return
            finally:
                self._answer.close()
            if not self._go_on():
                return

    def _go_on(self) -> bool:
        """Ask again, until there is an answer or no more need of one."""
        while not self._closed.wait(_AGAIN):
            try:
                self._answer = self._begin()
            except Unreachable:
                continue
            except Refused as error:
                self._told.put(error)
                return False
            if self._closed.is_set():
                self._answer.close()
                return False
            return True
        return False

    def _hear(self, line: Any) -> None:
        if line["type"] == "ERROR":
            raise _refused(line["object"])
        self._at = line["object"]["metadata"]["resourceVersion"]
        if line["type"] != "BOOKMARK":
            self._told.put(Event(line["type"], line["object"]))

    @property
    def resource_version(self) -> str:
        """Everything up to here was told."""
        return self._version

    def next(self, timeout: float | None = None) -> Event | None:
        """The next event, or ``None`` after ``timeout`` seconds or when the watch is closed.  Raises ``Gone``."""
        if self._closed.is_set():
            return None
        try:
            told = self._told.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(told, Refused):
            raise told
        if told is not None:
            self._version = told.object["metadata"]["resourceVersion"]
        return told

    def __iter__(self) -> Iterator[Event]:
        while (event := self.next()) is not None:
            yield event

    def close(self) -> None:
        """End it, also for a thread that waits in it."""
        self._closed.set()
        self._told.put(None)
        self._answer.break_off()
        if threading.current_thread() is not self._thread:
            self._thread.join(_PATIENCE)

    def __enter__(self) -> ApiWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
