"""What a plugin answers to ADD, in every version of the specification.

Source: https://www.cni.dev/docs/spec/#add-success, specification 1.1.0, section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labhelpers.cni.version import SUPPORTED, at_least
from labhelpers.errors import BadInput
from labhelpers.linux import names

__all__ = ["Interface", "Ip", "Result", "Route"]

#: fields of a route that version 1.1.0 brought
_NEW_OF_ROUTE = ("mtu", "advmss", "priority", "table", "scope")


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface that the plugin made, or that was there before it."""

    name: str
    mac: str = ""
    #: path of the network namespace it is in, ``""`` for the node's
    sandbox: str = ""
    #: bytes; 0 if not told
    mtu: int = 0
    socket_path: str = ""
    pci_id: str = ""


@dataclass(frozen=True, slots=True)
class Ip:
    """An address that the plugin gave."""

    address: str  # with prefix length
    gateway: str = ""
    #: position in the list of interfaces, ``None`` if not told
    interface: int | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A route that the plugin made."""

    dst: str
    gw: str = ""
    #: what version 1.1.0 brought, ``(("mtu", 1400), …)``
    more: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What ADD made.  An IPAM plugin's result has no interfaces."""

    version: str
    interfaces: tuple[Interface, ...] = ()
    ips: tuple[Ip, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def parse(cls, data: object) -> Result:
        """Read a result of version 0.3.0 to 1.1.0.

        Raises:
            BadInput: it is none, with the place that is wrong.
        """
        if not isinstance(data, Mapping):
            raise _wrong("is not a JSON object")
        version = data.get("cniVersion")
        if version not in SUPPORTED:
            raise _wrong(f"has the cniVersion {version!r}")
        interfaces = tuple(_interface(one) for one in _list(data, "interfaces"))
        return cls(
            version=version,
            interfaces=interfaces,
            ips=tuple(_ip(one, version, len(interfaces)) for one in _list(data, "ips")),
            routes=tuple(_route(one) for one in _list(data, "routes")),
            dns=tuple(sorted((key, value) for key, value in _object(data, "dns").items() if value)),
        )

    def to_json(self, version: str = "") -> dict[str, Any]:
        """The result as a JSON object of a version, its own by default.  What an old version cannot say is left out."""
        version = version or self.version
        new = at_least(version, "1.1.0")
        found: dict[str, Any] = {"cniVersion": version}
        if self.interfaces:
            found["interfaces"] = [_interface_json(one, new) for one in self.interfaces]
        if self.ips:
            found["ips"] = [_ip_json(one, needs_version=not at_least(version, "1.0.0")) for one in self.ips]
        if self.routes:
            found["routes"] = [_route_json(one, new) for one in self.routes]
        if self.dns or not new:
            found["dns"] = dict(self.dns)
        return found

    def interfaces_in(self, sandbox: str) -> tuple[Interface, ...]:
        """The interfaces inside a container's namespace."""
        return tuple(one for one in self.interfaces if one.sandbox == sandbox)


def _wrong(what: str) -> BadInput:
    return BadInput(f"The plugin's result {what}.", "Compare it with section 5 of the CNI specification.")


def _list(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = data.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise _wrong(f"has {key} that are not a list of objects")
    return value


def _object(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _wrong(f"has {key} that is not an object")
    return value


def _text(data: Mapping[str, Any], key: str, what: str) -> str:
    value = data.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(f"has {what} whose {key} is {value!r}")
    return value


def _number(data: Mapping[str, Any], key: str, what: str) -> int | None:
    value = data.get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise _wrong(f"has {what} whose {key} is {value!r}")
    return value


def _interface(data: Mapping[str, Any]) -> Interface:
    name = _text(data, "name", "an interface")
    if not name:
        raise _wrong("has an interface without a name")
    what = f"the interface {name}"
    return Interface(
        name,
        mac=_text(data, "mac", what),
        sandbox=_text(data, "sandbox", what),
        mtu=_number(data, "mtu", what) or 0,
        socket_path=_text(data, "socketPath", what),
        pci_id=_text(data, "pciID", what),
    )


def _ip(data: Mapping[str, Any], version: str, interfaces: int) -> Ip:
    address, gateway = _text(data, "address", "an ip"), _text(data, "gateway", "an ip")
    try:
        parsed = names.interface(address)
        if gateway:
            names.address(gateway)
    except BadInput as error:
        raise _wrong(f"has an ip that is none: {error.what.rstrip('.')}") from None
    if not at_least(version, "1.0.0") and data.get("version") != str(parsed.version):
        raise _wrong(f"has the ip {address} with the version {data.get('version')!r}")
    interface = _number(data, "interface", f"the ip {address}")
    if interface is not None and not 0 <= interface < max(interfaces, 1):
        raise _wrong(f"has the ip {address} on interface {interface!r}, which is not in its list")
    return Ip(address, gateway, interface)


def _route(data: Mapping[str, Any]) -> Route:
    destination, gateway = _text(data, "dst", "a route"), _text(data, "gw", "a route")
    try:
        names.network(destination)
        if gateway:
            names.address(gateway)
    except BadInput as error:
        raise _wrong(f"has a route that is none: {error.what.rstrip('.')}") from None
    new = ((key, _number(data, key, f"the route {destination}")) for key in _NEW_OF_ROUTE)
    return Route(destination, gateway, tuple((key, value) for key, value in new if value is not None))


def _interface_json(one: Interface, new: bool) -> dict[str, Any]:
    pairs: dict[str, Any] = {"name": one.name, "mac": one.mac, "sandbox": one.sandbox}
    if new:
        pairs |= {"mtu": one.mtu, "socketPath": one.socket_path, "pciID": one.pci_id}
    return {key: value for key, value in pairs.items() if value}


def _ip_json(one: Ip, *, needs_version: bool) -> dict[str, Any]:
    pairs: dict[str, Any] = {"version": str(names.interface(one.address).version)} if needs_version else {}
    pairs["address"] = one.address
    if one.gateway:
        pairs["gateway"] = one.gateway
    if one.interface is not None:
        pairs["interface"] = one.interface
    return pairs


def _route_json(one: Route, new: bool) -> dict[str, Any]:
    pairs: dict[str, Any] = {"dst": one.dst}
    if one.gw:
        pairs["gw"] = one.gw
    return pairs | (dict(one.more) if new else {})
