"""NetworkPolicies that the API server takes, with their defaults, and those it refuses: which field, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.apiserver import Client, api

URL = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with api() as client:
        yield client


def send(client: Client, spec: Any, name: str = "tried") -> tuple[int, Any]:
    body = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": spec,
    }
    return client.ask("POST", f"{URL}?dryRun=All", body)


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ({"podSelector": {}}, ["Ingress"]),
        ({"podSelector": {}, "egress": []}, ["Ingress"]),
        ({"podSelector": {}, "egress": [{}]}, ["Ingress", "Egress"]),
        ({"podSelector": {}, "egress": [{}], "policyTypes": ["Egress"]}, ["Egress"]),
    ],
)
def test_types_that_are_not_said_are_ingress_and_egress_if_it_has_a_rule(
    client: Client, spec: Any, types: list[str]
) -> None:
    status, made = send(client, spec)
    assert status == 201, made
    assert made["spec"]["policyTypes"] == types


def test_what_means_everybody_is_kept_as_it_was_sent(client: Client) -> None:
    ingress: list[Any] = [
        {},
        {"from": [{"namespaceSelector": {}}, {"podSelector": {}}], "ports": [{"port": "http"}]},
        {"ports": [{"protocol": "UDP"}]},
        {"from": [{"ipBlock": {"cidr": "10.0.1.7/8", "except": ["10.0.0.0/9"]}}]},
    ]
    status, made = send(client, {"podSelector": {}, "ingress": ingress})
    assert status == 201, made
    ingress[1]["ports"] = [{"port": "http", "protocol": "TCP"}]
    assert made["spec"]["ingress"] == ingress


def ingress(*peers: Any) -> dict[str, Any]:
    return {"podSelector": {}, "ingress": [{"from": list(peers)}]}


def ports(*ports: Any) -> dict[str, Any]:
    return {"podSelector": {}, "ingress": [{"ports": list(ports)}]}


def expression(**one: Any) -> dict[str, Any]:
    return {"podSelector": {"matchExpressions": [one]}}


REFUSED = {
    "a peer that is nobody": (
        ingress({}),
        "spec.ingress[0].from[0]",
        "FieldValueRequired",
        "Required value: must specify a peer",
    ),
    "a block and a selector": (
        ingress({"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}),
        "spec.ingress[0].from[0]",
        "FieldValueForbidden",
        "Forbidden: may not specify both ipBlock and another peer",
    ),
    "a block that is none": (
        ingress({"ipBlock": {"cidr": "10.0.0.0"}}),
        "spec.ingress[0].from[0].ipBlock.cidr",
        "FieldValueInvalid",
        f'Invalid value: "10.0.0.0": {CIDR}',
    ),
    "an exception that is no block": (
        ingress({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8x"]}}),
        "spec.ingress[0].from[0].ipBlock.except[0]",
        "FieldValueInvalid",
        f'Invalid value: "10.0.0.0/8x": {CIDR}',
    ),
    "an exception outside": (
        ingress({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "11.0.0.0/16"]}}),
        "spec.ingress[0].from[0].ipBlock.except[1]",
        "FieldValueInvalid",
        'Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
    ),
    "an exception of all": (
        ingress({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}),
        "spec.ingress[0].from[0].ipBlock.except[0]",
        "FieldValueInvalid",
        'Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`',
    ),
    "a port that is too large": (
        ports({"port": 80}, {"port": 65536}),
        "spec.ingress[0].ports[1].port",
        "FieldValueInvalid",
        "Invalid value: 65536: must be between 1 and 65535, inclusive",
    ),
    "a name of no port": (
        ports({"port": "80"}),
        "spec.ingress[0].ports[0].port",
        "FieldValueInvalid",
        'Invalid value: "80": must contain at least one letter (a-z)',
    ),
    "a range that ends before it begins": (
        ports({"port": 80, "endPort": 79}),
        "spec.ingress[0].ports[0].endPort",
        "FieldValueInvalid",
        "Invalid value: 79: must be greater than or equal to `port`",
    ),
    "a range of a name": (
        ports({"port": "http", "endPort": 79}),
        "spec.ingress[0].ports[0].endPort",
        "FieldValueInvalid",
        "Invalid value: 79: may not be specified when `port` is non-numeric",
    ),
    "a range without a beginning": (
        ports({"endPort": 79}),
        "spec.ingress[0].ports[0].endPort",
        "FieldValueInvalid",
        "Invalid value: 79: may not be specified when `port` is not specified",
    ),
    "a protocol that is none": (
        ports({"port": 80, "protocol": "tcp"}),
        "spec.ingress[0].ports[0].protocol",
        "FieldValueNotSupported",
        'Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"',
    ),
    "a protocol that is not enforced here": (
        ports({"port": 80, "protocol": "SCTP"}),
        "spec.ingress[0].ports[0].protocol",
        "FieldValueForbidden",
        "Forbidden: this cluster cannot do that: only ports of TCP and UDP are enforced",
    ),
    "a type that is none": (
        {"podSelector": {}, "policyTypes": ["ingress"]},
        "spec.policyTypes[0]",
        "FieldValueNotSupported",
        'Unsupported value: "ingress": supported values: "Egress", "Ingress"',
    ),
    "three types": (
        {"podSelector": {}, "policyTypes": ["Ingress", "Egress", "Ingress"]},
        "spec.policyTypes",
        "FieldValueInvalid",
        'Invalid value: ["Ingress","Egress","Ingress"]: may not specify more than two policyTypes',
    ),
    "an operator that is none": (
        expression(key="app", operator="Equals", values=["web"]),
        "spec.podSelector.matchExpressions[0].operator",
        "FieldValueInvalid",
        'Invalid value: "Equals": not a valid selector operator',
    ),
    "one of no values": (
        expression(key="app", operator="In"),
        "spec.podSelector.matchExpressions[0].values",
        "FieldValueRequired",
        "Required value: must be specified when `operator` is 'In' or 'NotIn'",
    ),
    "values of what is there": (
        expression(key="app", operator="Exists", values=["web"]),
        "spec.podSelector.matchExpressions[0].values",
        "FieldValueForbidden",
        "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_policy_that_cannot_be_is_refused_and_the_field_is_named(client: Client, case: str) -> None:
    spec, field, reason, message = REFUSED[case]
    status, answer = send(client, spec)
    assert (status, answer["reason"]) == (422, "Invalid")
    assert answer["details"]["causes"] == [{"reason": reason, "message": message, "field": field}]
    assert answer["message"] == f'NetworkPolicy.networking.k8s.io "tried" is invalid: {field}: {message}'


def test_every_problem_is_named_and_an_update_is_checked_too(client: Client) -> None:
    body = {"metadata": {"name": "kept"}, "spec": {"podSelector": {}}}
    status, made = client.ask("POST", URL, body)
    assert status == 201, made
    made["spec"]["egress"] = [{"to": [{}], "ports": [{"port": 0}]}]
    status, answer = client.ask("PUT", f"{URL}/kept", made)
    assert status == 422
    assert [one["field"] for one in answer["details"]["causes"]] == [
        "spec.egress[0].ports[0].port",
        "spec.egress[0].to[0]",
    ]
    assert "egress" not in client.get(f"{URL}/kept")["spec"]


def test_a_label_that_cannot_be_is_refused_where_it_selects(client: Client) -> None:
    status, answer = send(client, ingress({"namespaceSelector": {"matchLabels": {"team": "a b"}}}))
    assert status == 422
    (cause,) = answer["details"]["causes"]
    assert cause["field"] == "spec.ingress[0].from[0].namespaceSelector.matchLabels"
