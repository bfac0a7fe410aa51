"""The kernel's side of a main plugin: the cable between a container and its node, made, looked at, taken away."""

from __future__ import annotations

import importlib

from labhelpers.cni.plugin.kernel import Place, container, fixed_mac, fixed_name, node
from labhelpers.cni.plugin.skeleton import PluginError
from labhelpers.errors import AlreadyExists, NotFound
from labhelpers.linux import link, veth

TYPE_CHECKING = False  # from typing it would cost a millisecond
if TYPE_CHECKING:
    from typing import Any

    from labhelpers.cni.plugin.delegate import Delegated
    from labhelpers.cni.plugin.skeleton import Request

__all__ = ["Cable", "add", "check", "gc", "has", "node_end", "ready", "unplug"]

_LABEL = "cni"
#: those who name cables as their models do, and the modules that know how
_NAMING = {"lab-calico": "calico", "lab-cilium": "cilium"}


class Cable:
    """Make a veth pair: one end in the container under the name that the runtime asked for, the other on the node.

    The node's end carries in its alias whose it is, so that DEL and GC can tell without any file.

    Args:
        mtu: bytes.
        host_mac: of the node's end; by default one that no other cable has.

    Raises:
        PluginError: the container has an interface of this name.
    """

    def __init__(self, request: Request, here: Place, pod: Place, *, mtu: int, host_mac: str = "") -> None:
        parts = _parts(request)
        self.host, self.mac = node_end(request), fixed_mac(*parts)
        self.host_mac = host_mac or fixed_mac(*parts, "node")
        near = veth.Plug(self.host, self.host_mac)
        far = veth.Plug(request.ifname, self.mac, pod.changes.namespace, pod.fd)
        # the node's end is up before the container's: so that has a signal at once, and need not wait for the kernel
        veth.add(here.changes, near, far, mtu=mtu, up=True)
        try:
            here.changes.apply()
        except AlreadyExists:
            if has(pod, request.ifname):
                raise PluginError(
                    100, f"{request.netns} has an interface {request.ifname} already", "DEL removes it"
                ) from None
            raise
        link.set_alias(here.changes, self.host, " ".join((_LABEL, *parts)))
        here.changes.apply()
        self._request = request

    def interfaces(self) -> list[dict[str, Any]]:
        """Both ends, as the result names them: the node's first."""
        inside = {"name": self._request.ifname, "mac": self.mac, "sandbox": self._request.netns}
        return [{"name": self.host, "mac": self.host_mac}, inside]


def add(request: Request, part: str, ipam: Delegated) -> dict[str, Any]:
    """Attach the container; if that fails, nothing of the attempt is left but what IPAM has given.

    Raises:
        PluginError: whatever the part says.
    """
    with node() as here, container(request) as pod:
        try:
            result: dict[str, Any] = _part(part).attach(request, here, pod, ipam)
        except BaseException:
            _unplug(here, request)
            raise
        return result


def has(place: Place, name: str) -> bool:
    """Has the namespace an interface of this name?"""
    try:
        place.changes.index(name)
    except NotFound:
        return False
    return True


def unplug(request: Request) -> None:
    """Remove the cable of this attachment, both ends.  That it is gone already is fine.

    It is looked for on the node: the container's namespace may be gone, and an interface of this name in it may be
    another's.
    """
    with node() as here:
        _unplug(here, request)


def node_end(request: Request) -> str:
    """What the node's end of the cable is called."""
    naming = _NAMING.get(str(request.config.get("type")))
    if naming:
        name: str = _part(naming).node_end_of(*_parts(request))
        return name
    return fixed_name(*_parts(request))


def _unplug(here: Place, request: Request) -> None:
    name = node_end(request)
    try:
        alias = link.look(here.changes, name).alias
        # without an alias, ADD was killed between the cable and its alias
        if not alias or _owner(alias) == _parts(request):
            _delete_if_there(here, name)
    except NotFound:
        pass


def _parts(request: Request) -> tuple[str, str, str]:
    """What makes an attachment this one."""
    return request.network, request.container, request.ifname


def check(request: Request, part: str) -> None:
    """Raise ``PluginError`` if something that ADD made is not as it was."""
    with node() as here, container(request) as pod:
        _part(part).check(request, here, pod)


def ready(request: Request, part: str) -> None:
    """Raise ``PluginError`` if ADD could not work now."""
    with node() as here:
        _part(part).ready(request, here)


def gc(request: Request) -> None:
    """Remove the cables of this network whose containers are not among the valid attachments."""
    valid = request.valid_attachments
    with node() as here:
        for one in link.look_at_all(here.socket):
            owner = _owner(one.alias)
            if owner and owner[0] == request.network and owner[1:] not in valid:
                _delete_if_there(here, one.name)


def _part(name: str) -> Any:
    return importlib.import_module(f"labhelpers.cni.plugin.{name}")


def _owner(alias: str) -> tuple[str, str, str] | None:
    """Network, container and interface that a node's end belongs to; ``None`` if it is none of ours."""
    words = alias.split(" ")
    return (words[1], words[2], words[3]) if len(words) == 4 and words[0] == _LABEL else None


def _delete_if_there(place: Place, name: str) -> None:
    try:
        link.delete(place.changes, name)
        place.changes.apply()
    except NotFound:
        pass
