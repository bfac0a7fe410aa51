"""Many pods at once are made and removed as one is: all or none, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from labhelpers.errors import AlreadyExists
from labhelpers.lab import Lab, Node
from labhelpers.topology import Snapshot, normalised
from tests.netns.kernel import eventually, links, shell

MANY = [f"pod-{number}" for number in range(40)]  # more than are made in one visit


def in_the_kernel(node: Node) -> tuple[str, set[str], set[str]]:
    """Names in the sandbox, interfaces of the node, names in the node."""
    return (
        shell("ip netns list | cut -d' ' -f1 | sort"),
        set(links(node.name)),
        set(os.listdir(f"{node.root}/run/netns")),
    )


def test_each_of_many_pods_has_its_address_its_cable_and_its_name_in_the_node(lab: Lab) -> None:
    node = lab.node("node-1")
    pods = node.pods(MANY)
    assert [pod.address for pod in pods] == [f"10.0.1.{number}" for number in range(10, 50)]
    for pod in pods:
        (local,) = links(pod.name)["eth0"]["addr_info"]
        assert local["local"] == pod.address
        assert links(node.name)[pod.host_link]["master"] == "cni0"
    assert set(os.listdir(f"{node.root}/run/netns")) == set(MANY)


def test_where_the_last_of_many_cannot_be_made_none_is_and_all_can_be_tried_again_at_once(lab: Lab) -> None:
    node = lab.node("node-1")
    node.pod("taken")
    before, commands = in_the_kernel(node), len(lab.commands())
    with pytest.raises(AlreadyExists, match="'taken'"):
        node.pods([*MANY, "taken"])
    assert in_the_kernel(node) == before
    assert len(lab.commands()) == commands
    assert [pod.address for pod in node.pods(MANY[:2])] == ["10.0.1.11", "10.0.1.12"]


def test_a_pod_that_fails_halfway_takes_its_namespace_and_those_before_it_along(lab: Lab) -> None:
    node = lab.node("node-1")
    node.pod("pod-a")
    shell("ip -n node-1 link add veth-pod-20 type bridge")
    before = in_the_kernel(node)
    with pytest.raises(AlreadyExists, match="veth-pod-20"):
        node.pods(MANY)
    assert in_the_kernel(node) == before


def test_an_interrupt_in_the_middle_of_many_leaves_none(lab: Lab) -> None:
    node = lab.node("node-1")
    node.pod("pod-a")
    before = in_the_kernel(node)

    def interrupt() -> None:
        eventually(lambda: Path("/run/netns", MANY[20]).exists())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        node.pods([*MANY, *(f"later-{number}" for number in range(150))])
    thread.join()
    assert in_the_kernel(node) == before


def test_a_deleted_node_takes_its_pods_and_every_cable_of_theirs_along(lab: Lab) -> None:
    node, red = lab.node("node-1"), lab.namespace("red")
    pods = node.pods(["pod-a", "pod-b"])
    lab.veth((pods[1], "side"), (red, "side"))
    node.delete()
    assert set(shell("ip netns list | cut -d' ' -f1").split()) == {"red", "underlay"}
    assert set(links("red")) == {"lo"}
    assert set(links("underlay")) == {"lo", "br0"}


def test_the_commands_of_a_deleted_node_do_the_same_again(lab: Lab) -> None:
    lab.node("node-2").pod("pod-c")
    node = lab.node("node-1")
    node.pods(["pod-a", "pod-b"])
    node.delete()
    script, ours = str(lab.commands()), normalised(Snapshot.take())
    lab.reset()
    shell(script)
    try:
        again = normalised(Snapshot.take())
        assert [state.name for state in again] == [state.name for state in ours]
        assert again.cables == ours.cables
    finally:
        lab.reset()


def test_a_snapshot_of_more_namespaces_than_are_opened_at_once_has_them_all(lab: Lab) -> None:
    names = {f"ns-{number}" for number in range(70)}
    shell("; ".join(f"ip netns add {name}" for name in sorted(names)))
    try:
        snapshot = Snapshot.take()
        assert names <= set(snapshot.names)
        for name in names:
            assert {link.name for link in snapshot[name].links} == set(links(name)) == {"lo"}
    finally:
        shell("; ".join(f"ip netns delete {name}" for name in sorted(names)))
