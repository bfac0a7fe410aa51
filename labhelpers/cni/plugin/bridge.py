"""``lab-bridge``: a cable from the container to a bridge of the node.

::

    {"type": "lab-bridge", "bridge": "cni0", "isGateway": true, "mtu": 1500, "ipam": {...}}

With ``isGateway`` the bridge gets the gateway's address, and the node forwards.  With ``portIsolation`` containers of
the bridge cannot reach one another over it.
"""

from __future__ import annotations

from labhelpers.cni.plugin import addressing
from labhelpers.cni.plugin.kernel import fixed_mac
from labhelpers.cni.plugin.quick_json import dumps
from labhelpers.cni.plugin.skeleton import PluginError
from labhelpers.cni.plugin.wiring import Cable, has, node_end
from labhelpers.errors import AlreadyExists, BadInput, NotFound
from labhelpers.linux import address, bridge, link, names

TYPE_CHECKING = False  # from typing it would cost a millisecond
if TYPE_CHECKING:
    from typing import Any

    from labhelpers.cni.plugin.delegate import Delegated
    from labhelpers.cni.plugin.kernel import Place
    from labhelpers.cni.plugin.skeleton import Request

__all__ = ["attach", "check", "ready"]

#: options of the reference plugin that this one does not have
_NOT_HERE = (
    "ipMasq",
    "hairpinMode",
    "promiscMode",
    "vlan",
    "vlanTrunk",
    "macspoofchk",
    "isDefaultGateway",
    "forceAddress",
)


def attach(request: Request, here: Place, pod: Place, ipam: Delegated) -> dict[str, Any]:
    """Make the cable, give the container what IPAM answers, make the bridge if it is not there, and plug in.

    The bridge comes last: where something before it fails, none is left.
    """
    name, mtu, is_gateway, is_isolated = _options(request)
    cable = Cable(request, here, pod, mtu=mtu)
    answer = ipam.answer()
    ips, routes = addressing.require_ips(answer), answer.get("routes") or []
    addressing.on_interface(pod, request, [one["address"] for one in ips])
    addressing.add_routes(pod, request, routes, {":" in one["address"]: one.get("gateway", "") for one in ips})
    pod.changes.apply()
    mac = _ensure(here, request, name, mtu)
    if is_gateway:
        _become_gateway(here, name, ips)
    link.set_master(here.changes, cable.host, name)
    if is_isolated:
        link.set_isolated(here.changes, cable.host)
    here.changes.apply()
    return {
        "interfaces": [{"name": name, "mac": mac}, *cable.interfaces()],
        "ips": [{**one, "interface": 2} for one in ips],
        "routes": routes,
        "dns": answer.get("dns") or {},
    }


def check(request: Request, here: Place, pod: Place) -> None:
    """Is the bridge there, is the node's end its port, does the container have its addresses and routes?"""
    name, *_ = _options(request)
    links = {one.name: one for one in link.look_at_all(here.socket)}
    if name not in links:
        raise PluginError(100, f"the bridge {name} is gone")
    port = links.get(node_end(request))
    if port is None or port.master != links[name].index:
        raise PluginError(100, f"{node_end(request)} is not a port of {name}")
    addressing.check_addresses(pod, request)
    addressing.check_routes(pod, request)


def ready(request: Request, here: Place) -> None:
    """Is the name of the bridge free, or that of a bridge?"""
    name, *_ = _options(request)
    if has(here, name) and link.look(here.changes, name).kind != "bridge":
        raise PluginError(50, f"{name} is there and is no bridge")


def _ensure(here: Place, request: Request, name: str, mtu: int) -> str:
    """Make the bridge, unless an earlier container has it; returns its MAC address."""
    try:
        found = link.look(here.changes, name)
    except NotFound:
        try:
            bridge.add(here.changes, name, mac=fixed_mac(request.network, name), mtu=mtu)
            here.changes.apply()
        except AlreadyExists:  # another container came first
            pass
        found = link.look(here.changes, name)
    if found.kind != "bridge":
        raise PluginError(7, f"bridge={name!r} is there and is no bridge")
    return found.mac


def _become_gateway(here: Place, name: str, ips: list[dict[str, Any]]) -> None:
    for one in ips:
        gateway, prefix = one.get("gateway"), one["address"].rpartition("/")[2]
        if not gateway:
            continue
        try:
            address.add(here.changes, name, f"{gateway}/{prefix}", is_unique=True)
            here.changes.apply()
        except AlreadyExists:  # since the first container
            pass
    addressing.forwarding(ips)


def _options(request: Request) -> tuple[str, int, bool, bool]:
    for key in _NOT_HERE:
        if request.config.get(key):
            value = dumps([request.config[key]])[1:-1]
            raise PluginError(2, f"{key}={value} is not supported", "the reference plugin bridge has it")
    name, mtu = request.config.get("bridge", "cni0"), request.config.get("mtu") or 1500
    switches = [request.config.get(key, False) for key in ("isGateway", "portIsolation")]
    try:
        names.link_name(name)
    except BadInput as error:
        raise PluginError(7, f"bridge={name!r} cannot be the name of a bridge", error.what) from None
    if not isinstance(mtu, int) or isinstance(mtu, bool) or not 68 <= mtu <= 65535:
        raise PluginError(7, f"mtu={mtu!r} is not a number of bytes from 68 to 65535")
    for key, value in zip(("isGateway", "portIsolation"), switches):  # noqa: B905 - of one length
        if not isinstance(value, bool):
            raise PluginError(7, f"{key}={value!r} is neither true nor false")
    return name, mtu, switches[0], switches[1]
