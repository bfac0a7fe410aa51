"""Policies by real packets: the recipes, random ones, and a table that finds what is not enforced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from labhelpers.conformance.policy import RECIPES, Recipe, truth_table
from labhelpers.errors import BadInput, NotFound
from labhelpers.lab import Lab, Node, Pod
from labhelpers.linux import link
from labhelpers.networks.policy import explain, through_the_node
from tests.netns.kernel import shell
from tests.netns.policies import Policed
from tests.random_policies import policies

SOME_PORTS = (("TCP", 80), ("TCP", 8080), ("UDP", 80))
DENY = next(recipe for recipe in RECIPES if recipe.name == "deny-all-in-a-namespace")


@pytest.fixture(scope="module")
def policed() -> Iterator[Policed]:
    lab = Lab()
    yield Policed(lab)
    lab.reset()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_allows_what_its_table_says_and_nothing_else(policed: Policed, recipe: Recipe) -> None:
    policed.enforce(recipe.policies)
    table = truth_table(policed.objects, recipe.tables, outside=policed.outside)
    seen = {(c.source, c.destination, c.protocol, c.port): c.seen for c in table.cells}
    wanted = {(a, b, protocol, port): allowed for a, b, protocol, port, allowed in recipe.connections()}
    assert seen.keys() == wanted.keys()
    assert seen == {key: "allowed" if allowed else "blocked" for key, allowed in wanted.items()}
    assert table.ok
    assert all(row.ok for row in table.rows())


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # to make an example smaller takes many packets
    suppress_health_check=list(HealthCheck),
)
@given(random=st.lists(policies, min_size=1, max_size=6, unique_by=lambda one: one["metadata"]["name"]))
def test_random_policies_do_to_packets_what_the_oracle_says(policed: Policed, random: list[dict[str, object]]) -> None:
    policed.enforce(random)
    table = truth_table(policed.objects, SOME_PORTS, outside=policed.outside)
    assert not table.mismatches
    for cell in table.cells:
        source, destination = (policed.outside.get(end, end) for end in (cell.source, cell.destination))
        found = explain(policed.objects, source, destination, cell.port, cell.protocol)
        assert found.allowed is cell.expected, found.why


def test_a_table_finds_what_nobody_enforces_and_says_who_ought_to_have_decided(policed: Policed) -> None:
    policed.enforce(DENY.policies)
    policed.enforcers[0].clean()
    table = truth_table(policed.objects, [("TCP", 80)], outside=policed.outside)
    on_node = {name for name, pod in policed.pods.items() if pod.node.name == "node-1" and name.startswith("shop/")}
    assert on_node
    assert not table.ok
    assert {cell.destination for cell in table.mismatches} == on_node
    assert all(cell.seen == "allowed" and "shop/deny-all isolates" in cell.why for cell in table.mismatches)
    (row,) = table.rows()
    assert not row.ok
    assert "was allowed, though: shop/deny-all isolates" in row.seen


def test_a_table_finds_what_is_blocked_without_a_policy(policed: Policed) -> None:
    policed.enforce([])
    policed.nodes[0].nft("add rule ip network_policy to-pods ip daddr 10.0.1.0/24 tcp dport 80 drop")
    table = truth_table(policed.objects, [("TCP", 80)], outside=policed.outside)
    assert {cell.seen for cell in table.mismatches} == {"blocked"}
    assert {policed.pods[cell.destination].node.name for cell in table.mismatches} == {"node-1"}
    assert all("is not isolated for ingress" in cell.why for cell in table.mismatches)


def test_on_a_bridge_that_forwards_by_itself_the_table_finds_the_pods_of_one_node(policed: Policed) -> None:
    policed.enforce(DENY.policies)
    node = policed.nodes[0]
    pods = [pod for pod in policed.pods.values() if pod.node is node]
    # where the kernel has br_netfilter, the firewall is asked about frames of a bridge all the same
    filtering = "net.bridge.bridge-nf-call-iptables"
    has_it = node.run(f"test -e /proc/sys/{filtering.replace('.', '/')}").ok
    try:
        _forwards_by_itself(node, pods)
        if has_it:
            node.sysctl(filtering, 0)
        table = truth_table(policed.objects, [("TCP", 80)], outside=policed.outside)
    finally:
        if has_it:
            node.sysctl(filtering, 1)
        through_the_node(node)
        for pod in pods:
            shell(f"ip -n {pod.name} neigh flush dev eth0")
    assert table.mismatches
    for cell in table.mismatches:
        assert {policed.pods[cell.source].node, policed.pods[cell.destination].node} == {node}
    assert truth_table(policed.objects, [("TCP", 80)], outside=policed.outside).ok


def _forwards_by_itself(node: Node, pods: Sequence[Pod]) -> None:
    node.sysctl("net.ipv4.conf.cni0.proxy_arp_pvlan", 0)
    with node._kernel.changes() as changes:
        for port in node.bridge.ports:
            link.set_isolated(changes, port, False)
    for pod in pods:
        shell(f"ip -n {pod.name} neigh flush dev eth0")


def test_a_large_table_is_a_sample_and_the_same_in_every_run(policed: Policed, monkeypatch: pytest.MonkeyPatch) -> None:
    policed.enforce([])
    monkeypatch.setattr("labhelpers.conformance.policy.table.MOST_PAIRS", 7)
    first, second = (truth_table(policed.objects, [("UDP", 53)]) for _ in range(2))
    assert len(first.cells) == 7
    assert first == second


def test_what_cannot_be_tried_is_said(policed: Policed) -> None:
    with pytest.raises(BadInput, match="no ports to try"):
        truth_table(policed.objects, [("SCTP", 80)])
    with pytest.raises(NotFound, match="no pod 'shop/nobody'"):
        truth_table(policed.objects, pods=["shop/nobody"])
    with pytest.raises(NotFound, match="fewer than two"):
        truth_table(policed.objects, pods=["shop/web"])
