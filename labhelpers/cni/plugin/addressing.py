"""What both main plugins do with the addresses that IPAM gave: onto the interface, into the result, and checked."""

from __future__ import annotations

from labhelpers.cni.plugin.kernel import Place
from labhelpers.cni.plugin.skeleton import PluginError, Request
from labhelpers.errors import AlreadyExists
from labhelpers.linux import address, link, route

TYPE_CHECKING = False  # from typing it would cost a millisecond
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "add_routes",
    "add_unless_there",
    "check_addresses",
    "check_routes",
    "forwarding",
    "on_interface",
    "require_ips",
]

_DEFAULTS = ("0.0.0.0/0", "::/0")


def require_ips(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The addresses in an IPAM plugin's answer; a main plugin cannot work without."""
    ips = answer.get("ips")
    if not isinstance(ips, list) or not ips or not all(isinstance(one, dict) and one.get("address") for one in ips):
        raise PluginError(7, "the IPAM plugin gave no address")
    return ips


def on_interface(pod: Place, request: Request, addresses: list[str]) -> None:
    """Give the container's interface its addresses and set it up."""
    if any(":" in one for one in addresses):
        pod.inside(lambda: _allow_ipv6(request.ifname))
    for one in addresses:
        address.add(pod.changes, request.ifname, one, is_unique=True)
    link.up(pod.changes, request.ifname)


def add_routes(pod: Place, request: Request, routes: list[dict[str, Any]], gateways: dict[bool, str]) -> None:
    """Make the routes of the result in the container.

    Args:
        gateways: the next hop for routes that name none, by whether it is IPv6.
    """
    for one in routes:
        destination = "default" if one["dst"] in _DEFAULTS else one["dst"]
        gateway = one.get("gw") or gateways.get(":" in one["dst"], "")
        add_unless_there(pod, destination, via=gateway, device=request.ifname)


def add_unless_there(pod: Place, destination: str, *, via: str = "", device: str = "") -> None:
    """Make a route in the container; if there is one to this destination, another network of the pod made it first."""
    try:
        route.add(pod.changes, destination, via=via, device=device)
        pod.changes.apply()
    except AlreadyExists:
        pass


def forwarding(ips: list[dict[str, Any]]) -> None:
    """Let the node pass packets on, for each IP version it has pods of."""
    for is_ipv6, path in ((False, "ipv4/ip_forward"), (True, "ipv6/conf/all/forwarding")):
        if any((":" in one["address"]) == is_ipv6 for one in ips):
            with open(f"/proc/sys/net/{path}", "w") as file:
                file.write("1\n")


def _allow_ipv6(name: str) -> None:
    with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w") as file:
        file.write("0\n")


def check_addresses(pod: Place, request: Request) -> list[str]:
    """Compare the container's interface with the result of ADD.

    Returns:
        the addresses it must have, and has.

    Raises:
        PluginError: what of the result is missing.
    """
    interfaces, ips = _objects(request.previous, "interfaces"), _objects(request.previous, "ips")
    indexes = [
        number
        for number, one in enumerate(interfaces)
        if one.get("name") == request.ifname and one.get("sandbox") == request.netns
    ]
    if not indexes:
        raise PluginError(7, f"prevResult has no interface {request.ifname} in {request.netns}")
    devices = {one.name: one.index for one in link.look_at_all(pod.socket)}
    if request.ifname not in devices:
        raise PluginError(100, f"{request.ifname} is not in {request.netns}")
    has = {text for index, text in address.dump(pod.socket) if index == devices[request.ifname]}
    wanted = [str(one.get("address")) for one in ips if one.get("interface") in indexes]
    for one in wanted:
        if one not in has:
            raise PluginError(
                100, f"{request.ifname} does not have {one}", f"it has {', '.join(sorted(has)) or 'none'}"
            )
    return wanted


def check_routes(pod: Place, request: Request) -> None:
    """Raise ``PluginError`` if a route of the result of ADD is not in the container any more."""
    has = {_route_key(one.destination, one.via) for one in route.dump(pod.socket, {})}
    for one in _objects(request.previous, "routes"):
        destination = str(one.get("dst"))
        if ("default" if destination in _DEFAULTS else destination, ":" in destination) not in has:
            raise PluginError(100, f"{request.netns} has no route to {destination}")


def _route_key(destination: str, via: str) -> tuple[str, bool]:
    """A destination and whether it is IPv6: "default" does not say so itself."""
    return destination, ":" in destination or ":" in via


def _objects(result: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = result.get(key) or []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise PluginError(7, f"{key} of prevResult is not a list of objects")
    return value
