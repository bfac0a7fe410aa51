"""eBPF and its twin by nftables decide the same about real packets, whatever the policies are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from labhelpers.conformance.policy import truth_table
from labhelpers.networks.cilium.ebpf import EbpfDatapath
from labhelpers.networks.cilium.nft import NftDatapath
from tests.ebpf.ebpf_lab import EbpfLab, ebpf_lab
from tests.random_policies import policies

PORTS = (("TCP", 80), ("TCP", 8080), ("UDP", 80))


@pytest.fixture(scope="module", params=[True, False], ids=["vxlan", "native"])
def made(request: pytest.FixtureRequest) -> Iterator[EbpfLab]:
    with ebpf_lab(request.param) as lab:
        yield lab


@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # to make an example smaller takes many packets
    suppress_health_check=list(HealthCheck),
)
@given(random=st.lists(policies, min_size=1, max_size=5))
def test_both_decide_the_same(made: EbpfLab, random: list[dict[str, Any]]) -> None:
    made.objects["networkpolicies"] = random
    seen = {}
    for kind in (EbpfDatapath, NftDatapath):
        made.use(kind)
        table = truth_table(made.objects, PORTS)
        assert table.mismatches == ()
        seen[kind.name] = [one.seen for one in table.cells]
    assert seen["ebpf"] == seen["nft"]
