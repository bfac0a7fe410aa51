"""``lab.commands()`` is a script: run by a shell in a sandbox of its own, it leads to the same state."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from labhelpers.errors import LabError
from labhelpers.lab import Lab
from labhelpers.linux import address, bridge, fdb, link, neighbour, route
from tests.netns.data import replay


def _one_namespace(lab: Lab) -> None:
    lab.namespace("red")


def _a_node(lab: Lab) -> None:
    lab.node("node-1")


def _two_nodes(lab: Lab) -> None:
    for node, pods in (("node-1", ("pod-a", "pod-b")), ("node-2", ("pod-c", "pod-d"))):
        lab.node(node).pods(pods)
    lab.connect_nodes()


def _odd_names(lab: Lab) -> None:
    node = lab.node("a-node-whose-name-is-longer-than-an-interfaces", pod_cidr="10.64.0.0/12")
    node.pods(["a", "up", "frontend-5d4f8c7d9b-x2x7k", "web.v2_final"])
    red = lab.namespace("red")
    lab.veth((red, "up"), (red, "a"))
    lab.bridge(red, "br", address="10.9.0.1/16", mtu=9000).add_port("a")
    red.up("up", "lo")


def _wishes(lab: Lab) -> None:
    node = lab.node("node-1", pod_cidr="10.5.0.0/28")
    node.pod("pod-a", address="10.5.0.14", mtu=1400)
    node.pod("pod-b")


def _by_hand(lab: Lab) -> None:
    """Every verb that changes something, once."""
    red, blue = lab.namespace("red"), lab.namespace("blue")
    lab.veth((red, "eth0"), (blue, "eth0"), mtu=1400)
    lab.veth((red, "spare"), (blue, "spare"))
    cable = lab.veth((red, "gone"), (blue, "gone"))
    switch = lab.bridge(blue, "sw0", address="10.9.0.1/24")
    switch.add_port("eth0", "spare")
    switch.remove_port("spare")
    lab.bridge(blue, "sw1").delete()
    red.add_address("eth0", "10.9.0.2/24")
    red.add_address("eth0", "10.9.0.3/24")
    red.delete_address("eth0", "10.9.0.3/24")
    red.up("eth0", "spare", "lo")
    red.down("spare")
    red.set_mtu("eth0", 1300)
    red.add_route("default", via="10.9.0.1")
    red.add_route("10.10.0.0/16", device="eth0")
    red.add_route("10.11.0.0/16", via="10.9.0.1")
    red.delete_route("10.10.0.0/16")
    red.sysctl("net.ipv4.conf.eth0.forwarding", 1)
    red.delete_link("spare")
    cable.delete()
    with blue.changes() as changes:
        bridge.add(changes, "sw2", mac="02:00:00:00:00:07")
        address.add(changes, "sw2", "10.12.0.1/24")
        link.set_alias(changes, "sw2", "it's mine: $HOME `id`")
        link.set_mac(changes, "sw2", "02:00:00:00:00:08")
        link.set_isolated(changes, "eth0", True)
        neighbour.add(changes, "10.12.0.9", "02:00:00:00:00:09", "sw2")
        fdb.add(changes, "02:00:00:00:00:0a", "eth0")
        route.add(changes, "10.13.0.0/16", via="10.12.0.9")


def _firewall(lab: Lab) -> None:
    _two_nodes(lab)
    node, other = lab.nodes
    node.masquerade()
    other.masquerade("10.0.2.0/25")
    other.no_masquerade()
    lab["pod-a"].nft(
        """
        table ip demo {
            chain input {
                type filter hook input priority 0
                icmp type echo-request counter drop comment "NFT"
            }
        }
        """
    )


def _taken_away(lab: Lab) -> None:
    _two_nodes(lab)
    red = lab.namespace("red")
    lab.veth((red, "eth0"), (lab["node-1"], "to-red"))
    lab["pod-a"].delete()
    lab["node-1"].pod("pod-e")  # type: ignore[attr-defined]
    lab["node-2"].delete()
    red.delete()
    lab.node("node-3").pods(["pod-c"])


def _with_failures(lab: Lab) -> None:
    """What was refused or undone is not in the script."""
    node = lab.node("node-1")
    red = lab.namespace("red")
    for act in (
        lambda: node.pods(["pod-a", "pod-b", "red"]),
        lambda: lab.node("red"),
        lambda: lab.namespace("red"),
        lambda: lab.bridge(red, "br0", address="fd00::1/64"),
        lambda: red.up("lo", "eth7"),
        lambda: red.add_route("default", via="10.7.0.1"),
        lambda: red.nft("add rule ip nosuch input drop"),
    ):
        with pytest.raises(LabError):
            act()
    node.pod("pod-a")


LABS = (
    _one_namespace,
    _a_node,
    _two_nodes,
    _odd_names,
    _wishes,
    _by_hand,
    _firewall,
    _taken_away,
    _with_failures,
)


@pytest.mark.parametrize("build", LABS, ids=lambda build: build.__name__.strip("_"))
def test_the_script_leads_to_the_same_state(lab: Lab, build: Callable[[Lab], None]) -> None:
    build(lab)
    done = replay.replayed(str(lab.commands()))
    assert done.stderr == ""
    assert done.stdout == replay.result()


def test_a_lab_taken_away_whole_leaves_an_empty_script(lab: Lab) -> None:
    _by_hand(lab)
    lab.reset()
    assert str(lab.commands()) == ""
