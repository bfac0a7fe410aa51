"""``lab-calico``: a cable from the container to the node, which routes, wired as Calico's plugin wires it.

::

    {"type": "lab-calico", "mtu": 1500, "ipam": {...}}

The container has a single address and one gateway, 169.254.1.1, which no interface has: the node's end of the cable
answers ARP for it (``proxy_arp``) with the MAC address ee:ee:ee:ee:ee:ee, the same on every node.  The node has a route
to the container.  There is no bridge.

Source: https://github.com/projectcalico/calico, ``cni-plugin/pkg/dataplane/linux/dataplane_linux.go``.
"""

from __future__ import annotations

import hashlib

from labhelpers.cni.plugin import addressing, ptp
from labhelpers.cni.plugin.skeleton import PluginError
from labhelpers.cni.plugin.wiring import Cable, node_end
from labhelpers.linux import route

TYPE_CHECKING = False  # from typing it would cost a millisecond
if TYPE_CHECKING:
    from typing import Any

    from labhelpers.cni.plugin.delegate import Delegated
    from labhelpers.cni.plugin.kernel import Place
    from labhelpers.cni.plugin.skeleton import Request

__all__ = ["attach", "check", "node_end_of", "ready"]

_GATEWAY = "169.254.1.1"
_MAC = "ee:ee:ee:ee:ee:ee"
#: of the node's end of the cable.  The kernel forwards what comes from 127.0.0.1 there only with route_localnet
_SETTINGS = {"proxy_arp": "1", "route_localnet": "1"}


def node_end_of(*parts: str) -> str:
    """``cali`` and eleven digits of the SHA-1 of what the cable belongs to.  Calico hashes the pod's name instead."""
    return f"cali{hashlib.sha1('.'.join(parts).encode(), usedforsecurity=False).hexdigest()[:11]}"


def attach(request: Request, here: Place, pod: Place, ipam: Delegated) -> dict[str, Any]:
    """Make the cable, give the container a single address and the gateway, and the node a route to it."""
    cable = Cable(request, here, pod, mtu=ptp.mtu(request), host_mac=_MAC)
    here.inside(lambda: _settings(cable.host))
    answer = ipam.answer()
    ips = addressing.require_ips(answer)
    if any(":" in one["address"] for one in ips):
        raise PluginError(7, "lab-calico attaches by IPv4 only", "lab-ptp routes both")
    singles = [ptp.single(one["address"]) for one in ips]
    addressing.on_interface(pod, request, singles)
    addressing.add_unless_there(pod, f"{_GATEWAY}/32", device=request.ifname)
    for single in singles:
        # the cable of the address's last owner may still be about to go
        route.replace(here.changes, single, device=cable.host)
    here.changes.apply()
    routes = [{**one, "gw": one.get("gw") or _GATEWAY} for one in answer.get("routes") or []]
    addressing.add_routes(pod, request, routes, {False: _GATEWAY})
    pod.changes.apply()
    addressing.forwarding(ips)
    return {
        "interfaces": cable.interfaces(),
        "ips": [
            {**one, "address": single, "gateway": _GATEWAY, "interface": 1}
            for one, single in zip(ips, singles, strict=True)
        ],
        "routes": routes,
        "dns": answer.get("dns") or {},
    }


def check(request: Request, here: Place, pod: Place) -> None:
    """Is the node's end there, does it lead to the container, does the container have its addresses and routes?"""
    ptp.check(request, here, pod)
    for name, value in _SETTINGS.items():
        with open(_setting(node_end(request), name)) as file:
            if file.read().strip() != value:
                raise PluginError(100, f"{name} of {node_end(request)} is not {value}")


def ready(request: Request, here: Place) -> None:
    """Nothing of the node is needed beforehand."""


def _settings(device: str) -> None:
    for name, value in _SETTINGS.items():
        with open(_setting(device, name), "w") as file:
            file.write(f"{value}\n")
    with open(f"/proc/sys/net/ipv4/neigh/{device}/proxy_delay", "w") as file:
        file.write("0\n")  # otherwise it waits up to 0.8 s before it answers


def _setting(device: str, name: str) -> str:
    return f"/proc/sys/net/ipv4/conf/{device}/{name}"
