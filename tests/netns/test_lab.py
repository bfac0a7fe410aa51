"""The lab: what its helpers build is there, as other programs see it, under fixed names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labhelpers.errors import BadInput, NotFound, NotYours, Vanished
from labhelpers.lab import Lab, Namespace, Pod, checkpoint
from labhelpers.linux.process import namespaces_of_processes
from tests.netns.kernel import bridge, eventually, ip, links, nft, shell, sysctl


def _names() -> list[str]:
    return sorted(one["name"] for one in ip("netns"))


def _routes(place: str) -> set[tuple[str, str, str]]:
    return {(one["dst"], one.get("gateway", ""), one.get("dev", "")) for one in ip("route", namespace=place)}


def test_an_empty_lab_has_nothing(lab: Lab) -> None:
    assert _names() == []
    assert len(lab.commands()) == 0
    assert repr(lab) == "<Lab 0 nodes, 0 pods>"


def test_a_namespace(lab: Lab) -> None:
    red = lab.namespace("red")
    assert _names() == ["red"]
    (lo,) = ip("link", namespace="red")
    assert (lo["ifname"], lo["ifalias"], "UP" in lo["flags"]) == ("lo", "role=namespace name=red owner=lab", False)
    assert sysctl("net.ipv6.conf.all.disable_ipv6", "red") == "1"
    assert (red.name, red.owner, red.exists) == ("red", "lab", True)
    assert red.inode == int(shell("stat -Lc %i /run/netns/red"))
    assert repr(red) == "<Namespace red>"


def test_the_first_node_brings_the_network_between_nodes(lab: Lab) -> None:
    node = lab.node("node-1")
    assert _names() == ["node-1", "underlay"]
    switch = links("underlay")
    assert switch["br0"]["addr_info"][0]["local"] == "192.168.1.1"
    assert switch["node-1"]["master"] == "br0"
    assert "UP" in switch["node-1"]["flags"]
    assert sysctl("net.ipv4.ip_forward", "underlay") == "1"
    eth0 = links("node-1")["eth0"]
    assert eth0["address"] == "0a:58:c0:a8:01:0a"
    assert [(one["local"], one["prefixlen"], one["broadcast"]) for one in eth0["addr_info"]] == [
        ("192.168.1.10", 24, "192.168.1.255")
    ]
    assert _routes("node-1") == {("default", "192.168.1.1", "eth0"), ("192.168.1.0/24", "", "eth0")}
    assert sysctl("net.ipv4.ip_forward", "node-1") == "1"
    assert links("node-1")["lo"]["ifalias"] == "role=node name=node-1 owner=lab"
    assert (node.address, node.pod_cidr) == ("192.168.1.10", "10.0.1.0/24")


def test_a_node_is_a_machine_of_its_own(lab: Lab) -> None:
    node = lab.node("node-1")
    assert namespaces_of_processes().count((node.pid, node.inode)) == 1
    assert str(node.run("hostname")) == "node-1"
    there = str(node.run("ls /run/netns /etc/cni /var/lib/cni")).split()
    assert there == ["/etc/cni:", "net.d", "/run/netns:", "/var/lib/cni:"]
    node.run("touch /run/mine /etc/cni/mine", check=True)
    assert not Path("/run/mine").exists()
    assert not Path("/etc/cni/mine").exists()
    assert os.path.exists(f"{node.root}/run/mine")
    assert str(node.run("ls /sys/class/net")).split() == ["eth0", "lo"]
    assert shell("hostname") == "sandbox"


def test_nodes_are_numbered_and_reach_one_another(lab: Lab) -> None:
    nodes = [lab.node(f"node-{number}") for number in (1, 2, 3)]
    assert [node.address for node in nodes] == ["192.168.1.10", "192.168.1.11", "192.168.1.12"]
    assert [node.pod_cidr for node in nodes] == ["10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"]
    assert shell("ping -c 1 -W 2 192.168.1.12 | grep -c 'bytes from'", "node-1") == "1"
    nodes[1].delete()
    assert lab.node("node-4").address == "192.168.1.11"


def test_a_block_that_is_taken_is_not_given_to_the_next_node(lab: Lab) -> None:
    lab.node("node-1", pod_cidr="10.0.2.0/24")
    assert lab.node("node-2").pod_cidr == "10.0.3.0/24"
    assert lab.node("node-3", pod_cidr="10.0.1.0/24").pod_cidr == "10.0.1.0/24"
    with pytest.raises(BadInput, match=r"10\.0\.2\.128/25 overlaps 10\.0\.2\.0/24 of node-1"):
        lab.node("node-4", pod_cidr="10.0.2.128/25")


@pytest.mark.parametrize("name", ["br0", "lo", "a-node-with-a-name-of-more-than-fifteen-bytes"])
def test_a_node_may_have_a_name_that_is_no_free_name_of_an_interface(lab: Lab, name: str) -> None:
    lab.node(name).pod("pod-a")
    assert shell("ping -c 1 -W 2 192.168.1.1 | grep -c 'bytes from'", name) == "1"


def test_a_pod(lab: Lab) -> None:
    node = lab.node("node-1")
    pod = node.pod("pod-a")
    eth0 = links("pod-a")["eth0"]
    assert (eth0["ifindex"], eth0["address"], eth0["mtu"]) == (2, "0a:58:0a:00:01:0a", 1500)
    assert [(one["local"], one["prefixlen"]) for one in eth0["addr_info"]] == [("10.0.1.10", 24)]
    assert _routes("pod-a") == {("default", "10.0.1.1", "eth0"), ("10.0.1.0/24", "", "eth0")}
    assert links("pod-a")["lo"]["ifalias"] == "role=pod name=pod-a node=node-1 owner=lab"
    assert "UP" in links("pod-a")["lo"]["flags"]
    on_node = links("node-1")
    assert on_node["veth-pod-a"]["master"] == "cni0"
    assert on_node["cni0"]["addr_info"][0]["local"] == "10.0.1.1"
    assert on_node["veth-pod-a"]["link_index"] == 2
    assert pod.host_link == "veth-pod-a"
    assert (pod.address, pod.node) == ("10.0.1.10", node)


def test_a_pod_has_its_name_here_and_in_its_node(lab: Lab) -> None:
    node = lab.node("node-1")
    pod = node.pod("pod-a")
    assert "pod-a" in _names()
    assert str(node.run("ls /run/netns")) == "pod-a"
    assert str(node.run("ip netns exec pod-a readlink /proc/self/ns/net")) == f"net:[{pod.inode}]"
    pod.delete()
    assert str(node.run("ls /run/netns")) == ""


def test_many_pods_talk_to_one_another_and_to_their_node(lab: Lab) -> None:
    node = lab.node("node-1")
    pods = node.pods([f"pod-{number}" for number in range(40)])
    assert [pod.address for pod in pods] == [f"10.0.1.{10 + number}" for number in range(40)]
    for target in (pods[0].address, pods[38].address, "10.0.1.1", "192.168.1.10"):
        assert shell(f"ping -c 1 -W 2 {target} | grep -c 'bytes from'", "pod-39") == "1"


def test_a_wish_is_granted(lab: Lab) -> None:
    pod = lab.node("node-1").pod("pod-a", address="10.0.1.77", mtu=1400)
    eth0 = links("pod-a")["eth0"]
    assert eth0["addr_info"][0]["local"] == pod.address == "10.0.1.77"
    assert eth0["mtu"] == links("node-1")["veth-pod-a"]["mtu"] == 1400


def test_nodes_are_taught_the_way_to_one_anothers_pods(lab: Lab) -> None:
    lab.node("node-1").pod("pod-a")
    lab.node("node-2").pod("pod-b")
    lab.connect_nodes()
    assert ("10.0.2.0/24", "192.168.1.11", "eth0") in _routes("node-1")
    assert ("10.0.1.0/24", "192.168.1.10", "eth0") in _routes("node-2")
    assert shell("ping -c 1 -W 2 10.0.2.10 | grep -c 'bytes from'", "pod-a") == "1"
    before = len(lab.commands())
    lab.connect_nodes()
    assert len(lab.commands()) == before, "the second time there is nothing to do"


def test_cables_and_switches_by_hand(lab: Lab) -> None:
    red, blue = lab.namespace("red"), lab.namespace("blue")
    cable = lab.veth((red, "eth0"), (blue, "net1"), mtu=1300)
    assert repr(cable) == "<Veth red/eth0 — blue/net1>"
    assert (links("red")["eth0"]["mtu"], links("blue")["net1"]["mtu"]) == (1300, 1300)
    switch = lab.bridge(blue, "sw0", address="10.9.0.1/24", mtu=1400)
    assert repr(switch) == "<Bridge blue/sw0>"
    assert (links("blue")["sw0"]["mtu"], links("blue")["sw0"]["addr_info"][0]["local"]) == (1400, "10.9.0.1")
    switch.add_port("net1")
    assert links("blue")["net1"]["master"] == "sw0"
    assert switch.ports == ("net1",)
    entries = bridge("fdb", "show", "br", "sw0", namespace="blue")
    assert {one.mac for one in switch.fdb()} == {one["mac"] for one in entries if one.get("master") == "sw0"}
    switch.remove_port("net1")
    assert "master" not in links("blue")["net1"]
    cable.delete()
    switch.delete()
    assert list(links("red")) == list(links("blue")) == ["lo"]


def test_macs_and_names_are_the_same_in_every_lab(lab: Lab) -> None:
    def build() -> dict[str, dict[str, str]]:
        lab.reset()
        node = lab.node("node-1")
        node.pods(["pod-a", "a-pod-with-a-long-name"])
        lab.bridge(lab.namespace("red"), "br0")
        return {name: {one: it["address"] for one, it in links(name).items()} for name in _names()}

    first = build()
    assert build() == first
    assert all(len(link.encode()) <= 15 for place in first.values() for link in place)


def test_everything_that_was_made_says_so(lab: Lab) -> None:
    node = lab.node("node-1")
    node.pod("pod-a")
    lab.namespace("red")
    shell("ip netns add hand")
    aliases = {name: links(name)["lo"].get("ifalias", "") for name in _names()}
    assert aliases == {
        "hand": "",
        "node-1": "role=node name=node-1 owner=lab",
        "pod-a": "role=pod name=pod-a node=node-1 owner=lab",
        "red": "role=namespace name=red owner=lab",
        "underlay": "role=underlay name=underlay owner=lab",
    }
    shell("ip netns delete hand")


def test_masquerade_on_and_off(lab: Lab) -> None:
    node = lab.node("node-1")
    node.pod("pod-a")
    node.masquerade()
    (rule,) = (one["rule"] for one in nft("node-1") if "rule" in one)
    assert rule["chain"] == "postrouting"
    assert {"masquerade": None} in rule["expr"]
    with node.capture("eth0") as wire:
        shell("ping -c 1 -W 2 192.168.1.1", "pod-a")
    assert {one.source for one in wire.packets.where(summary="echo request")} == {"192.168.1.10"}
    node.no_masquerade()
    assert nft("node-1") == []


def test_a_setting_is_read_and_changed(lab: Lab) -> None:
    red = lab.namespace("red")
    assert red.sysctl("net.ipv4.ip_forward") == "0"
    assert red.sysctl("net.ipv4.ip_forward", 1) == "1"
    assert sysctl("net.ipv4.ip_forward", "red") == "1"


def test_whom_to_talk_to(lab: Lab) -> None:
    node = lab.node("node-1")
    a, b = node.pods(["pod-a", "pod-b"])
    for target in (b, "pod-b", "10.0.1.11"):
        assert a.ping(target).from_ == "10.0.1.11"
    assert a.ping(node).from_ == a.ping("node-1").from_ == "192.168.1.10"
    lab.namespace("3rd")
    with pytest.raises(NotFound, match="3rd has no address to send to"):
        a.ping("3rd")


def test_things_are_found_by_name(lab: Lab) -> None:
    node = lab.node("node-1")
    pod = node.pod("pod-a")
    shell("ip netns add hand")
    assert lab["node-1"] is node
    assert lab["pod-a"] is lab.pod("pod-a") is pod
    assert type(lab["hand"]) is Namespace
    assert [one.name for one in lab.namespaces()] == ["hand", "node-1", "pod-a", "underlay"]
    assert (lab.nodes, lab.pods) == ((node,), (pod,))
    with pytest.raises(NotFound, match=r"There is no pod 'pod-b' in this lab\. Pods: pod-a\."):
        lab.pod("pod-b")
    shell("ip netns delete hand")


def test_no_program_is_run_to_build_it(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not even ``ip``: only the process that keeps a node alive is one."""
    (tmp_path / "sleep").symlink_to("/bin/sleep")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        for number in (1, 2):
            lab.node(f"node-{number}").pod(f"pod-{number}")
        lab.connect_nodes()
        assert lab["pod-1"].ping("pod-2").ok
        lab["node-2"].delete()
    assert _names() == ["node-1", "pod-1", "underlay"]


def test_a_program_that_fails_can_be_an_error(lab: Lab) -> None:
    red = lab.namespace("red")
    assert not red.run("false").ok
    with pytest.raises(Exception, match="`false` in red ended with status 1 and wrote nothing"):
        red.run("false", check=True)


# --- taking away ------------------------------------------------------------------------------------------------------


def test_a_pod_is_deleted_with_its_cable_and_its_processes_and_its_address_is_free(lab: Lab) -> None:
    node = lab.node("node-1")
    pod = node.pod("pod-a")
    server = pod.listen(80)
    pod.delete()
    assert not server.running
    server.stop()
    assert _names() == ["node-1", "underlay"]
    assert "veth-pod-a" not in links("node-1"), "at once, not some time later"
    assert pod.inode not in {inode for _, inode in namespaces_of_processes()}
    assert repr(pod) == "<Pod pod-a (gone)>"
    assert node.pod("pod-b").address == "10.0.1.10"


def test_a_node_is_deleted_with_its_pods(lab: Lab) -> None:
    node, other = lab.node("node-1"), lab.node("node-2")
    node.pods(["pod-a", "pod-b"])
    node.delete()
    assert _names() == ["node-2", "underlay"]
    assert "node-1" not in links("underlay")
    assert lab.nodes == (other,)
    assert not os.path.exists(f"/proc/{node.pid}/ns/net")


def test_a_namespace_with_both_ends_of_a_cable_is_deleted(lab: Lab) -> None:
    red = lab.namespace("red")
    lab.veth((red, "d0"), (red, "d1"))
    red.delete()
    assert _names() == []


def test_what_is_deleted_can_be_made_again_at_once(lab: Lab) -> None:
    node = lab.node("node-1")
    for _ in range(10):
        node.pod("pod-a").delete()
    for _ in range(5):
        node.delete()
        node = lab.node("node-1")
    assert [pod.name for pod in node.pods(["pod-a"])] == ["pod-a"]


def test_a_block_removes_what_it_made(lab: Lab) -> None:
    with lab.namespace("red") as red, lab.node("node-1") as node, node.pod("pod-a"):
        assert len(_names()) == 4
    assert not red.exists
    assert _names() == ["underlay"]
    with lab.namespace("blue") as blue:
        blue.delete()


def test_deleting_what_is_gone_is_said(lab: Lab) -> None:
    node = lab.node("node-1")
    for one in (lab.namespace("red"), node.pod("pod-a"), node):
        one.delete()
        with pytest.raises(Vanished, match=f"The namespace '{one.name}' is gone"):
            one.delete()


def test_reset_takes_the_labs_and_leaves_what_was_made_by_hand(lab: Lab) -> None:
    lab.node("node-1").pods(["pod-a", "pod-b"])
    sleeper = lab.namespace("red").spawn("sleep 60")
    shell("ip netns add hand; ip -n hand link add br0 type bridge")
    shell("ip -n red link add eth0 type veth peer name to-red netns hand")
    shell("ip -n red link add eth1 type veth peer name to-red")
    lab.reset()
    assert _names() == ["hand"]
    assert list(links("hand")) == ["lo", "br0"], "the end of the cable has gone with red, at once"
    assert list(links()) == ["lo"]
    sleeper.stop()
    assert len(lab.commands()) == 0
    shell("ip netns delete hand")


def test_reset_finds_nodes_whose_name_was_removed_by_hand(lab: Lab) -> None:
    node = lab.node("node-1")
    shell("ip netns delete node-1")
    assert lab.nodes == ()
    assert os.path.exists(f"/proc/{node.pid}/ns/net")
    lab.reset()
    assert not os.path.exists(f"/proc/{node.pid}/ns/net")
    assert lab.node("node-1").address == "192.168.1.10"


def test_a_new_lab_is_an_empty_one(lab: Lab) -> None:
    lab.node("node-1")
    Lab()
    assert _names() == []
    assert lab.nodes == ()


def test_a_lab_in_a_block() -> None:
    with Lab() as lab:
        lab.namespace("red")
    assert _names() == []


# --- changed behind its back ------------------------------------------------------------------------------------------


def test_a_pod_removed_by_hand_is_made_again(lab: Lab) -> None:
    node = lab.node("node-1")
    pods = node.pods(["pod-a", "pod-b"])
    shell("ip netns delete pod-a")
    assert lab.pods == (pods[1],)
    again = node.pod("pod-a")
    assert again.exists
    assert str(node.run("ls /run/netns")).split() == ["pod-a", "pod-b"]
    assert shell("ping -c 1 -W 2 10.0.1.11 | grep -c 'bytes from'", "pod-a") == "1"


def test_a_pod_removed_by_hand_does_not_hinder_the_nodes_end(lab: Lab) -> None:
    node = lab.node("node-1")
    node.pods(["pod-a", "pod-b"])
    shell("ip netns delete pod-a")
    node.delete()
    assert _names() == ["underlay"]


def test_a_node_whose_process_was_ended_says_so_and_can_be_deleted(lab: Lab) -> None:
    node = lab.node("node-1")
    node.pod("pod-a")
    os.kill(node.pid, 9)
    assert eventually(lambda: not os.path.exists(f"/proc/{node.pid}/ns/net"))
    for act in (lambda: node.run("true"), lambda: node.pod("pod-b")):
        with pytest.raises(Vanished, match="node-1 is not running: its process has ended"):
            act()
    assert _names() == ["node-1", "pod-a", "underlay"]
    node.delete()
    assert _names() == ["underlay"]


def test_what_belongs_to_another_is_not_touched(lab: Lab) -> None:
    node = lab.node("node-1")
    shell("ip netns add web; ip -n web link set lo alias 'role=pod name=web node=node-1 owner=cni'")
    web = lab["web"]
    before = links("web")
    for act in (
        web.delete,
        lambda: web.up("lo"),
        lambda: web.sysctl("net.ipv4.ip_forward", 1),
        lambda: web.nft("add table ip x"),
        lambda: lab.veth((web, "a"), (node, "b")),
        lambda: lab.veth((node, "b"), (web, "a")),
        lambda: lab.bridge(web, "br0"),
    ):
        with pytest.raises(NotYours, match="web belongs to the cni, not to the lab"):
            act()
    assert links("web") == before
    assert nft("web") == []
    lab.reset()
    assert _names() == ["web"]
    shell("ip netns delete web")


def test_a_pod_of_the_nodes_own_is_not_overwritten(lab: Lab) -> None:
    node = lab.node("node-1")
    node.run("ip netns add pod-a", check=True)
    with pytest.raises(Exception, match="The node node-1 has a namespace 'pod-a' already, in its own /run/netns"):
        node.pod("pod-a")
    assert str(node.run("ls /run/netns")) == "pod-a"
    assert _names() == ["node-1", "underlay"]
    assert "veth-pod-a" not in links("node-1")


# --- where chapters start ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chapter", "pods"),
    [
        ("00", ["pod-a", "pod-b", "pod-c", "pod-d"]),
        ("01", []),
        ("02", []),
        ("03", ["pod-a", "pod-b", "pod-c", "pod-d"]),
        ("06", ["pod-a", "pod-b", "pod-c", "pod-d"]),
    ],
)
def test_a_checkpoint_is_the_same_whatever_was_before(chapter: str, pods: list[str]) -> None:
    lab = checkpoint("03")
    lab.namespace("red")
    lab.pods[0].delete()
    lab = checkpoint(chapter)
    assert [pod.name for pod in lab.pods] == pods
    assert "red" not in _names()
    if pods:
        neighbour = "10.0.1.11" if chapter == "06" else "10.0.2.11"  # in 06 nothing carries between the nodes yet
        assert shell(f"ping -c 1 -W 2 {neighbour} | grep -c 'bytes from'", "pod-a") == "1"
    lab.reset()


def test_a_checkpoint_that_is_none_is_said() -> None:
    for wrong in ("99", "3", 3, None):
        with pytest.raises(BadInput, match="There is no checkpoint"):
            checkpoint(wrong)  # type: ignore[arg-type]


def test_pods_know_their_type(lab: Lab) -> None:
    assert isinstance(lab.node("node-1").pod("pod-a"), Pod)
