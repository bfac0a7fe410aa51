"""What a request means: the object it is about, its body, the form of the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from labhelpers.cluster.api.protobuf import read_protobuf
from labhelpers.cluster.api.refusals import NoSuchPath, NotAcceptable, TooLarge, UnsupportedBody
from labhelpers.store import NAMESPACES, RESOURCES, BadRequest, Resource

__all__ = ["LARGEST_BODY", "Target", "answer_form", "body_of", "flag", "target_of"]

LARGEST_BODY = 3 * 1024 * 1024  # as the real API server has it

_WORD = re.compile(r"[a-z0-9.-]{1,100}")
_BY_PATH = {(one.group, one.version, one.plural): one for one in RESOURCES}


@dataclass(frozen=True, slots=True)
class Target:
    """Kind, namespace, name and subresource of a path; what the path does not say is empty."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def target_of(path: str) -> Target:
    """Read ``/api/v1/namespaces/default/pods/web/log`` and its like.

    Raises:
        NoSuchPath: there is nothing of this kind here.
    """
    group, version, *rest = _split(path)
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2 and (group or rest[2] not in NAMESPACES.subresources):
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource, *more = [*rest, "", "", ""]
    resource = _BY_PATH.get((group, version, plural))
    if any(more) or "" in rest:
        raise _nothing()
    if resource is None:
        kind = f"{plural}.{group}" if group else plural
        raise _nothing(f": this cluster has no {kind}" if _WORD.fullmatch(kind) else "")
    if namespace and not resource.namespaced:
        raise _nothing()
    if subresource and subresource not in resource.subresources:
        raise _nothing(f": {plural} have no {subresource} in this cluster" if _WORD.fullmatch(subresource) else "")
    return Target(resource, namespace, name, subresource)


def _nothing(more: str = "") -> NoSuchPath:
    return NoSuchPath(
        f"the server could not find the requested resource{more}", "See kubectl api-resources for what is here."
    )


def _split(path: str) -> list[str]:
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        return ["", *parts[1:]]
    if parts[0] == "apis" and len(parts) > 3:
        return parts[1:]
    raise _nothing()


async def body_of(request: web.Request) -> Any:
    """The body as JSON values; an empty one is an empty object.

    Raises:
        BadRequest, UnsupportedBody, TooLarge.
    """
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise TooLarge(f"Request entity too large: limit is {LARGEST_BODY}", "Send a smaller object.") from None
    if not raw:
        return {}
    if "protobuf" in request.content_type:
        return read_protobuf(raw)
    if "json" not in request.content_type and request.content_type != "application/octet-stream":
        raise UnsupportedBody(
            f"the body of the request was in an unknown format - accepted media types include: application/json, "
            f"application/vnd.kubernetes.protobuf; it is {request.content_type}",
            "Send JSON.",
        )
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body of the request is no JSON: {error}", "Correct it and send it again.") from None


def answer_form(accept: list[str]) -> str:
    """``Table``, ``PartialObjectMetadata``, ``PartialObjectMetadataList`` or nothing for plain JSON.

    Raises:
        NotAcceptable: the client reads none of what is spoken here.
    """
    offered = [one.strip() for header in accept for one in header.split(",") if one.strip()]
    for one in offered or ["*/*"]:
        media, *rest = (part.strip() for part in one.split(";"))
        parameters = dict(part.split("=", 1) for part in rest if "=" in part)
        if media in ("application/json", "application/*", "*/*"):
            wanted = parameters.get("as", "")
            if not wanted:
                return ""
            if (
                wanted in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
                and parameters.get("v") == "v1"
            ):
                return wanted
    raise NotAcceptable("only the following media types are accepted: application/json", "Ask for application/json.")


def flag(query: Mapping[str, str], name: str) -> bool:
    """Is this set in the query?"""
    return query.get(name, "").lower() in ("true", "1")
