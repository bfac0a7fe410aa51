"""OpenAPI documents, made from the types: ``kubectl explain`` and ``kubectl apply`` read them.

Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-interface-definition
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache

from labhelpers.cluster.api.discovery import VERSION
from labhelpers.cluster.api.types import DATA, Field, fields_of, is_type, raw_fields, type_of
from labhelpers.store import RESOURCES, Object, Resource

__all__ = ["definitions", "document", "index", "operations"]

_SCALARS: Mapping[str, Object] = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "double": {"type": "number", "format": "double"},
    "byte": {"type": "string", "format": "byte"},
    "time": {"type": "string", "format": "date-time"},
    "microtime": {"type": "string", "format": "date-time"},
    "duration": {"type": "string"},
    "quantity": {"type": "string", "description": "Quantity is a fixed-point representation of a number."},
    "int-or-string": {"type": "string", "format": "int-or-string"},
    "any": {"type": "object"},
    "strings": {"type": "array", "items": {"type": "string"}},
}


@cache
def _texts() -> Mapping[str, Mapping[str, str]]:
    with (DATA / "texts.json").open(encoding="utf-8") as file:
        texts: Mapping[str, Mapping[str, str]] = json.load(file)["texts"]
    return texts


def definitions(group: str | None = None, *, refs: str = "#/definitions/") -> dict[str, Object]:
    """The schemas of all kinds, or of one group's, with everything they refer to."""
    todo = [type_of(one.api_version, one.kind) for one in RESOURCES if group in (None, one.group)]
    found: dict[str, Object] = {}
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = _schema(name, refs)
            todo += [one.type for one in fields_of(name).values() if is_type(one.type)]
    for one in RESOURCES:
        if group in (None, one.group):
            kind = {"group": one.group, "kind": one.kind, "version": one.version}
            found[type_of(one.api_version, one.kind)]["x-kubernetes-group-version-kind"] = [kind]
    return dict(sorted(found.items()))


def _schema(name: str, refs: str) -> Object:
    texts = _texts()[name]
    schema: Object = {"description": texts[""], "type": "object", "properties": {}}
    for one in fields_of(name).values():
        schema["properties"][one.name] = _property(one, _text_of(name, one), refs)
    if required := [one.name for one in fields_of(name).values() if one.required]:
        schema["required"] = required
    return schema


def _text_of(name: str, one: Field) -> str:
    """A field's text: under the type it is written in, or under one that is inlined there."""
    texts = _texts()
    if one.name in texts[name]:
        return texts[name][one.name]
    return next((texts[other][one.name] for other in _inlined(name) if one.name in texts[other]), "")


def _inlined(name: str) -> Iterator[str]:
    for one in raw_fields(name):
        if one.inline:
            yield one.type
            yield from _inlined(one.type)


def _property(one: Field, text: str, refs: str) -> Object:
    inner: Object = {"$ref": refs + one.type} if is_type(one.type) else dict(_SCALARS[one.type])
    made: Object = {"description": text} if text else {}
    if one.shape == "list":
        made.update(type="array", items=inner)
    elif one.shape == "map":
        made.update(type="object", additionalProperties=inner)
    elif "components" in refs and "$ref" in inner:  # what stands beside a $ref is ignored in OpenAPI 3.0
        made.update(allOf=[inner], default={})
    else:
        made = {**inner, **made}
    if one.merge:
        made["x-kubernetes-patch-merge-key"] = one.merge
    if one.strategy:
        made["x-kubernetes-patch-strategy"] = one.strategy
    return made


def _base(one: Resource) -> str:
    return (f"/apis/{one.group}/{one.version}" if one.group else f"/api/{one.version}") + (
        "/namespaces/{namespace}" if one.namespaced else ""
    )


def operations(group: str | None = None) -> dict[str, dict[str, tuple[str, Resource]]]:
    """Path, method, and what it does to which kind.  From them kubectl reads which queries a kind understands."""
    paths: dict[str, dict[str, tuple[str, Resource]]] = {}
    for one in RESOURCES:
        if group in (None, one.group):
            paths[f"{_base(one)}/{one.plural}"] = {"get": ("list", one), "post": ("post", one)}
            item = {"get": "get", "put": "put", "patch": "patch", "delete": "delete"}
            paths[f"{_base(one)}/{one.plural}/{{name}}"] = {method: (what, one) for method, what in item.items()}
    return paths


def index() -> Object:
    """``/openapi/v3``: where the document of each group is."""
    paths = {}
    for one in RESOURCES:
        path = f"apis/{one.group}/{one.version}" if one.group else f"api/{one.version}"
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={VERSION}"}
    return {"paths": paths}


@cache
def document(path: str) -> bytes | None:
    """The OpenAPI v3 document at ``api/v1`` or ``apis/GROUP/VERSION``; none if there is none."""
    if path not in index()["paths"]:
        return None
    group = path.split("/")[1] if path.startswith("apis/") else ""
    refs = "#/components/schemas/"
    paths: Object = {}
    for where, methods in operations(group).items():
        paths[where] = {method: _operation(what, one, refs) for method, (what, one) in methods.items()}
    made = {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": f"v{VERSION}"},
        "paths": paths,
        "components": {"schemas": definitions(group, refs=refs)},
    }
    return json.dumps(made, separators=(",", ":")).encode()


def _operation(what: str, one: Resource, refs: str) -> Object:
    content = {"application/json": {"schema": {"$ref": refs + type_of(one.api_version, one.kind)}}}
    made: Object = {
        "operationId": f"{what}{one.group}{one.version}{one.kind}",
        "x-kubernetes-action": what,
        "x-kubernetes-group-version-kind": {"group": one.group, "kind": one.kind, "version": one.version},
        "responses": {"200": {"description": "OK", "content": content}},
    }
    if what in ("post", "put", "patch"):
        made["parameters"] = [
            {"name": name, "in": "query", "schema": {"type": "string"}}
            for name in ("dryRun", "fieldManager", "fieldValidation")
        ]
    return made
