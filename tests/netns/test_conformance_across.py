"""The network between nodes: it holds with every carrier, and each rule fails when it is broken, and only then."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from labhelpers.conformance import across_nodes
from labhelpers.errors import AlreadyExists, NotFound
from labhelpers.lab import Lab, Pod, checkpoint
from labhelpers.networks.route import Carrier, Vxlan
from tests.netns.carriers import every_carrier, three_nodes
from tests.netns.kernel import shell

pytestmark = pytest.mark.once

RULES = ["pod-to-pod", "no-nat", "node-to-pod", "tcp-sizes", "udp-sizes"]


@every_carrier
@pytest.mark.parametrize("fitted", [False, True], ids=["pods of 1500 bytes", "pods that fit"])
def test_every_carrier_keeps_every_rule(lab: Lab, carrier: type[Carrier], fitted: bool) -> None:
    lab = three_nodes()
    with carrier(lab) as made:
        if fitted:
            made.fit_pods()
        rows = across_nodes(lab)
    assert [row.id for row in rows] == RULES
    assert {row.id: row.seen for row in rows if not row.ok} == {}
    assert [row.seen for row in rows] == [
        "16 of 16 connections",
        "16 source addresses, none changed",
        "10 of 10 connections",
        "78 payloads of 1 to 65536 bytes",
        "78 payloads of 1 to 65507 bytes",
    ]


def _filter(hook: str, rule: str) -> str:
    return (
        f"nft add table ip f; nft add chain ip f x '{{ type filter hook {hook} priority 0; }}'; "
        f"nft add rule ip f x '{rule}'"
    )


BROKEN: dict[str, tuple[Callable[[Any], object], set[str]]] = {
    "a route that is missing": (
        lambda lab: shell("ip -n node-1 route delete 10.0.2.0/24"),
        {"pod-to-pod", "no-nat", "node-to-pod", "tcp-sizes", "udp-sizes"},
    ),
    "a source address rewritten": (lambda lab: lab["node-1"].masquerade(), {"no-nat"}),
    "nodes that may not": (
        lambda lab: [shell(_filter("output", "oifname flannel.1 drop"), node) for node in ("node-1", "node-2")],
        {"node-to-pod"},
    ),
    "a neighbour with another's MAC address": (
        lambda lab: shell("ip -n node-1 neighbour replace 10.0.2.0 lladdr 02:00:00:00:00:01 dev flannel.1"),
        {"pod-to-pod", "no-nat", "node-to-pod", "tcp-sizes", "udp-sizes"},
    ),
    "one direction of one pod": (
        lambda lab: shell(_filter("forward", "ip saddr 10.0.1.11 ip daddr 10.0.2.0/24 drop"), "node-2"),
        {"pod-to-pod"},
    ),
    "no long datagrams": (
        lambda lab: shell(_filter("prerouting", "ip frag-off & 0x3fff != 0 drop"), "node-2"),
        {"udp-sizes"},
    ),
    "no large packets, and nobody told": (
        # on both: a pod that was told of the smaller packets would tell the other, when it is connected to
        lambda lab: [
            shell(_filter("output", "icmp type destination-unreachable drop"), node) for node in ("node-1", "node-2")
        ],
        {"tcp-sizes", "udp-sizes"},
    ),
    "bytes that are changed on their way": (
        lambda lab: shell(_filter("forward", "udp dport 8766 udp length > 1000 @th,64,8 set 0x55"), "node-2"),
        {"udp-sizes"},
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_network_fails_by_the_rules_it_breaks(lab: Lab, name: str) -> None:
    lab = checkpoint("06")
    act, rules = BROKEN[name]
    with Vxlan(lab):
        act(lab)
        rows = across_nodes(lab)
    assert {row.id for row in rows if not row.ok} == rules


def test_without_a_carrier_nothing_arrives(lab: Lab) -> None:
    rows = across_nodes(checkpoint("06"))
    assert [row.ok for row in rows] == [False] * 5
    assert rows["no-nat"].seen == "no connection to look at"
    assert (
        rows["pod-to-pod"].seen == "0 of 8 connections; failed: pod-a → pod-c, pod-a → pod-d, pod-b → pod-c, and 5 more"
    )


def test_a_lab_whose_pods_are_on_one_node_is_told_so(lab: Lab) -> None:
    lab.node("node-1").pods(["pod-a", "pod-b"])
    lab.node("node-2")
    with pytest.raises(NotFound, match=r"no two nodes of this lab have pods.*checkpoint\('06'\)"):
        across_nodes(lab)


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_a_port_that_is_taken_leaves_nothing(lab: Lab, protocol: str) -> None:
    lab = checkpoint("06")
    pod = lab["pod-d"]
    assert isinstance(pod, Pod)
    kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
    with pod._kernel.visit(lambda: socket.socket(socket.AF_INET, kind)) as taken:
        taken.bind(("", 8766))
        with pytest.raises(AlreadyExists, match=f"{protocol} port 8766 is taken in pod-d"):
            across_nodes(lab)
