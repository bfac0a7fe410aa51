"""Policies that everybody needs sooner or later, each with the table of what it allows, written down by hand.

All are about the same pods, see ``CAST``, and somebody outside of the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import permutations
from typing import Any

__all__ = ["CAST", "NAMESPACES", "OUTSIDE", "RECIPES", "Recipe", "cast"]

Object = dict[str, Any]

#: namespaces and their labels, beside the name that the API server writes there
NAMESPACES = {
    "shop": {"team": "shop"}, "blog": {"team": "blog"}, "ops": {"team": "ops"}, "kube-system": {},
}  # fmt: skip
#: pods, their labels, and the ports that they call by a name
CAST: dict[str, tuple[dict[str, str], dict[str, int]]] = {
    "shop/web": ({"app": "web", "tier": "front"}, {"http": 80}),
    "shop/api": ({"app": "api", "tier": "back"}, {"http": 8080}),
    "shop/db": ({"app": "db", "tier": "back"}, {}),
    "blog/web": ({"app": "web"}, {"http": 80}),
    "ops/prometheus": ({"app": "prometheus"}, {}),
    "kube-system/dns": ({"k8s-app": "kube-dns"}, {}),
}
#: who is no pod, in the tables
OUTSIDE = "outside"
#: the blocks that the addresses of the pods are from, whatever node they are on
PODS_BLOCK = "10.0.0.0/8"


@dataclass(frozen=True)
class Recipe:
    """Policies, and for each protocol and port who reaches whom.

    A table is a list of lines ``block WHO > WHOM`` and ``allow WHO > WHOM``, with ``*`` for anything; of those that fit
    the last one counts.  Without a line everything is allowed.
    """

    name: str
    #: what it is good for, in one sentence
    about: str
    policies: tuple[Object, ...]
    tables: Mapping[tuple[str, int], Sequence[str]]

    def allowed(self, source: str, destination: str, protocol: str, port: int) -> bool:
        """What the table says."""
        verdict = "allow"
        for line in self.tables[protocol, port]:
            word, who, _, whom = line.split()
            if fnmatchcase(source, who) and fnmatchcase(destination, whom):
                verdict = word
        return verdict == "allow"

    def connections(self) -> Iterator[tuple[str, str, str, int, bool]]:
        """Every line of the tables written out: source, destination, protocol, port, allowed."""
        for protocol, port in self.tables:
            for source, destination in permutations([*CAST, OUTSIDE], 2):
                yield source, destination, protocol, port, self.allowed(source, destination, protocol, port)


def cast(addresses: Mapping[str, str], nodes: Mapping[str, str]) -> dict[str, list[Object]]:
    """The API's objects of the pods and namespaces, with the addresses and nodes that the pods have got."""
    pods = []
    for name, (labels, ports) in CAST.items():
        namespace, _, short = name.partition("/")
        named = [{"name": called, "containerPort": number} for called, number in ports.items()]
        pods.append({
            "metadata": {"name": short, "namespace": namespace, "labels": labels},
            "spec": {"nodeName": nodes[name], "containers": [{"name": "main", "ports": named}]},
            "status": {"phase": "Running", "podIP": addresses[name]},
        })  # fmt: skip
    namespaces = [
        {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}}}
        for name, labels in NAMESPACES.items()
    ]
    return {"pods": pods, "namespaces": namespaces, "networkpolicies": []}


def _policy(name: str, namespace: str, pods: Object, **spec: Any) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": pods, **spec},
    }


def _app(name: str) -> Object:
    return {"matchLabels": {"app": name}}


_HTTP = ("TCP", 80)
_EVERY: Object = {}
_DENY = _policy("deny-all", "shop", _EVERY, policyTypes=["Ingress"])
_TEAM_OPS = {"namespaceSelector": {"matchLabels": {"team": "ops"}}}

RECIPES = (
    Recipe(
        "deny-to-an-app",
        "Nobody reaches the database: it is selected, and no rule allows anything.",
        (_policy("db-deny", "shop", _app("db"), ingress=[]),),
        {_HTTP: ["block * > shop/db"], ("UDP", 53): ["block * > shop/db"]},
    ),
    Recipe(
        "deny-all-in-a-namespace",
        "An empty podSelector selects every pod of the policy's namespace: the usual first policy.",
        (_DENY,),
        {_HTTP: ["block * > shop/*"]},
    ),
    Recipe(
        "allow-all-to-an-app",
        "Policies add up: what one denies to all pods, another opens for some.",
        (_DENY, _policy("web-open", "shop", _app("web"), ingress=[{}])),
        {_HTTP: ["block * > shop/*", "allow * > shop/web"], ("UDP", 53): ["block * > shop/*", "allow * > shop/web"]},
    ),
    Recipe(
        "limit-to-an-app",
        "Only pods with a label, of the same namespace, reach the database.",
        (_policy("db-from-api", "shop", _app("db"), ingress=[{"from": [{"podSelector": _app("api")}]}]),),
        {_HTTP: ["block * > shop/db", "allow shop/api > shop/db"]},
    ),
    Recipe(
        "same-namespace-only",
        "Other namespaces are kept out; a podSelector alone means pods of the policy's own namespace.",
        (_policy("own-only", "shop", _EVERY, ingress=[{"from": [{"podSelector": {}}]}]),),
        {_HTTP: ["block * > shop/*", "allow shop/* > shop/*"]},
    ),
    Recipe(
        "every-namespace",
        "Pods of every namespace are let in, and nobody else: an empty namespaceSelector means all of them.",
        (_policy("pods-only", "shop", _app("web"), ingress=[{"from": [{"namespaceSelector": {}}]}]),),
        {_HTTP: ["block outside > shop/web"]},
    ),
    Recipe(
        "from-a-namespace-by-label",
        "A namespaceSelector goes by the labels of namespaces.",
        (_policy("db-from-ops", "shop", _app("db"), ingress=[{"from": [_TEAM_OPS]}]),),
        {_HTTP: ["block * > shop/db", "allow ops/* > shop/db"]},
    ),
    Recipe(
        "selectors-both",
        "Both selectors in one entry: pods with this label, in namespaces with that one.",
        (
            _policy("both", "shop", _app("db"), ingress=[
                {"from": [{"namespaceSelector": {"matchLabels": {"team": "blog"}}, "podSelector": _app("web")}]},
            ]),
        ),
        {_HTTP: ["block * > shop/db", "allow blog/web > shop/db"]},
    ),
    Recipe(
        "selectors-either",
        "Two selectors in two entries: namespaces with that label, or pods with this one in the own namespace.",
        (
            _policy("either", "shop", _app("db"), ingress=[
                {"from": [{"namespaceSelector": {"matchLabels": {"team": "ops"}}}, {"podSelector": _app("web")}]},
            ]),
        ),
        {_HTTP: ["block * > shop/db", "allow ops/* > shop/db", "allow shop/web > shop/db"]},
    ),
    Recipe(
        "by-port",
        "One port is open to one app, every other port to nobody.",
        (
            _policy("api-8080", "shop", _app("api"), ingress=[
                {"from": [{"podSelector": _app("web")}], "ports": [{"port": 8080}]},
            ]),
        ),
        {
            _HTTP: ["block * > shop/api"],
            ("TCP", 8080): ["block * > shop/api", "allow shop/web > shop/api"],
            ("UDP", 8080): ["block * > shop/api"],
        },
    ),
    Recipe(
        "by-the-name-of-a-port",
        "A port's name means what the destination calls so: 80 at one pod, 8080 at another.",
        (_policy("named", "shop", _EVERY, ingress=[{"ports": [{"port": "http"}]}]),),
        {
            _HTTP: ["block * > shop/*", "allow * > shop/web"],
            ("TCP", 8080): ["block * > shop/*", "allow * > shop/api"],
        },
    ),
    Recipe(
        "a-range-of-ports",
        "From port to endPort, both included.",
        (_policy("range", "shop", _app("api"), ingress=[{"ports": [{"port": 8000, "endPort": 8080}]}]),),
        {
            ("TCP", 7999): ["block * > shop/api"],
            ("TCP", 8000): [],
            ("TCP", 8080): [],
            ("TCP", 8081): ["block * > shop/api"],
        },
    ),
    Recipe(
        "labels-by-expressions",
        "matchExpressions say what matchLabels cannot: one of several values, or a label that is not there.",
        (
            _policy(
                "expressions",
                "shop",
                {"matchExpressions": [{"key": "app", "operator": "In", "values": ["db", "api"]}]},
                ingress=[
                    {
                        "from": [
                            {
                                "namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]},
                                "podSelector": {
                                    "matchExpressions": [
                                        {"key": "tier", "operator": "DoesNotExist"},
                                        {"key": "app", "operator": "NotIn", "values": ["prometheus"]},
                                    ]
                                },
                            }
                        ]
                    }
                ],
            ),
        ),
        {
            _HTTP: [
                "block * > shop/db", "block * > shop/api", "allow blog/web > shop/db", "allow blog/web > shop/api",
            ]
        },
    ),
    Recipe(
        "from-outside-only",
        "Addresses that no pod has: a block of everything, without the pods' own.",
        (
            _policy("web-public", "shop", _app("web"), ingress=[
                {"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [PODS_BLOCK]}}], "ports": [{"port": 80}]},
            ]),
        ),
        {_HTTP: ["block * > shop/web", "allow outside > shop/web"], ("TCP", 8080): ["block * > shop/web"]},
    ),
    Recipe(
        "deny-egress",
        "An app that talks to nobody. It may still be talked to, and its answers go out.",
        (_policy("db-quiet", "shop", _app("db"), policyTypes=["Egress"]),),
        {_HTTP: ["block shop/db > *"], ("UDP", 53): ["block shop/db > *"]},
    ),
    Recipe(
        "egress-dns-only",
        "Names may be looked up, and nothing else.",
        (
            _policy("dns-only", "shop", _EVERY, policyTypes=["Egress"], egress=[
                {
                    "to": [{
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
                    }],
                    "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
                },
            ]),
        ),
        {
            _HTTP: ["block shop/* > *"],
            ("UDP", 53): ["block shop/* > *", "allow shop/* > kube-system/dns"],
            ("TCP", 53): ["block shop/* > *", "allow shop/* > kube-system/dns"],
        },
    ),
    Recipe(
        "egress-to-outside-only",
        "The internet, and no pod.",
        (
            _policy("outside-only", "blog", _EVERY, policyTypes=["Egress"], egress=[
                {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [PODS_BLOCK]}}]},
            ]),
        ),
        {_HTTP: ["block blog/web > *", "allow blog/web > outside"]},
    ),
    Recipe(
        "both-ends-must-agree",
        "The receiver lets the sender in, and the sender may not send: both sides are asked.",
        (
            _policy("db-from-web", "shop", _app("db"), ingress=[{"from": [{"podSelector": _app("web")}]}]),
            _policy("web-quiet", "shop", _app("web"), policyTypes=["Egress"]),
        ),
        {_HTTP: ["block * > shop/db", "block shop/web > *"]},
    ),
)  # fmt: skip
