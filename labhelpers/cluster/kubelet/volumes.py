"""Volumes: folders of the node that a pod's containers see.

There are emptyDir, hostPath, configMap and downwardAPI.  Everything else is refused in words, and the pod waits; but a
real API server gives each pod a volume with a token for itself, which no pod here could use: that one stays empty.

Source: https://kubernetes.io/docs/concepts/storage/volumes/.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from labhelpers.errors import LabError
from labhelpers.linux.container.spec import Mount

__all__ = ["CannotMount", "has_token", "mounts", "prepare", "refresh"]

#: where the service account's token is mounted
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
_KINDS = ("emptyDir", "hostPath", "configMap", "downwardAPI")
_MAKES = {"DirectoryOrCreate": os.makedirs, "FileOrCreate": lambda path: Path(path).touch()}
_IS = {"Directory": os.path.isdir, "File": os.path.isfile, "Socket": os.path.exists}


class CannotMount(LabError):
    """A volume that cannot be set up: the event ``FailedMount``."""


def prepare(
    pod: Mapping[str, Any],
    root: str,
    folder: str,
    field: Callable[[str], str],
    config_map: Callable[[str], Mapping[str, str] | None],
) -> dict[str, str]:
    """Make the pod's volumes on the node.

    Args:
        root: the node's file system, as seen from here.
        folder: where, on the node.

    Returns:
        the path on the node of each volume by name.

    Raises:
        CannotMount.
    """
    found = {}
    for volume in pod["spec"].get("volumes") or ():
        name = volume["name"]
        kind = next((key for key in volume if key != "name" and volume[key] is not None), "emptyDir")
        if has_token(pod, name):
            volume, kind = {}, "emptyDir"
        if kind not in _KINDS:
            raise CannotMount(
                f'MountVolume.SetUp failed for volume "{name}" : {kind} is not implemented in this cluster',
                f"Use {', '.join(_KINDS)}.",
            )
        source = volume.get(kind) or {}
        if kind == "hostPath":
            found[name] = _host_path(name, source, root)
            continue
        place = found[name] = f"{folder}/volumes/kubernetes.io~{kind.lower()}/{name}"
        os.makedirs(f"{root}{place}", exist_ok=True)
        if kind == "configMap":
            _write(f"{root}{place}", _keys(name, source, config_map), source)
        elif kind == "downwardAPI":
            items = {one["path"]: field(one["fieldRef"]["fieldPath"]) for one in source.get("items") or ()}
            _write(f"{root}{place}", items, source)
    return found


def has_token(pod: Mapping[str, Any], name: str) -> bool:
    """Is this the volume with the token of the pod's service account?  By its place: nothing else is ever put there."""
    containers = (one for key in ("initContainers", "containers") for one in pod["spec"].get(key) or ())
    mounted = {one["mountPath"] for each in containers for one in each.get("volumeMounts") or () if one["name"] == name}
    return mounted == {_TOKEN}


def refresh(
    pod: Mapping[str, Any],
    root: str,
    places: Mapping[str, str],
    config_map: Callable[[str], Mapping[str, str] | None],
) -> None:
    """Bring the files of ConfigMaps up to date.  One that was deleted since leaves its files, as on a real node.

    Args:
        places: the path on the node of each volume by name.

    Raises:
        CannotMount: a key that is wanted is not there any more.
    """
    for volume in pod["spec"].get("volumes") or ():
        source = volume.get("configMap")
        if source is None or config_map(source["name"]) is None:
            continue
        folder = f"{root}{places[volume['name']]}"
        files = _keys(volume["name"], source, config_map)
        _write(folder, files, source)
        for path in Path(folder).rglob("*"):
            if path.is_file() and str(path.relative_to(folder)) not in files:
                path.unlink()


def _host_path(name: str, source: Mapping[str, Any], root: str) -> str:
    path, kind = str(source["path"]), source.get("type") or ""
    here = f"{root}{path}"
    if kind in _MAKES and not os.path.lexists(here):
        _MAKES[kind](here)
    if not (_IS[kind](here) if kind in _IS else os.path.lexists(here)):
        raise CannotMount(
            f'MountVolume.SetUp failed for volume "{name}" : hostPath type check failed: {path} is not a '
            f"{kind.lower() or 'file or directory'}",
            "Look with `minikube ssh`.",
        )
    return path


def _keys(
    name: str, source: Mapping[str, Any], config_map: Callable[[str], Mapping[str, str] | None]
) -> dict[str, str]:
    data = config_map(source["name"])
    if data is None:
        if source.get("optional"):
            return {}
        raise CannotMount(
            f'MountVolume.SetUp failed for volume "{name}" : configmap "{source["name"]}" not found', "Create it."
        )
    if not source.get("items"):
        return dict(data)
    missing = [one["key"] for one in source["items"] if one["key"] not in data]
    if missing and not source.get("optional"):
        raise CannotMount(
            f'MountVolume.SetUp failed for volume "{name}" : configmap references non-existent config key: '
            f"{missing[0]}",
            "Add it.",
        )
    return {one["path"]: data[one["key"]] for one in source["items"] if one["key"] in data}


def _write(folder: str, files: Mapping[str, str], source: Mapping[str, Any]) -> None:
    for name, text in files.items():
        path = Path(folder, name)
        if ".." in path.parts or not path.is_relative_to(folder):
            raise CannotMount(f"a path of a volume leads out of it: {name}", "Leave '..' out of it.")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and path.read_text() == text:
            continue
        draft = path.with_name(f".{path.name}.new")  # nobody is to read half of it
        draft.write_text(text)
        draft.chmod(int(source.get("defaultMode") or 0o644))
        draft.replace(path)


def mounts(container: Mapping[str, Any], volumes: Mapping[str, str], root: str) -> list[Mount]:
    """Which of the volumes a container sees, and where."""
    found = []
    for one in container.get("volumeMounts") or ():
        source = volumes[one["name"]]
        if sub := one.get("subPath"):
            if ".." in sub.split("/"):
                raise CannotMount(f"subPath {sub!r} leads out of the volume", "Leave '..' out of it.")
            _require_no_link(f"{root}{source}", sub)
            source = f"{source}/{sub}"
            if not os.path.lexists(f"{root}{source}"):
                os.makedirs(f"{root}{source}")
        # who could replace the files of a ConfigMap by links could make the kubelet write where these lead
        kept = any(f"/kubernetes.io~{kind}/" in volumes[one["name"]] for kind in ("configmap", "downwardapi"))
        found.append(Mount(source, one["mountPath"], kept or bool(one.get("readOnly"))))
    return found


def _require_no_link(volume: str, sub: str) -> None:
    """A container may have put links into a volume that lead out of it, to the node; so none is followed."""
    path = Path(volume)
    for part in Path(sub).parts:
        path /= part
        if path.is_symlink():
            raise CannotMount(f"subPath {sub!r} leads through a link", "Name the folder itself.")
