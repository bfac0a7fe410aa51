"""Networks that enforce policies pass every recipe, on one node and across; one that does not is found out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from labhelpers.conformance.policy import RECIPES, Recipe, truth_table
from labhelpers.conformance.policy.recipes import CAST, OUTSIDE, cast
from labhelpers.lab import Lab
from labhelpers.networks import Calico, Canal, Cilium, Flannel, Installed, Network, Weave

ENFORCING = {
    "calico vxlan": Calico("vxlan"),
    "calico bgp": Calico("bgp"),
    "calico ipip": Calico("ipip"),
    "calico wireguard": Calico(wireguard=True),
    "canal": Canal(),
    "cilium nft": Cilium("nft"),
    "weave": Weave(),
}


@contextmanager
def with_cast(network: Network) -> Iterator[tuple[Installed, dict[str, list[Any]]]]:
    """The pods of the recipes on two nodes, made by the network's plugin, and their API objects."""
    lab = Lab()
    try:
        nodes = [lab.node(f"node-{number}") for number in (1, 2)]
        with network.install(lab) as installed:
            made = {
                name: installed.pod(nodes[number % 2], name.replace("/", "-"))
                for number, name in enumerate(sorted(CAST))
            }
            installed.wait()
            addresses = {name: pod.address for name, pod in made.items()}
            yield installed, cast(addresses, {name: pod.node.name for name, pod in made.items()})
    finally:
        lab.reset()


def allowed(recipe: Recipe) -> dict[tuple[str, str, str, int], bool]:
    """Its table, of pods only."""
    return {
        (source, destination, protocol, port): verdict
        for source, destination, protocol, port, verdict in recipe.connections()
        if OUTSIDE not in (source, destination)
    }


# first, because the others' labs stay until the last test that uses them
def test_on_flannel_a_policy_does_nothing_and_the_table_says_which_ought_to_have_decided() -> None:
    deny = next(recipe for recipe in RECIPES if recipe.name == "deny-all-in-a-namespace")
    with with_cast(Flannel()) as (installed, objects):
        objects["networkpolicies"] = list(deny.policies)
        assert installed.apply(objects) == {}
        table = truth_table(objects, deny.tables)
        assert {one.seen for one in table.cells} == {"allowed"}
        assert {one.destination for one in table.mismatches} == {"shop/web", "shop/api", "shop/db"}
        assert all(one.why.startswith("shop/deny-all isolates") for one in table.mismatches)


@pytest.fixture(scope="module", params=ENFORCING)
def enforcing(request: pytest.FixtureRequest) -> Iterator[tuple[Installed, dict[str, list[Any]]]]:
    with with_cast(ENFORCING[request.param]) as made:
        yield made


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_network_that_enforces_policies_passes_the_recipe(
    enforcing: tuple[Installed, dict[str, list[Any]]], recipe: Recipe
) -> None:
    installed, objects = enforcing
    objects["networkpolicies"] = list(recipe.policies)
    assert set(installed.apply(objects)) == {"node-1", "node-2"}
    table = truth_table(objects, recipe.tables)
    seen = {(one.source, one.destination, one.protocol, one.port): one.seen == "allowed" for one in table.cells}
    assert seen == allowed(recipe)
    assert table.ok
