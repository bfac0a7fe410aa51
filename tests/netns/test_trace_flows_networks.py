"""The flow log of every network: pods of one node, of two nodes, and what policies refuse."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labhelpers.lab import Lab
from labhelpers.networks import Calico, Cilium, Flannel, Network, PlainBridge, Weave
from tests.netns.observed import reasons_observed

EVERY: dict[str, Network] = {
    "bridge": PlainBridge(),
    "flannel": Flannel(),
    "calico": Calico("bgp"),
    "cilium": Cilium("nft"),
    "weave": Weave(),
}
ISOLATED = "isolated, and no policy allows it (chain to-pods of table ip network_policy)"
POLICY_DENIED = "policy denied (ingress)"


@pytest.fixture(scope="module")
def nodes() -> Iterator[Lab]:
    lab = Lab()
    lab.node("node-1")
    lab.node("node-2")
    yield lab
    lab.reset()


@pytest.mark.parametrize("name", EVERY)
def test_flows_are_seen_whatever_the_network_is_made_of(nodes: Lab, name: str) -> None:
    reasons = reasons_observed(nodes, EVERY[name])
    if EVERY[name].enforces:
        assert reasons == {POLICY_DENIED if name == "cilium" else ISOLATED}
