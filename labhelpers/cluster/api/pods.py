"""The subresources of a pod that its node answers: log, exec, attach, port-forward; and its binding to a node."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from labhelpers.cluster.api.refusals import NoSuchPath
from labhelpers.cluster.api.request import Target, flag
from labhelpers.cluster.api.streams.descriptors import chunks
from labhelpers.cluster.api.streams.port_forward import serve_port_forward
from labhelpers.cluster.api.streams.remote import failure, open_channels, serve
from labhelpers.cluster.node_api import LogQuestion, NodeApi, Session
from labhelpers.errors import BadInput, LabError, NotFound
from labhelpers.store import PODS, BadRequest, Conflict, Object, ObjectNotFound, Refused, Store

__all__ = ["NodeUnreachable", "Nodes", "bind", "pod_subresource"]

Nodes = Mapping[str, NodeApi]


class NodeUnreachable(Refused):
    """The pod's node does not answer."""

    code = 500
    reason = "InternalError"


async def pod_subresource(request: web.Request, store: Store, nodes: Nodes, target: Target) -> web.StreamResponse:
    """Answer ``log``, ``exec``, ``attach`` and ``portforward`` of one pod."""
    pod = store.get(PODS, target.name, target.namespace)
    node = _node_of(pod, nodes)
    if target.subresource == "log":
        return await _log(request, pod, node)
    if target.subresource == "portforward":
        if (pod.get("status") or {}).get("phase") != "Running":
            raise BadRequest(f"unable to forward port because pod is not running: {target.name}", "Wait until it is.")
        return await serve_port_forward(request, lambda port: node.port_forward(pod, port))
    if target.subresource in ("exec", "attach"):
        return await _remote(request, pod, node, target.subresource)
    raise NoSuchPath("the server could not find the requested resource", "See kubectl api-resources.")


def _node_of(pod: Object, nodes: Nodes) -> NodeApi:
    name = pod["spec"].get("nodeName", "")
    if not name:
        raise BadRequest(f"pod {pod['metadata']['name']} does not have a host assigned", "Wait until it is scheduled.")
    if name not in nodes:
        raise NodeUnreachable(f'the kubelet of the node "{name}" does not answer', "See kubectl get nodes.")
    return nodes[name]


def _container(pod: Object, asked: str) -> str:
    """The container meant: the one asked for, the annotated one, or the only one."""
    meta, spec = pod["metadata"], pod["spec"]
    names = [one["name"] for one in (*(spec.get("initContainers") or ()), *spec["containers"])]
    if asked:
        if asked not in names:
            raise BadRequest(f"container {asked} is not valid for pod {meta['name']}", f"It has {', '.join(names)}.")
        return asked
    if len(spec["containers"]) == 1:
        return str(spec["containers"][0]["name"])
    annotated = (meta.get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    if annotated in names:
        return str(annotated)
    raise BadRequest(
        f"a container name must be specified for pod {meta['name']}, choose one of: [{' '.join(names)}]",
        "Name it with -c.",
    )


async def _on_node(call: Callable[[], Any]) -> Any:
    """Ask the node in a thread, and say what it refuses as the API does."""
    try:
        return await asyncio.get_running_loop().run_in_executor(None, call)
    except Refused:
        raise
    except NotFound as error:
        raise ObjectNotFound(error.what, error.to_do) from None
    except LabError as error:
        raise BadRequest(error.what, error.to_do) from None


async def _log(request: web.Request, pod: Object, node: NodeApi) -> web.StreamResponse:
    query = request.query
    try:
        question = LogQuestion(
            container=_container(pod, query.get("container", "")),
            follow=flag(query, "follow"),
            previous=flag(query, "previous"),
            timestamps=flag(query, "timestamps"),
            since_time=query.get("sinceTime", ""),
            since_seconds=float(query["sinceSeconds"]) if "sinceSeconds" in query else None,
            tail_lines=int(query["tailLines"]) if "tailLines" in query else None,
            limit_bytes=int(query["limitBytes"]) if "limitBytes" in query else None,
        )
    except ValueError as error:
        raise BadRequest(f"invalid log options: {error}", "Write whole numbers.") from None
    descriptor: int = await _on_node(lambda: node.logs(pod, question))
    try:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        async for data in chunks(descriptor):
            await response.write(data)
    except ConnectionError:  # the client has seen enough
        pass
    finally:
        os.close(descriptor)
    return response


async def _remote(request: web.Request, pod: Object, node: NodeApi, what: str) -> web.StreamResponse:
    query = request.query
    container = _container(pod, query.get("container", ""))
    wanted = {one for one in ("stdin", "stdout", "stderr") if flag(query, one)}
    tty = flag(query, "tty")
    if tty:
        wanted.discard("stderr")
    if not wanted:
        raise BadRequest("you must specify at least 1 of stdin, stdout, stderr", "Use kubectl exec.")
    streams = {"stdin": "stdin" in wanted, "stdout": "stdout" in wanted, "stderr": "stderr" in wanted, "tty": tty}
    command = query.getall("command", [])
    if what == "exec" and not command:
        raise BadRequest("you must specify at least one command for the container", "Write it after --.")

    def start() -> Session:
        if what == "exec":
            return node.exec(pod, container, command, **streams)
        return node.attach(pod, container, **streams)

    try:
        session: Session = await asyncio.get_running_loop().run_in_executor(None, start)
    except NotFound as error:
        raise ObjectNotFound(error.what, error.to_do) from None
    except BadInput as error:  # told inside the channels, as a real kubelet does
        channels = await open_channels(request, wanted)
        return await channels.finish(failure(error.what))
    try:
        channels = await open_channels(request, wanted)
    except BaseException:
        session.close()
        raise
    return await serve(session, channels)


def bind(store: Store, target: Target, sent: Any) -> Object:
    """Write into a pod on which node it runs: what a scheduler does."""
    node = ((sent if isinstance(sent, dict) else {}).get("target") or {}).get("name")
    if not node:
        raise BadRequest("a Binding names its node in target.name", "Say which node.")
    pod = store.get(PODS, target.name, target.namespace)
    if pod["spec"].get("nodeName"):
        raise Conflict(
            f'Operation cannot be fulfilled on pods/binding "{target.name}": pod {target.name} is already assigned to '
            f'node "{pod["spec"]["nodeName"]}"'
        )
    pod["spec"]["nodeName"] = node
    store.update(PODS, pod)
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
