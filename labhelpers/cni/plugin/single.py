"""A container with a single address and one gateway, as Calico and Cilium wire it: no neighbour is on its link."""

from __future__ import annotations

from labhelpers.cni.plugin import addressing, ptp
from labhelpers.cni.plugin.skeleton import PluginError
from labhelpers.linux import route

TYPE_CHECKING = False  # from typing it would cost a millisecond
if TYPE_CHECKING:
    from typing import Any

    from labhelpers.cni.plugin.delegate import Delegated
    from labhelpers.cni.plugin.kernel import Place
    from labhelpers.cni.plugin.skeleton import Request
    from labhelpers.cni.plugin.wiring import Cable

__all__ = ["ANSWERS", "check_settings", "connected", "set_up"]

#: of the node's end of the cable: it answers ARP for every address that the node has another way to
ANSWERS = {"proxy_arp": "1"}


def set_up(device: str, settings: dict[str, str]) -> None:
    """Give the node's end of the cable these settings, and let it answer ARP at once."""
    for name, value in settings.items():
        with open(_setting(device, name), "w") as file:
            file.write(f"{value}\n")
    with open(f"/proc/sys/net/ipv4/neigh/{device}/proxy_delay", "w") as file:
        file.write("0\n")  # otherwise it waits up to 0.8 s before it answers


def check_settings(device: str, settings: dict[str, str]) -> None:
    """Raise ``PluginError`` if the node's end of the cable does not have them any more."""
    for name, value in settings.items():
        with open(_setting(device, name)) as file:
            if file.read().strip() != value:
                raise PluginError(100, f"{name} of {device} is not {value}")


def _setting(device: str, name: str) -> str:
    return f"/proc/sys/net/ipv4/conf/{device}/{name}"


def connected(
    request: Request, here: Place, pod: Place, ipam: Delegated, cable: Cable, *, gateway: str = ""
) -> dict[str, Any]:
    """Give the container its address and the gateway, and the node a route to it by the cable.

    Args:
        gateway: for which somebody on the node answers ARP; by default the one that IPAM names.

    Returns:
        the result of ADD.

    Raises:
        PluginError: the address is IPv6, or IPAM gives no gateway.
    """
    answer = ipam.answer()
    ips = addressing.require_ips(answer)
    if any(":" in one["address"] for one in ips):
        raise PluginError(7, f"{request.config['type']} attaches by IPv4 only", "lab-ptp routes both")
    via = gateway or str(ips[0].get("gateway") or "")
    if not via:
        raise PluginError(7, f"the IPAM plugin gave {ips[0]['address']} no gateway")
    singles = [ptp.single(one["address"]) for one in ips]
    addressing.on_interface(pod, request, singles)
    addressing.add_unless_there(pod, f"{via}/32", device=request.ifname)
    for one in singles:
        # the cable of the address's last owner may still be about to go
        route.replace(here.changes, one, device=cable.host)
    here.changes.apply()
    routes = [{**one, "gw": one.get("gw") or via} for one in answer.get("routes") or []]
    addressing.add_routes(pod, request, routes, {False: via})
    pod.changes.apply()
    addressing.forwarding(ips)
    return {
        "interfaces": cable.interfaces(),
        "ips": [
            {**one, "address": alone, "gateway": via, "interface": 1} for one, alone in zip(ips, singles, strict=True)
        ],
        "routes": routes,
        "dns": answer.get("dns") or {},
    }
