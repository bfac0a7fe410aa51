"""Which addresses an IPAM configuration allows: sets of ranges, one address from each set.

::

    "ipam": {"type": "lab-host-local",
             "ranges": [[{"subnet": "10.0.1.0/24", "rangeStart": "10.0.1.10"}], [{"subnet": "fd00:1::/64"}]],
             "routes": [{"dst": "0.0.0.0/0"}]}

``"subnet": "10.0.1.0/24"`` beside ``type`` is short for one set of one range.  The form is that of the reference plugin
``host-local``.
"""

from __future__ import annotations

from itertools import chain

from labhelpers.cni.plugin.skeleton import PluginError
from labhelpers.linux import ip

TYPE_CHECKING = False  # from typing it would cost a millisecond
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["Range", "range_sets"]

_KEYS = ("subnet", "rangeStart", "rangeEnd", "gateway")


class Range:
    """A part of a subnet whose addresses may be given away.  Addresses are numbers of one IP version."""

    def __init__(self, version: int, prefix: int, first: int, last: int, gateway: int) -> None:
        self.version, self.prefix = version, prefix
        self.first, self.last, self.gateway = first, last, gateway

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last

    def __str__(self) -> str:
        return f"{self.text(self.first)}–{self.text(self.last)}"

    def overlaps(self, other: Range) -> bool:
        """Is there an address in both?"""
        return self.version == other.version and (self.first in other or other.first in self)

    def text(self, number: int) -> str:
        """An address as people write it."""
        return ip.text(self.version, number)

    def after(self, last: int | None) -> Iterator[int]:
        """Every address that can be given, beginning after the one given last: an address just freed rests a while."""
        start = last + 1 if last is not None and last in self else self.first
        for number in chain(range(start, self.last + 1), range(self.first, start)):
            if number != self.gateway:
                yield number


def range_sets(ipam: dict[str, Any]) -> list[list[Range]]:
    """The sets of an ``ipam`` configuration.

    Raises:
        PluginError: code 7, with the value that cannot be.
    """
    sets = ipam.get("ranges") or []
    if not isinstance(sets, list) or not all(isinstance(one, list) and one for one in sets):
        raise PluginError(7, "ranges of ipam is not a list of sets", 'write "ranges": [[{"subnet": "10.0.1.0/24"}]]')
    if "subnet" in ipam:
        sets = [[{key: ipam[key] for key in _KEYS if key in ipam}], *sets]
    if not sets:
        raise PluginError(7, "ipam has no subnet and no ranges", 'write "ranges": [[{"subnet": "10.0.1.0/24"}]]')
    found = [_same_version([_range(one) for one in ranges]) for ranges in sets]
    everything = [one for ranges in found for one in ranges]
    for number, one in enumerate(everything):
        for other in everything[:number]:
            if one.overlaps(other):
                raise PluginError(7, f"two ranges of ipam overlap: {one} and {other}")
    return found


def _same_version(ranges: list[Range]) -> list[Range]:
    if len({one.version for one in ranges}) > 1:
        raise PluginError(7, "a set of ranges has both IPv4 and IPv6", "write two sets: one address comes from each")
    return ranges


def _range(data: Any) -> Range:
    if not isinstance(data, dict) or "subnet" not in data:
        raise PluginError(7, f"a range of ipam has no subnet: {data!r}")
    try:
        version, base, prefix = ip.block(data["subnet"])
    except ValueError as error:
        raise PluginError(7, f"subnet={data['subnet']!r} is not a subnet", str(error)) from None
    top = base + (1 << ip.BITS[version] - prefix) - 1
    if top - base < 3:
        raise PluginError(
            7, f"subnet={data['subnet']!r} is too small", "a network, a gateway, a pod and a broadcast address"
        )

    def named(key: str, default: int) -> int:
        if not data.get(key):
            return default
        try:
            of_version, number = ip.address(data[key])
        except ValueError as error:
            raise PluginError(7, f"{key}={data[key]!r} is not an address", str(error)) from None
        if of_version != version or not base <= number <= top:
            raise PluginError(7, f"{key}={data[key]} is outside {data['subnet']}")
        return number

    gateway = named("gateway", base + 1)
    last = top - 1 if version == 4 else top  # IPv6 has no broadcast
    one = Range(version, prefix, named("rangeStart", base + 1), named("rangeEnd", last), gateway)
    if one.first > one.last:
        raise PluginError(7, f"rangeStart={data['rangeStart']} is after rangeEnd={one.text(one.last)}")
    return one
