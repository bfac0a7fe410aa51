"""The HTTP side: who may ask, which path means what, and every refusal as a ``Status``."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from labhelpers.cluster.api import discovery, openapi, verbs
from labhelpers.cluster.api.openapi_v2 import document_v2
from labhelpers.cluster.api.paging import Page, page_of
from labhelpers.cluster.api.pods import Nodes, bind, pod_subresource
from labhelpers.cluster.api.printing import table
from labhelpers.cluster.api.refusals import MethodNotAllowed, NoSuchPath, Unauthorized
from labhelpers.cluster.api.request import LARGEST_BODY, Target, answer_form, body_of, flag, target_of
from labhelpers.cluster.api.watching import Pulse, stream_watch
from labhelpers.store import MemoryStore, Object, Refused

__all__ = ["ApiServer"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ApiServer:
    """The API over a store.  ``application()`` is what aiohttp serves.

    Args:
        nodes: each node's kubelet by name; looked at with each request, so that nodes may come and go.
        token: what a client must send; none: everybody may ask (tests).
    """

    def __init__(self, store: MemoryStore, nodes: Nodes, *, token: str = "") -> None:
        self._store, self._nodes, self._token = store, nodes, token
        self._pulse: Pulse | None = None
        #: the tasks of answers that go on until somebody ends them
        self._lasting: set[asyncio.Task[Any]] = set()

    def application(self) -> web.Application:
        """The application, to be run in this event loop."""
        app = web.Application(middlewares=[self._guard], client_max_size=LARGEST_BODY)
        add = app.router.add_get
        for path in ("/version", "/version/"):
            add(path, self._version)
        for path in ("/livez", "/readyz", "/healthz"):
            add(path, self._healthy)
        add("/api", self._core)
        add("/apis", self._groups)
        add("/apis/{group}", self._groups)
        add("/api/{version}", self._resources)
        add("/apis/{group}/{version}", self._resources)
        add("/openapi/v2", self._openapi_v2)
        add("/openapi/v3", self._openapi_v3_index)
        add("/openapi/v3/{path:.+}", self._openapi_v3)
        add("/pod-networking/store", self._dump)
        app.router.add_post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", self._may_i)
        app.router.add_route("*", "/{path:api/.+|apis/.+}", self._object)
        app.on_startup.append(self._start)
        app.on_shutdown.append(self._end_lasting)
        app.on_shutdown.append(self._stop)  # before connections are waited for: a watch would last for an hour
        return app

    async def _start(self, _: web.Application) -> None:
        self._pulse = Pulse(self._store)

    async def _end_lasting(self, _: web.Application) -> None:
        """End logs that are followed, exec and port-forward: aiohttp would wait for them to end by themselves."""
        for task in self._lasting:
            task.cancel()
        await asyncio.gather(*self._lasting, return_exceptions=True)

    async def _lasts(self, answer: Awaitable[web.StreamResponse]) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._lasting.add(task)
        try:
            return await answer
        finally:
            self._lasting.discard(task)

    async def _stop(self, _: web.Application) -> None:
        if self._pulse is not None:
            self._pulse.close()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Ask for the token, and turn what is refused into a ``Status``."""
        try:
            self._require_token(request)
            return await handler(request)
        except Refused as error:
            return _json(error.status(), error.code)
        except web.HTTPNotFound:
            missing = NoSuchPath("the server could not find the requested resource")
            return _json(missing.status(), missing.code)
        except web.HTTPMethodNotAllowed:
            return _json(_not_allowed().status(), 405)

    def _require_token(self, request: web.Request) -> None:
        if not self._token:
            return
        sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(sent.encode(), self._token.encode()):
            raise Unauthorized("Unauthorized", "Use the kubeconfig that the cluster wrote.")

    # ---- what the API is ---------------------------------------------------------------------------------

    async def _version(self, _: web.Request) -> web.Response:
        return await _answer(discovery.version())

    async def _healthy(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _dump(self, _: web.Request) -> web.Response:
        """Everything in the store: no path of Kubernetes', but what ``Cluster.save`` asks for."""
        return _json(self._store.dump())

    async def _may_i(self, request: web.Request) -> web.Response:
        """``kubectl auth can-i``: there is one user, who may do everything, and no RBAC."""
        sent = await body_of(request)
        spec = sent.get("spec", {}) if isinstance(sent, dict) else {}
        review = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1"}
        return _json({**review, "metadata": {}, "spec": spec, "status": {"allowed": True}}, 201)

    async def _core(self, request: web.Request) -> web.Response:
        if _wants_aggregated(request):
            return _aggregated(discovery.aggregated(core=True))
        return await _answer({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})

    async def _groups(self, request: web.Request) -> web.Response:
        group = request.match_info.get("group", "")
        if not group and _wants_aggregated(request):
            return _aggregated(discovery.aggregated(core=False))
        return await _answer(discovery.groups(group))

    async def _resources(self, request: web.Request) -> web.Response:
        return await _answer(discovery.resources(request.match_info.get("group", ""), request.match_info["version"]))

    async def _openapi_v2(self, _: web.Request) -> web.Response:
        # kubectl 1.20 cannot read the media type's real name, which has an @ in it
        return web.Response(body=document_v2(), content_type="application/octet-stream")

    async def _openapi_v3_index(self, _: web.Request) -> web.Response:
        return await _answer(openapi.index())

    async def _openapi_v3(self, request: web.Request) -> web.Response:
        document = openapi.document(request.match_info["path"])
        if document is None:
            raise NoSuchPath("the server could not find the requested resource")
        return web.Response(body=document, content_type="application/json")

    # ---- objects -----------------------------------------------------------------------------------------

    async def _object(self, request: web.Request) -> web.StreamResponse:
        target = target_of(request.path)
        if target.subresource:
            return await self._subresource(request, target)
        if flag(request.query, "watch") and request.method == "GET":
            assert self._pulse is not None
            return await stream_watch(request, self._store, self._pulse, target)  # the pulse ends it
        return await (self._one(request, target) if target.name else self._many(request, target))

    async def _many(self, request: web.Request, target: Target) -> web.Response:
        query = request.query
        if request.method == "GET":
            return self._list(request, target, page_of(self._store, target, query))
        if request.method == "POST" and (target.namespace or not target.resource.namespaced):
            sent = await body_of(request)
            obj, warnings = verbs.create(self._store, target, sent, **_write_options(request))
            return self._show(request, target, obj, warnings, 201)
        if request.method == "DELETE":
            options = await _delete_options(request)
            labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
            deleted = verbs.delete_collection(self._store, target, labels, fields, options)
            return self._list(request, target, Page(deleted, {"resourceVersion": self._store.resource_version}))
        raise _not_allowed()

    async def _one(self, request: web.Request, target: Target) -> web.Response:
        if request.method == "GET":
            return self._show(request, target, self._store.get(target.resource, target.name, target.namespace))
        if request.method == "DELETE":
            return _json(verbs.delete(self._store, target, await _delete_options(request)))
        return await self._write(request, target)

    async def _write(self, request: web.Request, target: Target) -> web.Response:
        if request.method == "PUT":
            obj, warnings = verbs.update(self._store, target, await body_of(request), **_write_options(request))
        elif request.method == "PATCH":
            media = request.content_type
            sent = {} if "apply" in media else await body_of(request)
            obj, warnings = verbs.patch(self._store, target, media, sent, **_write_options(request))
        else:
            raise _not_allowed()
        return self._show(request, target, obj, warnings)

    async def _subresource(self, request: web.Request, target: Target) -> web.StreamResponse:
        name = target.subresource
        if name in ("log", "exec", "attach", "portforward"):
            return await self._lasts(pod_subresource(request, self._store, self._nodes, target))
        if name == "binding" and request.method == "POST":
            return _json(bind(self._store, target, await body_of(request)), 201)
        if name in ("status", "scale") and request.method == "GET":
            obj = self._store.get(target.resource, target.name, target.namespace)
            return _json(verbs.scale_of(obj)) if name == "scale" else self._show(request, target, obj)
        if name in ("status", "finalize"):
            return await self._write(request, target)
        if name == "scale" and request.method in ("PUT", "PATCH"):
            media = request.content_type if request.method == "PATCH" else "application/json"
            dry_run = _write_options(request)["dry_run"]
            return _json(verbs.set_scale(self._store, target, media, await body_of(request), dry_run=dry_run))
        raise _not_allowed()

    # ---- answers -----------------------------------------------------------------------------------------

    def _show(
        self, request: web.Request, target: Target, obj: Object, warnings: list[str] | None = None, status: int = 200
    ) -> web.Response:
        form = answer_form(request.headers.getall("Accept", []))
        if form == "Table":
            obj = self._table(request, target, [obj], obj["metadata"].get("resourceVersion", ""))
        elif form:
            obj = {**obj, "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
            obj = {key: obj[key] for key in ("kind", "apiVersion", "metadata")}
        answer = _json(obj, status)
        for text in warnings or ():
            quoted = text.replace("\\", "\\\\").replace('"', '\\"')
            answer.headers.add("Warning", f'299 - "{quoted}"')
        return answer

    def _list(self, request: web.Request, target: Target, page: Page) -> web.Response:
        form, items = answer_form(request.headers.getall("Accept", [])), page.items
        if form == "Table":
            return _json({**self._table(request, target, items, page.version), "metadata": page.meta})
        kind, api_version = f"{target.resource.kind}List", target.resource.api_version
        if form:
            kind, api_version = "PartialObjectMetadataList", "meta.k8s.io/v1"
            items = [{"metadata": one["metadata"]} for one in items]
        for one in items:  # the list's own kind says what they are
            one.pop("kind", None)
            one.pop("apiVersion", None)
        return _json({"kind": kind, "apiVersion": api_version, "metadata": page.meta, "items": items})

    def _table(self, request: web.Request, target: Target, items: list[Object], version: str) -> Object:
        include = request.query.get("includeObject", "Metadata")
        return table(target.resource, items, version, time.time(), include)


def _json(obj: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=json.dumps(obj, separators=(",", ":")).encode(), status=status, content_type="application/json"
    )


async def _answer(obj: Object | None) -> web.Response:
    if obj is None:
        raise NoSuchPath("the server could not find the requested resource")
    return _json(obj)


def _not_allowed() -> MethodNotAllowed:
    return MethodNotAllowed(
        "the server does not allow this method on the requested resource", "See kubectl api-resources."
    )


def _wants_aggregated(request: web.Request) -> bool:
    return any(
        "as=APIGroupDiscoveryList" in one and "v=v2;" in f"{one.replace(',', ';')};"
        for one in request.headers.getall("Accept", [])
    )


def _aggregated(obj: Object) -> web.Response:
    answer = _json(obj)
    answer.headers["Content-Type"] = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    return answer


def _write_options(request: web.Request) -> dict[str, Any]:
    validation = request.query.get("fieldValidation", "Warn")
    return {"validation": validation, "dry_run": "All" in request.query.getall("dryRun", [])}


async def _delete_options(request: web.Request) -> Any:
    """The options of a delete: in the body, and for what is not there in the query."""
    sent = await body_of(request)
    options = dict(sent) if isinstance(sent, dict) else {}
    query = request.query
    if query.get("gracePeriodSeconds", "").lstrip("-").isdecimal():
        options.setdefault("gracePeriodSeconds", int(query["gracePeriodSeconds"]))
    if "propagationPolicy" in query:
        options.setdefault("propagationPolicy", query["propagationPolicy"])
    if "dryRun" in query:
        options.setdefault("dryRun", query.getall("dryRun"))
    return options
