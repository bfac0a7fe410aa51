"""Policies without a kernel: what they compile to, who decides, and what is shown of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell

from labhelpers.conformance.policy import RECIPES, Cell, Recipe, TruthTable, is_allowed
from labhelpers.conformance.policy.recipes import CAST, OUTSIDE, cast
from labhelpers.errors import BadInput, NotFound
from labhelpers.networks.policy import explain
from labhelpers.networks.policy.compile import compiled
from labhelpers.networks.policy.ruleset import delta
from labhelpers.networks.policy.world import World
from labhelpers.views.policy import explanation_html, explanation_text, matrices, truth_table_html, truth_table_text
from labhelpers.views.register import register
from tests.random_policies import policies

ADDRESSES = {name: f"10.0.1.{number}" for number, name in enumerate(CAST, 10)}
STRANGER = "192.168.1.12"
#: which has rules for each, in no order
ANY = st.lists(policies, max_size=6, unique_by=lambda one: one["metadata"]["name"])


def objects(*policies: Any) -> dict[str, list[Any]]:
    found = cast(ADDRESSES, dict.fromkeys(CAST, "node-1"))
    found["networkpolicies"] = list(policies)
    return found


def pod(all_of_them: dict[str, list[Any]], name: str) -> Any:
    if name == OUTSIDE:
        return {"status": {"podIP": STRANGER}}
    return next(
        one for one in all_of_them["pods"] if f"{one['metadata']['namespace']}/{one['metadata']['name']}" == name
    )


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_oracle_and_the_explanation_agree_with_the_tables_written_by_hand(recipe: Recipe) -> None:
    known = objects(*recipe.policies)
    for source, destination, protocol, port, allowed in recipe.connections():
        assert is_allowed(known, pod(known, source), pod(known, destination), protocol, port) is allowed
        sender, receiver = (STRANGER if end == OUTSIDE else end for end in (source, destination))
        assert explain(known, sender, receiver, port, protocol).allowed is allowed


def test_recipes_have_names_of_their_own() -> None:
    assert len({recipe.name for recipe in RECIPES}) == len(RECIPES)


@settings(max_examples=150, deadline=None)
@given(random=ANY)
def test_the_explanation_says_what_the_oracle_says(random: list[Any]) -> None:
    known = objects(*random)
    for source in (*CAST, OUTSIDE):
        for destination in CAST:
            if source != destination:
                for protocol, port in (("TCP", 80), ("UDP", 8080)):
                    found = explain(known, STRANGER if source == OUTSIDE else source, destination, port, protocol)
                    expected = is_allowed(known, pod(known, source), pod(known, destination), protocol, port)
                    assert found.allowed is expected, found.why


@settings(max_examples=100, deadline=None)
@given(first=ANY, second=ANY)
def test_nothing_is_changed_where_nothing_differs_and_order_does_not_matter(
    first: list[Any], second: list[Any]
) -> None:
    one, two = (compiled(World(objects(*some)), "node-1") for some in (first, second))
    assert delta(one, one) == ""
    assert delta(one, compiled(World(objects(*reversed(first))), "node-1")) == ""
    assert (delta(one, two) == "") is (one == two)


def test_a_chain_is_shared_by_all_pods_of_a_policy_and_absent_where_none_of_them_is() -> None:
    policy = {
        "metadata": {"name": "x", "namespace": "shop"},
        "spec": {"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]},
    }
    here = compiled(World(objects(policy)), "node-1")
    assert list(here.chains) == ["ingress/shop/x"]
    assert here.maps["ingress"] == {ADDRESSES[name]: "jump ingress/shop/x" for name in CAST if name.startswith("shop/")}
    elsewhere = compiled(World(objects(policy)), "node-2")
    assert elsewhere.chains == {}
    assert elsewhere.maps["ingress"] == {}


def test_the_rules_of_a_policy_do_not_grow_with_the_pods_it_names() -> None:
    policy = {
        "metadata": {"name": "x", "namespace": "shop"},
        "spec": {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}], "ports": [{"port": 80}]}]},
    }
    known = objects(policy)
    few = compiled(World(known), "node-1").chains
    for number in range(200):
        known["pods"].append({
            "metadata": {"name": f"more-{number}", "namespace": "shop"},
            "spec": {"nodeName": "node-1"},
            "status": {"podIP": f"10.0.3.{number + 1}"},
        })  # fmt: skip
    assert compiled(World(known), "node-1").chains == few


@pytest.mark.parametrize(
    "changed",
    [{"spec": {"hostNetwork": True}}, {"status": {"phase": "Succeeded"}}, {"status": {}}, {"status": {"podIP": "::1"}}],
)
def test_pods_without_a_network_of_their_own_are_left_out(changed: dict[str, dict[str, Any]]) -> None:
    known = objects()
    for part, values in changed.items():
        known["pods"][0][part] = {**known["pods"][0][part], **values} if values else {}
    assert "shop/web" not in map(str, World(known).pods)
    with pytest.raises(NotFound, match="There is no pod 'shop/web' with an address of its own"):
        explain(known, "shop/web", "shop/db", 80)


def recipe_named(name: str) -> dict[str, list[Any]]:
    return objects(*next(recipe.policies for recipe in RECIPES if recipe.name == name))


def test_an_explanation_names_policy_and_rule_of_each_side() -> None:
    found = explain(recipe_named("limit-to-an-app"), "shop/api", "shop/db", 80)
    assert found.allowed
    assert (found.ingress.policy, found.ingress.rule) == ("shop/db-from-api", 1)
    assert explanation_text(found) == (
        "shop/api → shop/db, TCP 80: allowed\n"
        "  ✓ egress of shop/api\n"
        "      shop/api is not isolated for egress: no policy that selects it is about egress.\n"
        "  ✓ ingress of shop/db\n"
        "      shop/db-from-api, ingress rule 1, allows it: from pods with app=api of its own namespace."
    )


def test_an_explanation_says_what_of_each_rule_did_not_fit() -> None:
    found = explain(recipe_named("by-port"), "shop/db", "shop/api", 80)
    assert explanation_text(found) == (
        "shop/db → shop/api, TCP 80: blocked\n"
        "  ✓ egress of shop/db\n"
        "      shop/db is not isolated for egress: no policy that selects it is about egress.\n"
        "  ✗ ingress of shop/api\n"
        "      shop/api-8080 isolates shop/api for ingress, and its rules do not allow it.\n"
        "      not by shop/api-8080 rule 1: shop/db is not among pods with app=web of its own namespace, and "
        "TCP 80 is not TCP 8080"
    )
    assert found.why == "shop/api-8080 isolates shop/api for ingress, and its rules do not allow it."
    assert "<ul><li>not by shop/api-8080 rule 1" in explanation_html(found)


def test_who_is_no_pod_and_who_talks_to_itself_is_not_asked_about() -> None:
    quiet = recipe_named("deny-all-in-a-namespace")
    assert explain(quiet, "shop/db", "shop/db", 80).egress.why == (
        "shop/db talks to itself: the packet never leaves the pod."
    )
    assert (
        explain(quiet, "shop/db", STRANGER, 80).ingress.why == f"{STRANGER} is no pod: no policy is about its ingress."
    )
    assert explain(quiet, ADDRESSES["ops/prometheus"], ADDRESSES["shop/db"], 80).source == "ops/prometheus"


@pytest.mark.parametrize(("port", "protocol"), [(0, "TCP"), (True, "TCP"), ("80", "TCP"), (80, "SCTP")])
def test_what_is_no_port_is_refused(port: Any, protocol: str) -> None:
    with pytest.raises(BadInput):
        explain(objects(), "shop/db", "shop/web", port, protocol)


def test_a_truth_table_is_shown_as_a_matrix_with_its_mismatches_explained() -> None:
    cells = (
        Cell("a/x", "a/y", "TCP", 80, True, "allowed", ""),
        Cell("a/y", "a/x", "TCP", 80, False, "blocked", ""),
        Cell("a/z", "a/x", "TCP", 80, False, "allowed", "a/<deny> isolates a/x."),
        Cell("a/z", "a/y", "TCP", 80, True, "refused", "a/y is not isolated."),
    )
    table = TruthTable("policies of a", cells)
    (matrix,) = matrices(table)
    assert str(matrix) == (
        "policies of a: TCP 80\n"
        "   from, to  1        2        3\n"
        "1  a/x                ✓\n"
        "2  a/y       ·\n"
        "3  a/z       ALLOWED  REFUSED"
    )
    assert not table.ok
    assert "a/z → a/x, TCP 80: allowed, though: a/<deny> isolates a/x." in truth_table_text(table)
    assert "a/&lt;deny&gt;" in truth_table_html(table)
    assert "<deny>" not in truth_table_html(table)
    assert table["a/z", "a/y", "TCP", 80].seen == "refused"


def test_a_notebook_shows_both_in_words_and_in_html() -> None:
    shell = InteractiveShell.instance()
    register()
    found = explain(recipe_named("by-port"), "shop/db", "shop/api", 80)
    data, _ = shell.display_formatter.format(found)
    assert data["text/plain"] == explanation_text(found)
    assert data["text/html"] == explanation_html(found)
    table = TruthTable("policies of a", (Cell("a/x", "a/y", "TCP", 80, True, "allowed", ""),))
    data, _ = shell.display_formatter.format(table)
    assert data["text/plain"] == truth_table_text(table)
    assert data["text/html"] == truth_table_html(table)
