"""The network model: it holds in the two-node lab, and each rule fails when it is broken, and only then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from labhelpers.conformance import Row, network_model
from labhelpers.errors import AlreadyExists, NotFound
from labhelpers.lab import Lab, checkpoint
from labhelpers.linux.process import namespaces_of_processes
from labhelpers.linux.records import Rows
from tests.netns.kernel import shell

RULES = ["unique-ip", "pod-to-pod", "no-nat", "node-to-pod", "same-ip"]
Break = Callable[[Any], object]

BROKEN: dict[str, tuple[Break, dict[str, str]]] = {
    "masquerade": (
        lambda lab: lab["node-1"].masquerade(),
        {
            "no-nat": "pod-a → pod-c: arrived as 192.168.1.10; pod-a → pod-d: arrived as 192.168.1.10; "
            "pod-b → pod-c: arrived as 192.168.1.10; and 1 more",
            "same-ip": "pod-a: inside 10.0.1.10, outside 10.0.1.10, 192.168.1.10; "
            "pod-b: inside 10.0.1.11, outside 10.0.1.11, 192.168.1.10",
        },
    ),
    "a route that is missing": (
        lambda lab: shell("ip -n node-1 route delete 10.0.2.0/24"),
        {
            "pod-to-pod": "4 of 12 connections; failed: pod-a → pod-c, pod-a → pod-d, pod-b → pod-c, and 5 more",
        },
    ),
    "forwarding switched off": (
        lambda lab: shell("sysctl -qw net.ipv4.ip_forward=0", "node-2"),
        {
            "pod-to-pod": "4 of 12 connections; failed: pod-a → pod-c, pod-a → pod-d, pod-b → pod-c, and 5 more",
        },
    ),
    "a firewall between nodes": (
        lambda lab: shell(
            "nft add table ip f; nft add chain ip f x '{ type filter hook forward priority 0; }';"
            "nft add rule ip f x oifname eth0 drop",
            "node-1",
        ),
        {
            "pod-to-pod": "4 of 12 connections; failed: pod-a → pod-c, pod-a → pod-d, pod-b → pod-c, and 5 more",
        },
    ),
    "a firewall in a pod": (
        lambda lab: shell(
            "nft add table ip f; nft add chain ip f in '{ type filter hook input priority 0; }';"
            "nft add rule ip f in tcp flags syn tcp dport 8765 reject with tcp reset",
            "pod-d",
        ),
        {
            "pod-to-pod": "9 of 12 connections; failed: pod-a → pod-d, pod-b → pod-d, pod-c → pod-d",
            "node-to-pod": "3 of 4 connections; failed: node-2 → pod-d",
        },
    ),
    "a node that may not": (
        lambda lab: shell(
            "nft add table ip f; nft add chain ip f out '{ type filter hook output priority 0; }';"
            "nft add rule ip f out oifname cni0 drop",
            "node-1",
        ),
        {"node-to-pod": "2 of 4 connections; failed: node-1 → pod-a, node-1 → pod-b"},
    ),
    "a pod unplugged": (
        lambda lab: shell("ip -n node-1 link set veth-pod-b nomaster"),
        {
            "pod-to-pod": "6 of 12 connections; failed: pod-a → pod-b, pod-b → pod-a, pod-b → pod-c, and 3 more",
            "node-to-pod": "3 of 4 connections; failed: node-1 → pod-b",
        },
    ),
    "a pod without an address": (
        lambda lab: shell("ip -n pod-b address flush dev eth0"),
        {
            "unique-ip": "no address: pod-b",
            "pod-to-pod": "6 of 12 connections; failed: pod-a → pod-b, pod-b → pod-a, pod-b → pod-c, and 3 more",
            "node-to-pod": "3 of 4 connections; failed: node-1 → pod-b",
            "same-ip": "pod-b: inside no address, outside 10.0.1.11",
        },
    ),
    "a pod with another address": (
        lambda lab: shell(
            "ip address delete 10.0.1.11/24 dev eth0; ip address add 10.0.1.77/24 dev eth0;"
            "ip route replace default via 10.0.1.1",
            "pod-b",
        ),
        {
            "pod-to-pod": "9 of 12 connections; failed: pod-a → pod-b, pod-c → pod-b, pod-d → pod-b",
            "node-to-pod": "3 of 4 connections; failed: node-1 → pod-b",
            "same-ip": "pod-b: inside 10.0.1.77, outside 10.0.1.11, 10.0.1.77",
        },
    ),
}


def _failing(report: Rows[Row]) -> dict[str, str]:
    return {row.id: row.seen for row in report if not row.ok}


def test_it_holds_in_the_two_node_lab() -> None:
    with checkpoint("03") as lab:
        report = network_model(lab)
        assert [row.id for row in report] == RULES
        assert _failing(report) == {}
        assert [row.seen for row in report] == [
            "4 pods, 4 addresses",
            "12 of 12 connections",
            "12 source addresses, none changed",
            "4 of 4 connections",
            "4 pods look the same from inside and outside",
        ]
        assert all(row.source and row.why for row in report)
        assert report.title == "the Kubernetes network model"


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_seen_and_nothing_else(case: str) -> None:
    break_it, failing = BROKEN[case]
    with checkpoint("03") as lab:
        break_it(lab)
        assert _failing(network_model(lab)) == failing


def test_an_address_with_two_owners() -> None:
    """Who answers is chance, so only what is certain is asked."""
    with checkpoint("03") as lab:
        shell(
            "ip address delete 10.0.1.11/24 dev eth0; ip address add 10.0.1.10/24 dev eth0;"
            "ip route replace default via 10.0.1.1",
            "pod-b",
        )
        failing = _failing(network_model(lab))
        assert failing["unique-ip"] == "10.0.1.10: pod-a, pod-b"
        assert "pod-to-pod" in failing


def test_a_pod_may_have_a_second_address() -> None:
    with checkpoint("03") as lab:
        lab["pod-b"].add_address("eth0", "10.0.1.77/24")
        report = network_model(lab)
        assert _failing(report) == {}
        assert report["unique-ip"].seen == "4 pods, 5 addresses"


def test_what_it_started_is_ended() -> None:
    with checkpoint("03") as lab:
        inodes = {pod.inode for pod in lab.pods}
        network_model(lab)
        assert not inodes & {inode for _, inode in namespaces_of_processes()}
        assert not [one for one in threading.enumerate() if "ThreadPool" in one.name]


def test_a_port_that_is_taken_is_said_and_the_others_are_freed() -> None:
    with checkpoint("03") as lab, lab["pod-c"].listen(8765):
        with pytest.raises(AlreadyExists, match="Port 8765 is taken in pod-c"):
            network_model(lab)
        with lab["pod-a"].listen(8765):
            pass


def test_it_needs_two_pods(lab: Lab) -> None:
    lab.node("node-1").pod("pod-a")
    with pytest.raises(NotFound, match=r"fewer than two\. checkpoint\('03'\) makes four\."):
        network_model(lab)
