"""``lab-ptp``: a cable from the container straight to the node, which routes; there is no bridge.

::

    {"type": "lab-ptp", "mtu": 1500, "ipam": {...}}

The container gets its address as a single one, /32 or /128: no neighbour is on its link, everything goes to the node.
The node's end has the gateway's address, and a route to the container.
"""

from __future__ import annotations

from labhelpers.cni.plugin import addressing
from labhelpers.cni.plugin.skeleton import PluginError
from labhelpers.cni.plugin.wiring import Cable, node_end
from labhelpers.linux import address, link, route

TYPE_CHECKING = False  # from typing it would cost a millisecond
if TYPE_CHECKING:
    from typing import Any

    from labhelpers.cni.plugin.delegate import Delegated
    from labhelpers.cni.plugin.kernel import Place
    from labhelpers.cni.plugin.skeleton import Request

__all__ = ["attach", "check", "mtu", "ready", "single"]

_LINK_LOCAL = "fe80::1/64"


def attach(request: Request, here: Place, pod: Place, ipam: Delegated) -> dict[str, Any]:
    """Make the cable, give the container a single address, and the node a route to it."""
    cable = Cable(request, here, pod, mtu=mtu(request))
    answer = ipam.answer()
    ips = addressing.require_ips(answer)
    for one in ips:
        if not one.get("gateway"):
            raise PluginError(7, f"the IPAM plugin gave {one['address']} no gateway")
    singles = [single(one["address"]) for one in ips]
    addressing.on_interface(pod, request, singles)
    for one, alone in zip(ips, singles, strict=True):
        addressing.add_unless_there(pod, single(one["gateway"]), device=request.ifname)
        address.add(here.changes, cable.host, single(one["gateway"]), is_unique=True)
        if ":" in alone:
            # a router asks for neighbours with such a source, and the kernel's own takes a second or two to be usable
            address.add(here.changes, cable.host, _LINK_LOCAL, is_unique=True)
        # the cable of the address's last owner may still be about to go
        route.replace(here.changes, alone, device=cable.host)
    here.changes.apply()
    routes = answer.get("routes") or []
    gateways = {":" in one["address"]: one["gateway"] for one in ips}
    addressing.add_routes(pod, request, routes, gateways)
    pod.changes.apply()
    addressing.forwarding(ips)
    return {
        "interfaces": cable.interfaces(),
        "ips": [{**one, "address": alone, "interface": 1} for one, alone in zip(ips, singles, strict=True)],
        "routes": routes,
        "dns": answer.get("dns") or {},
    }


def check(request: Request, here: Place, pod: Place) -> None:
    """Is the node's end there, does it lead to the container, does the container have its addresses and routes?"""
    devices = {one.index: one.name for one in link.look_at_all(here.socket)}
    end = node_end(request)
    if end not in devices.values():
        raise PluginError(100, f"{end} is gone")
    routes = {one.destination for one in route.dump(here.socket, devices) if one.device == end}
    for one in addressing.check_addresses(pod, request):
        if one not in routes:
            raise PluginError(100, f"the node has no route to {one} by {end}")
    addressing.check_routes(pod, request)


def ready(request: Request, here: Place) -> None:
    """Nothing of the node is needed beforehand."""


def mtu(request: Request) -> int:
    """The configuration's ``mtu`` in bytes."""
    value = request.config.get("mtu") or 1500
    if not isinstance(value, int) or isinstance(value, bool) or not 68 <= value <= 65535:
        raise PluginError(7, f"mtu={value!r} is not a number of bytes from 68 to 65535")
    return value


def single(text: str) -> str:
    """The address alone, as an interface gets it: ``10.0.1.10/32``."""
    return f"{text.split('/')[0]}/{128 if ':' in text else 32}"
