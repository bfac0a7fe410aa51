"""What a container is started with: its environment and its command, with ``$(NAME)`` filled in.

Source: https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/ and
https://github.com/kubernetes/kubernetes/blob/master/third_party/forked/golang/expansion/expand.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labhelpers.cluster.images import Image
from labhelpers.errors import LabError

__all__ = ["PATH", "CannotConfigure", "command", "environment", "expanded", "field_of"]

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: the text, the reference and ``$$``, which is a plain ``$``
_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")


class CannotConfigure(LabError):
    """A container's configuration refers to what is not there: ``CreateContainerConfigError``."""


def expanded(text: str, values: Mapping[str, str]) -> str:
    """Fill in ``$(NAME)``; an unknown name stays as it is written, and ``$$(NAME)`` becomes ``$(NAME)``."""

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return values.get(match[1], match[0])

    return _REFERENCE.sub(replace, text)


def command(container: Mapping[str, Any], image: Image, values: Mapping[str, str]) -> list[str]:
    """What is started: ``command`` replaces the image's entrypoint and its arguments, ``args`` only these.

    Raises:
        CannotConfigure: neither the image nor the pod names a program.
    """
    entrypoint, cmd = image.command
    own = [expanded(one, values) for one in container.get("command") or ()]
    args = [expanded(one, values) for one in container.get("args") or ()]
    whole = [*(own or entrypoint), *(args or (() if own else cmd))]
    if not whole:
        raise CannotConfigure("no command specified", "Name one after --command --.")
    return whole


def environment(
    container: Mapping[str, Any], field: Callable[[str], str], config_map: Callable[[str], Mapping[str, str] | None]
) -> dict[str, str]:
    """The variables that the pod asks for, in its order.

    Args:
        field: the value of a ``fieldRef``.
        config_map: the data of a ConfigMap of the pod's namespace, ``None`` if there is none.

    Raises:
        CannotConfigure: with Kubernetes' own words.
    """
    found: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        reference = source.get("configMapRef")
        if reference is None:
            raise CannotConfigure("secrets are not implemented in this cluster", "Use a ConfigMap.")
        data = config_map(reference["name"])
        if data is None and not reference.get("optional"):
            raise CannotConfigure(f'configmap "{reference["name"]}" not found', "Create it.")
        found |= {f"{source.get('prefix', '')}{key}": value for key, value in (data or {}).items()}
    for one in container.get("env") or ():
        value = _value(one, found, field, config_map)
        if value is not None:
            found[one["name"]] = value
    return found


def _value(
    one: Mapping[str, Any],
    before: Mapping[str, str],
    field: Callable[[str], str],
    config_map: Callable[[str], Mapping[str, str] | None],
) -> str | None:
    source = one.get("valueFrom")
    if not source:
        return expanded(one.get("value", ""), before)
    if "fieldRef" in source:
        return field(source["fieldRef"]["fieldPath"])
    if "configMapKeyRef" not in source:
        kind = next(iter(source), "valueFrom")
        raise CannotConfigure(f"{kind} is not implemented in this cluster", "Use a fieldRef or a configMapKeyRef.")
    reference = source["configMapKeyRef"]
    data = config_map(reference["name"])
    if data is not None and reference["key"] in data:
        return data[reference["key"]]
    if reference.get("optional"):
        return None
    if data is None:
        raise CannotConfigure(f'configmap "{reference["name"]}" not found', "Create it.")
    raise CannotConfigure(f"couldn't find key {reference['key']} in ConfigMap", "Add it.")


def field_of(pod: Mapping[str, Any], status: Mapping[str, str]) -> Callable[[str], str]:
    """The values of ``fieldRef``: of the pod itself, and of what is known of it (``status.podIP`` …).

    The function raises ``CannotConfigure`` for a field that has none.
    """

    def field(path: str) -> str:
        if match := re.fullmatch(r"metadata\.(labels|annotations)\['(.*)'\]", path):
            return str((pod["metadata"].get(match[1]) or {}).get(match[2], ""))
        if path in status:
            return status[path]
        parts: Sequence[str] = path.split(".")
        value: Any = pod
        for part in parts:
            value = value.get(part) if isinstance(value, Mapping) else None
        if not isinstance(value, str):
            raise CannotConfigure(f"unsupported fieldPath: {path}", "Use metadata.name, spec.nodeName, status.podIP …")
        return value

    return field
