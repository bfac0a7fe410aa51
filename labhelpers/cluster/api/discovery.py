"""What there is in this API, for ``kubectl api-resources`` and for kubectl to know what ``po`` means.

Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
"""

from __future__ import annotations

import platform
from typing import Any

from labhelpers.store import DEPLOYMENTS, REPLICASETS, RESOURCES, Object, Resource

__all__ = ["VERSION", "aggregated", "groups", "resources", "version"]

#: the version of the types in ``data/``
VERSION = "1.32.3"
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
#: of a subresource that is an object of another kind: its group, version and kind
_OTHER_KIND = {
    "scale": ("autoscaling", "v1", "Scale"),
    "binding": ("", "v1", "Binding"),
    "exec": ("", "v1", "PodExecOptions"),
    "attach": ("", "v1", "PodAttachOptions"),
    "portforward": ("", "v1", "PodPortForwardOptions"),
}
_SUBRESOURCE_VERBS = {
    "scale": ["get", "patch", "update"], "status": ["get", "patch", "update"], "binding": ["create"], "log": ["get"],
    "exec": ["create", "get"], "attach": ["create", "get"], "portforward": ["create", "get"], "finalize": ["update"],
}  # fmt: skip


def version() -> Object:
    """The answer to ``kubectl version``.  ``gitVersion`` says that it is not Kubernetes' own program."""
    major, minor, _ = VERSION.split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{VERSION}+pod-networking",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "",
        "goVersion": "",
        "compiler": platform.python_implementation(),
        "platform": f"linux/{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine()) }",
    }


def _group_versions() -> list[tuple[str, str]]:
    """Each group with its one version, the core group first."""
    return list(dict.fromkeys(sorted((one.group, one.version) for one in RESOURCES)))


def _group(group: str, version: str) -> Object:
    one = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [one], "preferredVersion": one}


def groups(group: str = "") -> Object | None:
    """``/apis``, or the answer for one group; none if there is no such group."""
    if not group:
        listed = [_group(*one) for one in _group_versions() if one[0]]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
    found = next((one for one in _group_versions() if one[0] == group), None)
    return None if found is None else {"kind": "APIGroup", "apiVersion": "v1", **_group(*found)}


def resources(group: str, version: str) -> Object | None:
    """``/api/v1`` or ``/apis/GROUP/VERSION``; none if there is no such version."""
    here = [one for one in RESOURCES if (one.group, one.version) == (group, version)]
    if not here:
        return None
    listed = []
    for one in sorted(here, key=lambda one: one.plural):
        listed.append(_resource(one))
        listed += [_subresource(one, sub) for sub in one.subresources]
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}


def _resource(one: Resource) -> Object:
    shown: Object = {
        "name": one.plural,
        "singularName": one.kind.lower(),
        "namespaced": one.namespaced,
        "kind": one.kind,
        "verbs": _VERBS,
    }
    if one.short_names:
        shown["shortNames"] = list(one.short_names)
    if one.categories:
        shown["categories"] = list(one.categories)
    return shown


def _subresource(one: Resource, sub: str) -> Object:
    shown: Object = {
        "name": f"{one.plural}/{sub}", "singularName": "", "namespaced": one.namespaced, "kind": one.kind,
        "verbs": _SUBRESOURCE_VERBS[sub],
    }  # fmt: skip
    if sub in _OTHER_KIND:
        group, version, kind = _OTHER_KIND[sub]
        shown["kind"] = kind
        if sub == "scale" and one in (DEPLOYMENTS, REPLICASETS):
            shown.update(group=group, version=version)
    return shown


def aggregated(core: bool) -> Object:
    """All of it in one answer, as kubectl asks since 1.27: ``/api`` has the core group, ``/apis`` the others."""
    items = []
    for group, version in _group_versions():
        if (group == "") is core:
            here = sorted((one for one in RESOURCES if (one.group, one.version) == (group, version)), key=_plural)
            versions = [{"version": version, "resources": [_aggregated(one) for one in here], "freshness": "Current"}]
            items.append({"metadata": {"name": group, "creationTimestamp": None}, "versions": versions})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _plural(one: Resource) -> str:
    return one.plural


def _aggregated(one: Resource) -> Object:
    def kind(group: str, version: str, name: str) -> dict[str, Any]:
        return {"group": group, "version": version, "kind": name}

    shown: Object = {
        "resource": one.plural,
        "responseKind": kind(one.group, one.version, one.kind),
        "scope": "Namespaced" if one.namespaced else "Cluster",
        "singularResource": one.kind.lower(),
        "verbs": _VERBS,
        "subresources": [
            {
                "subresource": sub,
                "responseKind": kind(*_OTHER_KIND.get(sub, (one.group, one.version, one.kind))),
                "verbs": _SUBRESOURCE_VERBS[sub],
            }
            for sub in one.subresources
        ],
    }
    if one.short_names:
        shown["shortNames"] = list(one.short_names)
    if one.categories:
        shown["categories"] = list(one.categories)
    return shown
