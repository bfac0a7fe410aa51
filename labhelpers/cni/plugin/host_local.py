"""``lab-host-local``: an IPAM plugin that gives addresses from ranges and keeps the books in files of this node."""

from __future__ import annotations

from labhelpers.cni.plugin.leases import FOLDER, Leases
from labhelpers.cni.plugin.ranges import range_sets
from labhelpers.cni.plugin.skeleton import PluginError, Request, run
from labhelpers.linux import ip

TYPE_CHECKING = False  # from typing it would cost a millisecond
if TYPE_CHECKING:
    from typing import Any

    from labhelpers.cni.plugin.ranges import Range

__all__ = ["main"]


def main() -> None:
    """Serve one call."""
    run({"ADD": add, "DEL": delete, "CHECK": check, "GC": gc, "STATUS": status}, passes_on=False)


def add(request: Request) -> dict[str, Any]:
    """Give the container's interface one address of each set of ranges.

    Raises:
        PluginError: 11 if a set is used up, 7 for a bad configuration, 100 if the interface has addresses already.
    """
    ipam = _ipam(request)
    sets, routes, dns = range_sets(ipam), _routes(ipam), _dns(ipam)
    owner = (request.container, request.ifname)
    with _leases(request, ipam) as leases:
        if had := leases.of(owner):
            raise PluginError(100, f"{owner[0]} {owner[1]} has {', '.join(had)} already", "DEL gives it back")
        given: list[str] = []
        try:
            ips = []
            for number, ranges in enumerate(sets):
                address, home = _free(leases, number, ranges)
                leases.take(address, owner)
                given.append(address)
                leases.remember_last(number, address)
                ips.append(_ip(address, home, request.version))
        except BaseException:
            leases.free(given)
            raise
    return {"ips": ips, "routes": routes, "dns": dns}


def delete(request: Request) -> None:
    """Take back what the container's interface has.  That it has nothing is fine."""
    with _leases(request, _ipam(request)) as leases:
        leases.free(leases.of((request.container, request.ifname)))


def check(request: Request) -> None:
    """Does the container's interface still have its addresses?"""
    with _leases(request, _ipam(request)) as leases:
        if not leases.of((request.container, request.ifname)):
            raise PluginError(100, f"no address is noted for {request.container} {request.ifname}")


def gc(request: Request) -> None:
    """Take back every address whose container's interface is not among the valid attachments."""
    valid = request.valid_attachments
    with _leases(request, _ipam(request)) as leases:
        leases.free(address for address, owner in list(leases.owners()) if owner not in valid)


def status(request: Request) -> None:
    """Could ADD get an address now?

    Raises:
        PluginError: 50 if not.
    """
    try:
        ipam = _ipam(request)
        sets = range_sets(ipam)
        with _leases(request, ipam) as leases:
            for number, ranges in enumerate(sets):
                _free(leases, number, ranges)
    except PluginError as error:
        raise PluginError(50, error.msg, error.details) from None


def _ipam(request: Request) -> dict[str, Any]:
    ipam = request.config.get("ipam")
    if not isinstance(ipam, dict):
        raise PluginError(7, "the configuration has no ipam object")
    return ipam


def _routes(ipam: dict[str, Any]) -> list[dict[str, Any]]:
    routes = ipam.get("routes") or []
    if not isinstance(routes, list) or not all(isinstance(one, dict) for one in routes):
        raise PluginError(7, "routes of ipam is not a list of objects", 'write "routes": [{"dst": "0.0.0.0/0"}]')
    for one in routes:
        try:
            ip.block(one.get("dst"))
            if one.get("gw"):
                ip.address(one["gw"])
        except ValueError as error:
            raise PluginError(7, f"a route of ipam cannot be: {one!r}", str(error)) from None
    return routes


def _dns(ipam: dict[str, Any]) -> dict[str, Any]:
    dns = ipam.get("dns") or {}
    if not isinstance(dns, dict):
        raise PluginError(7, "dns of ipam is not an object", 'write "dns": {"nameservers": ["10.96.0.10"]}')
    return dns


def _leases(request: Request, ipam: dict[str, Any]) -> Leases:
    folder = ipam.get("dataDir") or FOLDER
    if not isinstance(folder, str) or not folder.startswith("/"):
        raise PluginError(7, f"dataDir={folder!r} is not the path of a folder", "begin it with /")
    return Leases(f"{folder}/{request.network}")


def _free(leases: Leases, number: int, ranges: list[Range]) -> tuple[str, Range]:
    """The next free address of a set of ranges."""
    taken = leases.taken()
    try:
        version, last = ip.address(leases.last(number))
    except ValueError:  # nothing was given yet
        version, last = 0, 0
    for one in ranges:
        for candidate in one.after(last if version == one.version else None):
            address = one.text(candidate)
            if address not in taken:
                return address, one
    places = ", ".join(map(str, ranges))
    raise PluginError(11, f"no address is left in {places}", "a pod that leaves gives its address back")


def _ip(address: str, home: Range, version: str) -> dict[str, Any]:
    pairs = {"version": str(home.version)} if version.startswith("0.") else {}
    return {**pairs, "address": f"{address}/{home.prefix}", "gateway": home.text(home.gateway)}
