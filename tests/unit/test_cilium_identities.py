"""Identities and what a datapath is told: the same decisions as the policies', by numbers instead of addresses."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labhelpers.conformance.policy import RECIPES, Recipe, is_allowed
from labhelpers.conformance.policy.recipes import CAST, cast
from labhelpers.errors import BadInput
from labhelpers.networks.attach.cilium_host import router_of
from labhelpers.networks.cilium.datapath import Wanted
from labhelpers.networks.cilium.identity import HOST, REMOTE_NODE, WIRE, WORLD, Identities
from labhelpers.networks.cilium.limits import LIMITS, require_room
from labhelpers.networks.cilium.plan import Attached, planned
from labhelpers.networks.policy.world import World
from labhelpers.networks.route import Known
from tests.judge import identity_of, passes
from tests.random_policies import policies

NODES = [Known("node-1", "192.168.1.10", "10.0.1.0/24"), Known("node-2", "192.168.1.11", "10.0.2.0/24")]
STRANGER = "192.168.1.12"
PLACES = {name: NODES[number % 2] for number, name in enumerate(sorted(CAST))}
ADDRESSES = {name: f"10.0.{PLACES[name].name[-1]}.{number}" for number, name in enumerate(CAST, 10)}
PORTS = (("TCP", 80), ("TCP", 8080), ("UDP", 80))
NUMBERS = {"TCP": 6, "UDP": 17}


def objects(*policies: Any) -> dict[str, list[Any]]:
    found = cast(ADDRESSES, {name: node.name for name, node in PLACES.items()})
    found["networkpolicies"] = list(policies)
    return found


def told(known: dict[str, list[Any]]) -> dict[str, Wanted]:
    """What both nodes are told."""
    found = {}
    for node in NODES:
        pods = [
            Attached(address, f"lxc{address}", "02:00:00:00:00:01")
            for name, address in ADDRESSES.items()
            if PLACES[name] is node
        ]
        peers = [one for one in NODES if one is not node]
        found[node.name], _ = planned(World(known), node, peers, pods, [node.address, router_of(node)], tunnel=True)
    return found


def decided(known: dict[str, list[Any]]) -> dict[tuple[str, str, str, int], bool]:
    """What becomes of each connection: both nodes that it passes have to let it."""
    nodes = told(known)
    ends = {**ADDRESSES, "outside": STRANGER}
    places = {name: node.name for name, node in PLACES.items()}
    verdicts = {}
    for source, destination in permutations(ends, 2):
        for protocol, port in PORTS:
            ways = {places[end] for end in (source, destination) if end in places}
            verdicts[source, destination, protocol, port] = all(
                passes(nodes[way], ends[source], ends[destination], NUMBERS[protocol], port) for way in ways
            )
    return verdicts


def expected(known: dict[str, list[Any]]) -> dict[tuple[str, str, str, int], bool]:
    pods = {f"{one['metadata']['namespace']}/{one['metadata']['name']}": one for one in known["pods"]}
    pods["outside"] = {"status": {"podIP": STRANGER}}
    return {
        (source, destination, protocol, port): is_allowed(known, pods[source], pods[destination], protocol, port)
        for source, destination in permutations(pods, 2)
        for protocol, port in PORTS
    }


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_numbers_decide_as_the_policies_of_a_recipe_do(recipe: Recipe) -> None:
    known = objects(*recipe.policies)
    assert decided(known) == expected(known)


@settings(max_examples=150, deadline=None)
@given(random=st.lists(policies, max_size=6, unique_by=lambda one: one["metadata"]["name"]))
def test_numbers_decide_as_random_policies_do(random: list[Any]) -> None:
    known = objects(*random)
    assert decided(known) == expected(known)
    for wanted in told(known).values():
        seen: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
        for one in wanted.allowed:
            seen.setdefault((one.subject, one.direction, one.remote, one.protocol), []).append((one.first, one.last))
            assert one.protocol or (one.first, one.last) == (0, 65535)
        for ranges in seen.values():
            ranges.sort()
            assert all(last < first for (_, last), (first, _) in pairwise(ranges))


def test_pods_with_the_same_labels_are_one_identity_on_every_node_whatever_their_addresses() -> None:
    known = objects()
    twin = {**known["pods"][0], "metadata": {**known["pods"][0]["metadata"], "name": "twin"}}
    twin["status"] = {"phase": "Running", "podIP": "10.0.2.99"}
    known["pods"].append(twin)
    first, second = told(known).values()
    number = identity_of(first, "10.0.2.99")
    assert number in WIRE
    assert number == identity_of(first, ADDRESSES["shop/web"]) == identity_of(second, ADDRESSES["shop/web"])
    assert number != identity_of(first, ADDRESSES["blog/web"])


def test_a_label_that_a_controller_gives_makes_no_identity_unless_a_policy_asks_for_it() -> None:
    known = objects()
    for number, pod in enumerate(known["pods"][:2]):
        pod["metadata"]["namespace"] = "shop"
        pod["metadata"]["labels"] = {"app": "web", "pod-template-hash": f"{number}"}
        pod["spec"]["containers"] = []
    addresses = [pod["status"]["podIP"] for pod in known["pods"][:2]]
    identities = Identities(World(known))
    assert identities.of_pod(addresses[0]) == identities.of_pod(addresses[1])
    chosen = {"podSelector": {"matchLabels": {"pod-template-hash": "0"}}}
    known["networkpolicies"] = [{"metadata": {"name": "one", "namespace": "shop"}, "spec": chosen}]
    identities = Identities(World(known))
    assert identities.of_pod(addresses[0]) != identities.of_pod(addresses[1])


def test_the_node_its_peers_and_everybody_else_have_the_numbers_of_cilium() -> None:
    wanted = told(objects())["node-1"]
    assert identity_of(wanted, "192.168.1.10") == identity_of(wanted, "10.0.1.1") == HOST == 1
    assert identity_of(wanted, "192.168.1.11") == identity_of(wanted, "10.0.2.1") == REMOTE_NODE == 6
    assert identity_of(wanted, STRANGER) == identity_of(wanted, "8.8.8.8") == WORLD == 2


def test_the_ipcache_says_which_node_addresses_are_on() -> None:
    wanted = told(objects())["node-1"]
    behind = {one.block: one.node for one in wanted.ipcache}
    assert behind["10.0.2.0/24"] == "192.168.1.11"
    assert behind["10.0.1.0/24"] == behind["0.0.0.0/0"] == ""
    for name, address in ADDRESSES.items():
        assert behind[str(IPv4Network(address))] == ("192.168.1.11" if PLACES[name] is NODES[1] else "")


def test_kinds_of_pods_that_have_the_same_place_get_numbers_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labhelpers.networks.cilium.identity._digest", lambda labels: 7)
    numbers = Identities(World(objects())).of_pods
    assert sorted(numbers.values()) == list(range(WIRE[7], WIRE[7] + len(CAST)))


def test_more_kinds_of_pods_than_numbers_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labhelpers.networks.cilium.identity.WIRE", range(256, 260))
    with pytest.raises(BadInput, match=r"There are 6 kinds of pods, and 4 identities"):
        Identities(World(objects()))


def test_a_table_that_is_full_is_refused_in_words() -> None:
    wanted = told(objects())["node-1"]
    require_room(wanted)
    with pytest.raises(BadInput, match=r"3 entries of endpoints on node-1, and its datapath has room for 2"):
        require_room(wanted, {**LIMITS, "endpoints": 2})
    with pytest.raises(BadInput, match=r"entries of ipcache"):
        require_room(replace(wanted, endpoints=()), {**LIMITS, "ipcache": 1})
