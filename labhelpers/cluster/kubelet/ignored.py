"""What a pod's spec asks for and this kubelet does not do.  It is said in an event, because silence would be a promise.

What cannot be left out without changing what the pod is, such as a volume of an unknown kind, is refused where it is
met; here is what is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labhelpers.cluster.kubelet.volumes import has_token

__all__ = ["ignored"]

_OF_POD = {
    "activeDeadlineSeconds": "the pod is not ended by it",
    "ephemeralContainers": "they are not started",
    "readinessGates": "the pod is ready when its containers are",
    "runtimeClassName": "there is one runtime",
    "setHostnameAsFQDN": "the host name is the short one",
    "shareProcessNamespace": "each container sees its own processes only",
}
_OF_PODS_SECURITY = {
    "fsGroup": "volumes belong to root",
    "seLinuxOptions": "there is no SELinux here",
    "seccompProfile": "no system call is filtered",
    "supplementalGroups": "there are no further groups",
    "sysctls": "settings stay as they are",
}
_OF_CONTAINER = {
    "lifecycle": "no hook is called",
    "volumeDevices": "there are no block devices",
}
_OF_CONTAINERS_SECURITY = {
    "appArmorProfile": "there is no AppArmor here",
    "procMount": "it is the default one",
    "seLinuxOptions": "there is no SELinux here",
    "seccompProfile": "no system call is filtered",
}
_ONE_USER = "in this sandbox there is one user, root, and others are only pretended"


def ignored(pod: Mapping[str, Any], *, one_user: bool) -> Iterator[str]:
    """One sentence for each thing.

    Args:
        one_user: the sandbox has no other user id, as an ordinary user's.
    """
    spec = pod["spec"]
    yield from _named("spec", spec, _OF_POD)
    security = spec.get("securityContext") or {}
    yield from _named("spec.securityContext", security, _OF_PODS_SECURITY)
    yield from _user("spec.securityContext", security, one_user)
    for volume in spec.get("volumes") or ():
        if has_token(pod, volume["name"]):
            yield f"spec.volumes{{{volume['name']}}} stays empty: no pod here can reach the API server with its token"
    for key in ("initContainers", "containers"):
        for container in spec.get(key) or ():
            yield from _of_container(f"spec.{key}{{{container['name']}}}", container, key, one_user)


def _of_container(where: str, container: Mapping[str, Any], key: str, one_user: bool) -> Iterator[str]:
    yield from _named(where, container, _OF_CONTAINER)
    limits = (container.get("resources") or {}).get("limits")
    if limits:
        # A cgroup is a folder of the machine that outlasts all its processes: an ordinary user may make none, and what
        # root's sandbox makes would be left behind when all of the sandbox is killed.
        yield f"{where}.resources.limits has no effect: a container may use all of the machine"
    if key == "initContainers" and container.get("restartPolicy") == "Always":
        yield f"{where}.restartPolicy has no effect: the next container starts when this one has ended"
    if container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
        yield f"{where}.terminationMessagePolicy has no effect: the message is what the file says"
    security = container.get("securityContext") or {}
    yield from _named(f"{where}.securityContext", security, _OF_CONTAINERS_SECURITY)
    if security.get("allowPrivilegeEscalation") is False:
        yield f"{where}.securityContext.allowPrivilegeEscalation has no effect: programs keep their set-user bits"
    yield from _user(f"{where}.securityContext", security, one_user)


def _named(where: str, given: Mapping[str, Any], meanings: Mapping[str, str]) -> Iterator[str]:
    for name, meaning in meanings.items():
        if given.get(name):
            yield f"{where}.{name} has no effect: {meaning}"


def _user(where: str, security: Mapping[str, Any], one_user: bool) -> Iterator[str]:
    for name in ("runAsUser", "runAsGroup"):
        if one_user and security.get(name):
            yield f"{where}.{name} has no effect: {_ONE_USER}"
