"""How many lines of state a node's kernel has: what a person would have to read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from labhelpers.lab import Node
from labhelpers.linux import nft_library
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.topology import Snapshot, normalised

__all__ = ["state_lines"]

_FAMILIES = ("ip", "inet", "bridge", "netdev", "arp")


def state_lines(nodes: Iterable[Node]) -> int:
    """Interfaces, addresses, routes, rules, neighbours and forwarding entries that were not learned, and all parts of
    nftables: tables, chains, rules, sets, and each element of a set.  Changes nothing.

    Shell, on each node: ``ip link``, ``ip address``, ``ip route show table all``, ``ip rule``, ``ip neighbour``,
    ``bridge fdb``, ``nft list ruleset``.
    """
    wanted = {node.name: node for node in nodes}
    count = 0
    for one in normalised(Snapshot.take()):
        if one.name in wanted and one.role == "node":
            count += sum(1 + len(link.addresses) for link in one.links)
            count += len(one.routes) + len(one.rules) + len(one.neighbours) + len(one.fdb)
            count += _parts(wanted[one.name]._kernel)
    return count


def _parts(namespace: NetworkNamespace) -> int:
    return sum(
        _size(part)
        for family in _FAMILIES
        for table in nft_library.tables(namespace, family)
        for part in nft_library.parsed(namespace, f"{family} {table}")
    )


def _size(part: dict[str, Any]) -> int:
    """One, and one more for each element; what only says which version of nft it was counts nothing."""
    if "metainfo" in part:
        return 0
    return 1 + sum(len(one.get("elem") or ()) for kind, one in part.items() if kind in ("set", "map"))
