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

from labhelpers.cni.plugin import ptp, single
from labhelpers.cni.plugin.wiring import Cable, node_end

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
_SETTINGS = {**single.ANSWERS, "route_localnet": "1"}


def node_end_of(*parts: str) -> str:
    """``cali`` and eleven digits of the SHA-1 of what the cable belongs to.  Calico hashes the pod's name instead."""
    return f"cali{hashlib.sha1('.'.join(parts).encode(), usedforsecurity=False).hexdigest()[:11]}"


def attach(request: Request, here: Place, pod: Place, ipam: Delegated) -> dict[str, Any]:
    """Make the cable, give the container a single address and the gateway, and the node a route to it."""
    cable = Cable(request, here, pod, mtu=ptp.mtu(request), host_mac=_MAC)
    here.inside(lambda: single.set_up(cable.host, _SETTINGS))
    return single.connected(request, here, pod, ipam, cable, gateway=_GATEWAY)


def check(request: Request, here: Place, pod: Place) -> None:
    """Is the node's end there, does it lead to the container, does the container have its addresses and routes?"""
    ptp.check(request, here, pod)
    single.check_settings(node_end(request), _SETTINGS)


def ready(request: Request, here: Place) -> None:
    """Nothing of the node is needed beforehand."""
