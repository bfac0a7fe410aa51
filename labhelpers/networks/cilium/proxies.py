"""Proxies on a node, in front of ports of its pods: a datapath leaves to the node what is theirs."""

from __future__ import annotations

import re

from labhelpers.lab import Node
from labhelpers.linux import nft_library
from labhelpers.networks.cilium.choose import DATAPATHS

__all__ = ["PREFIX", "hand_over"]

#: each proxy has a table of nftables that gives it its packets: ``http_policy_10_0_1_2_80``
PREFIX = "http_policy_"
_NAMED = re.compile(PREFIX + r"(\d+)_(\d+)_(\d+)_(\d+)_(\d+)")


def hand_over(node: Node) -> None:
    """Have the datapath at work on a node, if there is one, leave to the node what its proxies are to get.

    The tables of nftables say which proxies there are; call this when one came or went.

    Shell: see ``Datapath.hand_over``.
    """
    found = map(_NAMED.fullmatch, nft_library.tables(node._kernel, "ip"))
    ports = [(".".join(one.groups()[:4]), int(one[5])) for one in found if one]
    for kind in DATAPATHS.values():
        kind(node).hand_over(ports)
