"""Everything the kernel says about one namespace, read in one visit."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from labhelpers.linux import address, fdb, link, neighbour, route, rule
from labhelpers.linux.netlink import NetlinkSocket
from labhelpers.linux.records import FdbEntry, Link, Neighbour, Route, Rows, Rule

__all__ = ["Tables", "read", "read_links"]

_HAS_FDB = frozenset({"bridge", "vxlan", "macvlan"})


@dataclass(frozen=True, slots=True)
class Tables:
    """The five tables of a namespace."""

    links: Rows[Link]
    routes: Rows[Route]
    neighbours: Rows[Neighbour]
    fdb: Rows[FdbEntry]
    rules: Rows[Rule]


def read_links(socket: NetlinkSocket) -> Rows[Link]:
    """Read the interfaces with their addresses.  Shell: ``ip -details address``."""
    by_index: dict[int, list[str]] = defaultdict(list)
    for index, text in address.dump(socket):
        by_index[index].append(text)
    links = link.dump(socket)
    return Rows(
        (replace(one, addresses=tuple(by_index[one.index])) if one.index in by_index else one for one in links),
        links.title,
    )


def read(socket: NetlinkSocket) -> Tables:
    """Read all tables.  The forwarding database is asked for only where a device can have one.

    Shell: ``ip -details address``, ``ip route show table all``, ``ip neighbour``, ``bridge fdb``, ``ip rule``.
    """
    links = read_links(socket)
    devices = {one.index: one.name for one in links}
    return Tables(
        links=links,
        routes=route.dump(socket, devices),
        neighbours=neighbour.dump(socket, devices),
        fdb=fdb.dump(socket, devices) if any(one.kind in _HAS_FDB for one in links) else Rows((), "fdb"),
        rules=rule.dump(socket),
    )
