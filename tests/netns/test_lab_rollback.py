"""A helper that fails, crashes or is interrupted at any step leaves nothing half built, and can be tried again."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable

import pytest

from labhelpers.errors import AlreadyExists, LabError, ToolMissing
from labhelpers.lab import Lab, Node
from labhelpers.lab.journal import journal
from tests.netns.everything import Everything
from tests.netns.faults import FAULTS, Crash, fault_at
from tests.netns.kernel import links, shell

Act = Callable[[Lab], object]


def _nothing(lab: Lab) -> None:
    """The lab is empty."""


def _a_node(lab: Lab) -> None:
    lab.node("node-1")


def _a_pod(lab: Lab) -> None:
    lab.node("node-1").pod("pod-a")


def _two_places(lab: Lab) -> None:
    lab.namespace("red")
    lab.namespace("blue")


def _node(lab: Lab) -> Node:
    return lab.nodes[0]


SCENARIOS: dict[str, tuple[Act, Act]] = {
    "namespace": (_nothing, lambda lab: lab.namespace("red")),
    "first node": (_nothing, lambda lab: lab.node("node-1")),
    "second node": (_a_node, lambda lab: lab.node("node-2")),
    "first pod": (_a_node, lambda lab: _node(lab).pod("pod-a")),
    "more pods": (_a_pod, lambda lab: _node(lab).pods(["pod-b", "pod-c"])),
    "cable": (_two_places, lambda lab: lab.veth((lab["red"], "eth0"), (lab["blue"], "eth0"))),
    "bridge": (_two_places, lambda lab: lab.bridge(lab["red"], "br0", address="10.9.0.1/24")),
    "route": (_a_node, lambda lab: _node(lab).add_route("10.9.0.0/16", via="192.168.1.1")),
    "setting": (_a_node, lambda lab: _node(lab).sysctl("net.ipv4.conf.eth0.rp_filter", 2)),
    "firewall": (_a_node, lambda lab: _node(lab).masquerade()),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_whatever_goes_wrong_all_or_nothing_is_left(lab: Lab, scenario: str, fault: str) -> None:
    prepare, act = SCENARIOS[scenario]
    prepare(lab)
    firewall = scenario == "firewall"  # reading rules takes a process for each namespace
    before = Everything.now(lab, firewall=firewall)
    act(lab)
    complete = Everything.now(lab, firewall=firewall)
    number = 0
    while True:
        lab.reset()
        prepare(lab)
        number += 1
        with fault_at(number, FAULTS[fault]) as taken:
            try:
                act(lab)
                failed = False
            except (LabError, Crash, KeyboardInterrupt):
                failed = True
            reached = len(taken) >= number
        after = Everything.now(lab, firewall=firewall)
        where = f"step {number}, {taken[number - 1]}" if reached else "no step"
        if failed and after != before:
            assert fault == "interrupt", f"something is left after a fault at {where}"
        if after != before:
            assert after == complete, f"it is half done after a fault at {where}"
        if not reached:
            assert not failed
            break
    assert number > 1, "there was a step"


def test_a_program_that_is_missing_leaves_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolMissing, match=r"'sleep' is not installed.*coreutils"):
        lab.node("node-1")
    assert os.listdir("/run/netns") == []
    assert len(lab.commands()) == 0


@pytest.mark.parametrize("conflict", ["pod-b", "pod-c"])
def test_a_name_that_is_taken_undoes_the_pods_before_it(lab: Lab, conflict: str) -> None:
    node = lab.node("node-1")
    shell(f"ip netns add {conflict}")
    before = Everything.now(lab)
    with pytest.raises(AlreadyExists, match=f"There is a namespace '{conflict}' already"):
        node.pods(["pod-a", "pod-b", "pod-c"])
    assert Everything.now(lab) == before
    shell(f"ip netns delete {conflict}")
    assert [pod.address for pod in node.pods(["pod-a", "pod-b", "pod-c"])] == ["10.0.1.10", "10.0.1.11", "10.0.1.12"]


def test_an_interface_that_is_in_the_way_is_not_removed(lab: Lab) -> None:
    node = lab.node("node-1")
    shell("ip -n node-1 link add veth-pod-b type bridge; ip -n underlay link add node-2 type bridge")
    before = Everything.now(lab)
    with pytest.raises(AlreadyExists):
        node.pods(["pod-a", "pod-b"])
    with pytest.raises(AlreadyExists):
        lab.node("node-2")
    assert Everything.now(lab) == before
    assert "veth-pod-b" in links("node-1")


def test_an_underlay_that_is_not_the_labs_is_not_used(lab: Lab) -> None:
    shell("ip netns add underlay")
    before = Everything.now(lab)
    with pytest.raises(AlreadyExists, match="There is a namespace 'underlay' that the lab did not make"):
        lab.node("node-1")
    assert Everything.now(lab) == before
    shell("ip netns delete underlay")


def test_an_interrupt_at_any_moment_leaves_what_the_lab_knows(lab: Lab) -> None:
    """A person presses the button some milliseconds after the cell began, again and again."""
    chance = random.Random(7)
    interrupted = 0
    for _ in range(20):
        lab.reset()
        timer = threading.Timer(chance.uniform(0, 0.04), os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            for number in (1, 2):
                lab.node(f"node-{number}").pods([f"pod-{number}{letter}" for letter in "ab"])
            lab["pod-1a"].delete()
            lab["node-2"].delete()
            timer.join()
            time.sleep(0.001)
        except KeyboardInterrupt:
            interrupted += 1
        timer.join()
        known = {one.name for one in (*lab.nodes, *lab.pods)}
        assert known == set(os.listdir("/run/netns")) - {"underlay"}
        for node in lab.nodes:
            ends = {name for name in links(node.name) if name.startswith("veth")}
            assert ends == {pod.host_link for pod in node.existing_pods}
        assert str(lab.commands()).count("netns add") - str(lab.commands()).count("netns delete") == len(
            os.listdir("/run/netns")
        )
    assert interrupted > 8


def test_the_journal_is_empty_again_at_the_end(lab: Lab) -> None:
    lab.namespace("red")
    lab.reset()
    assert len(journal.since()) == 0
