"""The carriers, for tests of what all of them promise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from labhelpers.lab import Lab, Node, checkpoint
from labhelpers.linux.records import Rows
from labhelpers.networks.route import Bgp, Carrier, HostGateway, IpInIp, Vxlan, VxlanLearning, WireGuard
from labhelpers.topology import Snapshot, normalised

__all__ = ["CARRIERS", "PatientBgp", "every_carrier", "every_carrier_at_once", "node_of", "state", "three_nodes"]


class PatientBgp(Bgp):
    """BGP, but nobody sees it before its daemons have talked."""

    def __init__(self, lab: Lab, *, nodes: Sequence[Node] | None = None) -> None:
        super().__init__(lab, nodes=nodes)
        self.wait()

    def node_added(self, node: Node) -> None:
        super().node_added(node)
        self.wait()


CARRIERS: Sequence[type[Carrier]] = (HostGateway, Vxlan, VxlanLearning, IpInIp, WireGuard, PatientBgp)
every_carrier = pytest.mark.parametrize("carrier", CARRIERS, ids=lambda one: one.__name__)
#: those that a script leads to at once: after BGP's, somebody has to wait, see test_networks_bgp.py
every_carrier_at_once = pytest.mark.parametrize("carrier", CARRIERS[:-1], ids=lambda one: one.__name__)


def three_nodes() -> Lab:
    """Checkpoint 06 and one node more, with pod-e."""
    lab = checkpoint("06")
    lab.node("node-3").pods(["pod-e"])
    return lab


def node_of(lab: Lab, name: str) -> Node:
    """The node of this name."""
    node = lab[name]
    assert isinstance(node, Node)
    return node


def state() -> Snapshot:
    """What the kernel says now, without what comes and goes by itself: signals, and what was learned."""
    snapshot = normalised(Snapshot.take())
    return replace(
        snapshot,
        namespaces=tuple(
            replace(
                one,
                links=Rows(replace(link, state="") for link in one.links),
            )
            for one in snapshot.namespaces
        ),
    )
