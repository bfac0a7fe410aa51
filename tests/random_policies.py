"""Policies that nobody would write, for property tests: of few labels, names and addresses, so that they meet."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from labhelpers.conformance.policy.recipes import NAMESPACES

__all__ = ["policies"]

_LABELS = {"app": ["web", "api", "db"], "tier": ["front", "back"], "team": ["shop", "ops", "blog"]}
_BLOCKS = ["0.0.0.0/0", "10.0.0.0/8", "10.0.1.0/24", "10.0.2.10/31", "192.168.1.0/24", "::/0"]
_LESS = {
    "0.0.0.0/0": ["10.0.0.0/8", "10.0.1.10/32", "0.0.0.0/1"],
    "10.0.0.0/8": ["10.0.2.0/24", "10.0.1.11/32", "10.0.1.10/32"],
    "10.0.1.0/24": ["10.0.1.10/31"],
}


def _pairs() -> st.SearchStrategy[tuple[str, str]]:
    return st.sampled_from([(key, value) for key, values in _LABELS.items() for value in values])


@st.composite
def _expressions(draw: st.DrawFn) -> dict[str, Any]:
    key = draw(st.sampled_from(sorted(_LABELS)))
    operator = draw(st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]))
    values = draw(st.lists(st.sampled_from(_LABELS[key]), min_size=1, max_size=2, unique=True))
    return {"key": key, "operator": operator, **({"values": values} if operator.endswith("In") else {})}


@st.composite
def _selectors(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if labels := dict(draw(st.lists(_pairs(), max_size=1))):
        found["matchLabels"] = labels
    if expressions := draw(st.lists(_expressions(), max_size=1)):
        found["matchExpressions"] = expressions
    return found


@st.composite
def _peers(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["pods", "namespaces", "both", "block"]))
    if kind == "block":
        cidr = draw(st.sampled_from(_BLOCKS))
        less = draw(st.lists(st.sampled_from(_LESS[cidr]), max_size=2, unique=True)) if cidr in _LESS else []
        return {"ipBlock": {"cidr": cidr, **({"except": less} if less else {})}}
    found = {}
    if kind != "namespaces":
        found["podSelector"] = draw(_selectors())
    if kind != "pods":
        found["namespaceSelector"] = draw(_selectors())
    return found


@st.composite
def _ports(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if protocol := draw(st.sampled_from(["", "TCP", "UDP", "SCTP"])):
        found["protocol"] = protocol
    port = draw(st.sampled_from([None, 80, 8080, "http", 79, (80, 8079), (8000, 8100), (1, 65535)]))
    if isinstance(port, tuple):
        found["port"], found["endPort"] = port
    elif port is not None:
        found["port"] = port
    return found


@st.composite
def _rules(draw: st.DrawFn, side: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if draw(st.booleans()):
        found[side] = draw(st.lists(_peers(), max_size=3))
    if draw(st.booleans()):
        found["ports"] = draw(st.lists(_ports(), max_size=3))
    return found


@st.composite
def _policies(draw: st.DrawFn) -> dict[str, Any]:
    spec: dict[str, Any] = {"podSelector": draw(_selectors())}
    if types := draw(st.sampled_from([[], ["Ingress"], ["Egress"], ["Ingress", "Egress"]])):
        spec["policyTypes"] = types
    for way, side in (("ingress", "from"), ("egress", "to")):
        if draw(st.booleans()):
            spec[way] = draw(st.lists(_rules(side), max_size=3))
    name, namespace = f"p{draw(st.integers(1, 10**6))}", draw(st.sampled_from(sorted(NAMESPACES)))
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


#: one policy of a namespace of the recipes
policies = _policies()
