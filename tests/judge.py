"""What a datapath that was told this has to do with the first packet of a flow: the words of ``Datapath``, as code.

It shares no code with the datapaths.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from labhelpers.networks.cilium.datapath import ANY, Allowed, Wanted

__all__ = ["decided_by", "identity_of", "passes"]


def identity_of(wanted: Wanted, address: str) -> int:
    """By the longest prefix."""
    there = [one for one in wanted.ipcache if IPv4Address(address) in IPv4Network(one.block)]
    return max(there, key=lambda one: IPv4Network(one.block).prefixlen).identity


def decided_by(wanted: Wanted, subject: int, direction: str, remote: int, protocol: int, port: int) -> Allowed | None:
    """The entry that allows it, if there is one."""
    for who in (remote, ANY):
        for kind in (protocol, ANY):
            for one in wanted.allowed:
                mine = (one.subject, one.direction, one.remote, one.protocol) == (subject, direction, who, kind)
                if mine and one.first <= port <= one.last:
                    return one
    return None


def passes(wanted: Wanted, source: str, destination: str, protocol: int, port: int) -> bool:
    """Does this node let the packet through?"""
    if {source, destination} & wanted.own:
        return True
    ends = {"egress": source, "ingress": destination}
    here = {one.address: one.identity for one in wanted.endpoints}
    for direction, mine in ends.items():
        other = ends["ingress" if direction == "egress" else "egress"]
        subject = here.get(mine)
        if subject is None or not any(pair == (subject, direction) for pair in wanted.isolated):
            continue
        if decided_by(wanted, subject, direction, identity_of(wanted, other), protocol, port) is None:
            return False
    return True
