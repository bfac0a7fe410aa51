"""A snapshot shows every namespace there is, however it was made, and pairs the ends of every cable."""

from __future__ import annotations

import os
import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from labhelpers.lab import Lab
from labhelpers.topology import End, Snapshot, diff, normalised
from tests.netns.kernel import eventually, ip, links, shell


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process in a namespace of its own that nobody gave a name, as a container's."""
    home = os.stat("/proc/self/ns/net").st_ino
    with subprocess.Popen(["unshare", "--net", "sleep", "60"]) as process:
        assert eventually(lambda: os.stat(f"/proc/{process.pid}/ns/net").st_ino != home)
        yield process
        process.kill()


def test_an_empty_sandbox_is_the_host_alone() -> None:
    snapshot = Snapshot.take()
    assert snapshot.names == ("host",)
    (host,) = snapshot
    assert (host.role, host.owner, host.node) == ("host", "", "")
    assert host.inode == os.stat("/proc/self/ns/net").st_ino
    assert [link.name for link in host.links] == ["lo"]
    assert host.addresses == ()
    assert "host" in snapshot
    assert len(snapshot) == 1


def test_namespaces_are_found_however_they_were_made(lab: Lab, stranger: subprocess.Popen[bytes]) -> None:
    node = lab.node("node-1")
    node.pod("pod-a")
    lab.namespace("red")
    node.run("ip netns add cni-1234", check=True)
    node.run("ip -n cni-1234 link set lo alias 'role=pod name=default/web node=node-1 owner=kubelet'", check=True)
    node.run("ip netns add cni-5678", check=True)
    shell("ip netns add hand")
    try:
        snapshot = Snapshot.take()
    finally:
        shell("ip netns delete hand")
    assert {state.name: (state.role, state.node, state.owner) for state in snapshot} == {
        "host": ("host", "", ""),
        "underlay": ("underlay", "", "lab"),
        "node-1": ("node", "", "lab"),
        "default/web": ("pod", "node-1", "kubelet"),
        "pod-a": ("pod", "node-1", "lab"),
        "red": ("namespace", "", "lab"),
        "hand": ("namespace", "", ""),
        "cni-5678": ("namespace", "", ""),
        f"pid-{stranger.pid}": ("unknown", "", ""),
    }
    assert snapshot.names[:3] == ("host", "underlay", "node-1"), "in order of role"
    assert snapshot["node-1"].pid == node.pid
    assert snapshot["pod-a"].pid == 0
    with pytest.raises(KeyError, match="nosuch"):
        snapshot["nosuch"]


def test_a_node_is_looked_into_also_while_other_programs_run_there(lab: Lab) -> None:
    """A program started by ``ip netns exec`` is in the node's namespace and sees the sandbox's /run/netns."""
    node = lab.node("node-1")
    node.run("ip netns add cni-1234", check=True)
    with subprocess.Popen(["ip", "netns", "exec", "node-1", "sleep", "60"]) as program:
        assert eventually(lambda: Path(f"/proc/{program.pid}/comm").read_text() == "sleep\n")
        os.kill(node.pid, 0)
        assert "cni-1234" in Snapshot.take().names
        program.kill()


def test_a_namespace_mounted_elsewhere_is_found_by_its_process(stranger: subprocess.Popen[bytes]) -> None:
    """Docker keeps its names in /run/docker/netns, where ``ip netns`` does not look."""
    folder = Path("/run/docker/netns")
    folder.mkdir(parents=True)
    shell(f"touch {folder}/0123456789ab; mount --bind /proc/{stranger.pid}/ns/net {folder}/0123456789ab")
    try:
        assert Snapshot.take().names == ("host", f"pid-{stranger.pid}")
    finally:
        shell("umount /run/docker/netns/*; rm -r /run/docker")


def test_a_name_is_taken_over_when_one_is_given(stranger: subprocess.Popen[bytes]) -> None:
    before = Snapshot.take()
    shell(f"ip netns attach found {stranger.pid}")
    try:
        after = Snapshot.take()
    finally:
        shell("ip netns delete found")
    assert after["found"].inode == before[f"pid-{stranger.pid}"].inode
    assert after["found"].pid == stranger.pid
    name, role = f"name pid-{stranger.pid} → found", "role unknown → namespace"
    assert str(diff(before, after)) == f"~ namespace found: {name}, {role}"


def test_what_is_said_of_each_namespace_is_what_ip_says(lab: Lab) -> None:
    lab.node("node-1").pods(["pod-a", "pod-b"])
    shell("ip -n pod-a route add 10.7.0.0/16 via 10.0.1.1")
    snapshot = Snapshot.take(firewall=True)
    for name in ("node-1", "pod-a", "pod-b", "underlay"):
        said = links(name)
        assert [(one.name, one.mac, one.mtu) for one in snapshot[name].links] == [
            (one, its["address"], its["mtu"]) for one, its in said.items()
        ]
        assert list(snapshot[name].addresses) == [
            f"{one['local']}/{one['prefixlen']}"
            for link, its in said.items()
            for one in its["addr_info"]
            if link != "lo"
        ]
        assert {route.destination for route in snapshot[name].routes} == {
            one["dst"] for one in ip("route", namespace=name)
        }
        assert snapshot[name].firewall == ""
        assert Snapshot.take()[name].firewall is None


def test_cables_of_a_lab(lab: Lab) -> None:
    for number in (1, 2):
        lab.node(f"node-{number}").pods([f"pod-{number}{letter}" for letter in "abc"])
    snapshot = Snapshot.take()
    assert [str(cable) for cable in snapshot.cables] == sorted(
        [f"node-{n}/eth0 — underlay/node-{n}" for n in (1, 2)]
        + [f"node-{n}/veth-pod-{n}{letter} — pod-{n}{letter}/eth0" for n in (1, 2) for letter in "abc"]
    )
    assert snapshot.peer("pod-1a", "eth0") == snapshot.peer("pod-1a", "eth0") == End("node-1", "veth-pod-1a")
    assert snapshot.peer("node-1", "veth-pod-1a") == End("pod-1a", "eth0")
    assert snapshot.peer("node-1", "cni0") is None


def test_cables_are_paired_right_where_every_number_repeats() -> None:
    """Thirty namespaces, each wired to four others at random; the numbers of interfaces are 2 to 5 everywhere."""
    chance = random.Random(3)
    names = [f"n{number}" for number in range(30)]
    free = [(name, index) for name in names for index in (2, 3, 4, 5)]
    chance.shuffle(free)
    wanted = set()
    script = [f"netns add {name}" for name in names]
    for (a, i), (b, j) in zip(free[::2], free[1::2], strict=True):
        script.append(f"-n {a} link add e{i} index {i} type veth peer name e{j} index {j} netns {b}")
        wanted.add(frozenset((End(a, f"e{i}"), End(b, f"e{j}"))))
    shell("\n".join(f"ip {line}" for line in script))
    try:
        found = {frozenset((cable.a, cable.b)) for cable in Snapshot.take().cables}
    finally:
        shell("\n".join(f"ip netns delete {name}" for name in names))
    assert found == wanted


def test_a_cable_that_was_moved_is_found_where_it_is(lab: Lab) -> None:
    lab.namespace("red")
    lab.namespace("blue")
    shell("ip link add d0 type veth peer name d1; ip link set d0 netns red; ip link set d1 netns blue")
    assert [str(one) for one in Snapshot.take().cables] == ["blue/d1 — red/d0"]
    shell("ip -n red link set d0 name eth0; ip -n blue link set d1 netns red")
    assert [str(one) for one in Snapshot.take().cables] == ["red/d1 — red/eth0"]
    lab["red"].delete_link("eth0")
    assert Snapshot.take().cables == ()


def test_a_cable_into_a_namespace_that_cannot_be_seen_has_no_other_end(lab: Lab) -> None:
    """Its namespace is kept alive by an open file alone."""
    lab.namespace("red")
    shell("ip netns add gone")
    kept = os.open("/run/netns/gone", os.O_RDONLY)
    shell("ip -n red link add eth0 type veth peer name eth0 netns gone; ip netns delete gone")
    assert Snapshot.take().cables == ()
    assert Snapshot.take()["red"].links["eth0"].peer_nsid >= 0
    os.close(kept)


CHANGES = {
    "link set eth0 down": "~ pod-a: link eth0: up yes → no",
    "link set eth0 mtu 1400": "~ pod-a: link eth0: mtu 1500 → 1400",
    "link set lo alias 'role=pod name=web node=node-1 owner=lab'": "~ namespace web: name pod-a → web",
    "link add br0 type bridge": "+ pod-a: link br0",
    "address add 10.0.1.99/24 dev eth0": "+ pod-a: address 10.0.1.99/24 on eth0",
    "address delete 10.0.1.10/24 dev eth0": "- pod-a: address 10.0.1.10/24 on eth0",
    "route add 10.7.0.0/16 via 10.0.1.1": "+ pod-a: route 10.7.0.0/16 via 10.0.1.1 dev eth0",
    "route delete default": "- pod-a: route default via 10.0.1.1 dev eth0",
    "neighbour add 10.0.1.1 lladdr 02:00:00:00:00:01 dev eth0": (
        "+ pod-a: neighbour 10.0.1.1 dev eth0 is at 02:00:00:00:00:01"
    ),
    "rule add from 10.7.0.0/16 table 7": "+ pod-a: rule 32765: from 10.7.0.0/16",
    "link delete eth0": "- cable node-1/veth-pod-a — pod-a/eth0",
    "link set eth0 name net1": "~ pod-a: link net1: name eth0 → net1",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_by_hand_is_a_difference(lab: Lab, change: str) -> None:
    lab.node("node-1").pod("pod-a")
    before = Snapshot.take()
    shell(f"ip -n pod-a {change}")
    lines = str(diff(before, Snapshot.take())).splitlines()
    assert any(line.startswith(CHANGES[change]) for line in lines), lines


def test_a_rule_of_the_firewall_is_a_difference(lab: Lab) -> None:
    node = lab.node("node-1")
    before = Snapshot.take(firewall=True)
    node.masquerade()
    changes = diff(before, Snapshot.take(firewall=True))
    assert '+ node-1: firewall ip saddr 10.0.1.0/24 oifname != "cni0" masquerade' in str(changes).splitlines()
    assert diff(Snapshot.take(), Snapshot.take(firewall=True)).about("firewall") == ()


def test_a_namespace_that_went_and_one_that_came_are_two() -> None:
    """The kernel gives inode numbers again; the difference must not be taken in."""
    shell("ip netns add red; ip -n red link add br0 type bridge")
    before = Snapshot.take()
    shell("ip netns delete red")
    for _ in range(50):
        shell("ip netns add blue")
        after = Snapshot.take()
        if after["blue"].inode == before["red"].inode:
            break
        shell("ip netns delete blue")
    changes = diff(before, after)
    if "blue" in os.listdir("/run/netns"):
        shell("ip netns delete blue")
    assert [str(one) for one in changes.about("namespace")] == ["- namespace red", "+ namespace blue"]


def test_the_same_lab_twice_is_the_same(lab: Lab) -> None:
    def build() -> Snapshot:
        lab.reset()
        lab.node("node-1").pods(["pod-a", "pod-b"])
        lab["pod-a"].ping("pod-b")
        assert eventually(lambda: links("node-1")["cni0"]["operstate"] == links("underlay")["br0"]["operstate"] == "UP")
        return normalised(Snapshot.take())

    assert build() == build()


def test_a_snapshot_can_be_taken_while_namespaces_come_and_go() -> None:
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            shell(
                "ip netns add a; ip netns add b; ip -n a link add x type veth peer name x netns b;"
                "ip netns exec a sleep 0; ip netns delete a; ip netns delete b"
            )

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(150):
            names = Snapshot.take(firewall=False).names
            assert names[0] == "host"
    finally:
        stop.set()
        thread.join()
