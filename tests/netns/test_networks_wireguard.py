"""WireGuard: nobody on the underlay can read what pods say; by the kernel where it can, else by wireguard-go."""

from __future__ import annotations

import errno
import itertools
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from labhelpers.conformance import across_nodes
from labhelpers.errors import (
    AlreadyExists,
    BadInput,
    KernelFeatureMissing,
    LabError,
    NeedsPrivilege,
    NotFound,
    ToolMissing,
)
from labhelpers.lab import Lab, Node, checkpoint
from labhelpers.linux import kinds, namespace, process
from labhelpers.linux import wireguard as kernel
from labhelpers.linux.wireguard import Peer
from labhelpers.networks import wireguard
from labhelpers.networks.route import Bgp, HostGateway, WireGuard
from labhelpers.networks.wireguard import Keys, uapi
from labhelpers.topology import Snapshot
from tests.netns.carriers import node_of, state, three_nodes
from tests.netns.everything import Everything
from tests.netns.faults import FAULTS, Crash, fault_at
from tests.netns.kernel import eventually, ip, links, shell
from tests.netns.wire import Outer, recorded

SECRET = b"the payload that nobody else may read"


def _go(node: Node) -> list[int]:
    return process.find(node.inode, "wireguard-go")


@pytest.fixture
def user_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the way of a kernel without WireGuard, on any kernel."""

    def refuse(*_: Any) -> None:
        raise KernelFeatureMissing("This kernel has no WireGuard.")

    monkeypatch.setattr(kernel, "add", refuse)


@pytest.fixture
def in_kernel() -> None:
    """Only where the kernel has WireGuard."""
    made = namespace.create("try")
    try:
        with made.changes() as changes:
            kinds.add(changes, "try", "wireguard")
    except KernelFeatureMissing:
        pytest.skip("this kernel has no WireGuard")
    finally:
        namespace.delete(made)


# --- what is there --------------------------------------------------------------------------------------------------


def test_a_node_is_programmed_as_calico_does_it(lab: Lab) -> None:
    with WireGuard(three_nodes()) as made:
        device = links("node-1")["wireguard.cali"]
        assert (device["mtu"], device["addr_info"][0]["local"], device["addr_info"][0]["prefixlen"]) == (
            *(1440, "10.0.1.0", 32),
        )
        (rule,) = [one for one in ip("rule", namespace="node-1") if one["priority"] == 99]
        assert "not" in rule
        assert (rule["fwmark"], rule["fwmask"], rule["table"]) == ("0x200000", "0x200000", "1")
        routes = ip("route", "show", "table", "1", namespace="node-1")
        assert {(one["dst"], one["dev"], one["scope"]) for one in routes} == {
            ("10.0.2.0/24", "wireguard.cali", "link"),
            ("10.0.3.0/24", "wireguard.cali", "link"),
        }
        (seen,) = Snapshot.take()["node-1"].rules.where(priority=99)
        assert (seen.selector, seen.table) == ("not from all fwmark 0x200000/0x200000", "1")
        assert made.pod_mtu == 1440


def test_wg_shows_what_the_status_says(lab: Lab) -> None:
    lab = three_nodes()
    node = node_of(lab, "node-1")
    with WireGuard(lab) as made:
        first, *peers = str(node.run("wg show wireguard.cali dump", check=True)).splitlines()
        keys = Keys.of("node-1")
        assert first.split("\t") == [keys.private, keys.public, "51820", "0x200000"]
        shown = {tuple(line.split("\t")[:4]) for line in peers}
        assert {(key, endpoint, allowed) for key, _, endpoint, allowed in shown} == {
            (Keys.of("node-2").public, "192.168.1.11:51820", "10.0.2.0/24"),
            (Keys.of("node-3").public, "192.168.1.12:51820", "10.0.3.0/24"),
        }
        leg = made.status()[0]
        assert (leg.node, leg.peer, leg.block, leg.ok, leg.missing) == ("node-1", "node-2", "10.0.2.0/24", True, "")
        assert leg.by == (
            f"peer {Keys.of('node-2').public} at 192.168.1.11:51820; route dev wireguard.cali table 1; rule 99"
        )


def test_public_keys_are_those_that_wg_makes(lab: Lab) -> None:
    for name in ("node-1", "node-2", "a-node-with-a-long-name"):
        keys = Keys.of(name)
        assert shell(f"echo {keys.private} | wg pubkey") == keys.public


def test_peers_show_what_was_sent_and_when_keys_were_agreed_on(lab: Lab) -> None:
    lab = checkpoint("06")
    node = node_of(lab, "node-1")
    with WireGuard(lab) as made:
        assert made.peers(node) == (Peer(Keys.of("node-2").public, ("192.168.1.11", 51820), ("10.0.2.0/24",)),)
        assert lab["pod-a"].ping("pod-c")
        (peer,) = made.peers(node)
        assert peer.handshake > 0 and peer.sent > 84 and peer.received > 84


def test_what_pods_say_cannot_be_read_on_the_underlay(lab: Lab) -> None:
    lab = checkpoint("06")
    with HostGateway(lab):
        plain = _overheard(lab)
        assert [packet for packet in plain if SECRET in packet.payload], "in clear text it can be seen"
    with WireGuard(lab):
        encrypted = _overheard(lab)
    assert not [packet for packet in encrypted if SECRET in packet.payload]
    between_nodes = {("192.168.1.10", "192.168.1.11"), ("192.168.1.11", "192.168.1.10")}
    assert {(one.source, one.destination) for one in encrypted} == between_nodes
    assert {one.protocol for one in encrypted} == {17}
    assert {one.payload[0:4] for one in encrypted} == {(51820).to_bytes(2, "big") * 2}


def _overheard(lab: Lab) -> list[Outer]:
    """The packets at node-2's port on the underlay while pod-a says something to pod-c, by TCP."""
    with recorded(lab["underlay"], "node-2") as wire, lab["pod-c"].listen(9000) as server:
        assert server.running
        lab["pod-a"].run(["bash", "-c", f"exec 3<>/dev/tcp/10.0.2.10/9000; echo '{SECRET.decode()}' >&3"], check=True)
        wire.wait_for(lambda packet: len(packet.payload) > len(SECRET))
        return wire.packets()


def test_an_encrypted_packet_is_sixty_bytes_longer(lab: Lab) -> None:
    """And its content is filled up to a multiple of 16, so that its length says less."""
    lab = checkpoint("06")
    with recorded(lab["underlay"], "node-2") as wire, WireGuard(lab) as made:
        shell("ping -c 1 -W 2 -s 996 10.0.2.10", "pod-a")  # 1024 bytes with both headers
        wire.wait_for(lambda packet: packet.length > 1000)
        assert {packet.length for packet in wire.packets() if packet.length > 1000} == {1024 + made.overhead}
        shell("ping -c 1 -W 2 -s 993 10.0.2.10", "pod-a")  # 1021
        assert {packet.length for packet in wire.packets() if packet.length > 1000} == {1024 + made.overhead}


def test_it_passes_the_conformance_of_networks(lab: Lab) -> None:
    lab = three_nodes()
    with WireGuard(lab) as made:
        made.fit_pods()
        rows = across_nodes(lab)
        assert all(row.ok for row in rows), rows


def test_the_kernel_is_taken_where_it_can(lab: Lab, in_kernel: None) -> None:
    lab = checkpoint("06")
    with WireGuard(lab) as made:
        assert made.way == "the kernel's wireguard device"
        assert links("node-1")["wireguard.cali"]["linkinfo"]["info_kind"] == "wireguard"
        assert not any(_go(node) for node in lab.nodes)


def test_where_it_cannot_wireguard_go_does_it(lab: Lab, user_space: None) -> None:
    lab = checkpoint("06")
    with WireGuard(lab) as made:
        assert made.way == "wireguard-go on a TUN device: user space, not the product"
        assert links("node-1")["wireguard.cali"]["linkinfo"]["info_kind"] == "tun"
        assert all(len(_go(node)) == 1 for node in lab.nodes)
        assert lab["pod-a"].ping("pod-c") and lab["node-1"].ping("pod-c")


# --- nothing is left ------------------------------------------------------------------------------------------------


def test_a_node_is_left_as_it_was(lab: Lab, user_space: None) -> None:
    lab = three_nodes()
    before = state()
    with WireGuard(lab):
        assert state() != before
    assert state() == before
    for node in lab.nodes:
        assert not _go(node)
        assert not os.path.exists(f"{node.root}/run/wireguard")


def test_a_node_that_is_deleted_takes_its_daemon_with_it(lab: Lab, user_space: None) -> None:
    lab = three_nodes()
    made = WireGuard(lab)
    gone = node_of(lab, "node-3")
    (pid,) = _go(gone)
    gone.delete()
    assert not os.path.exists(f"/proc/{pid}")
    made.node_removed(gone)
    assert [one.public_key for one in made.peers(node_of(lab, "node-1"))] == [Keys.of("node-2").public]
    lab.reset()


# --- what dies ------------------------------------------------------------------------------------------------------


def _kill(node: Node, number: int = signal.SIGKILL) -> None:
    (pid,) = _go(node)
    os.kill(pid, number)
    if number == signal.SIGSTOP:
        assert eventually(lambda: "\nState:\tT" in Path(f"/proc/{pid}/status").read_text())
    else:
        assert eventually(lambda: not _go(node) and "wireguard.cali" not in links(node.name))


def test_a_daemon_that_dies_is_said_and_put_back(lab: Lab, user_space: None) -> None:
    lab = checkpoint("06")
    dead = node_of(lab, "node-1")
    with WireGuard(lab) as made:
        complete = state()
        _kill(dead)
        there, other = made.status()
        assert (there.ok, other.ok) == (False, True)
        assert there.missing == "There is no interface wireguard.cali on node-1"
        with pytest.raises(NotFound, match=r"no interface wireguard\.cali on node-1\. If wireguard-go made it"):
            made.peers(dead)
        assert not lab["pod-a"].ping("pod-c", timeout=0.2)
        made.node_added(dead)
        assert state() == complete
        assert lab["pod-a"].ping("pod-c")


def test_when_the_daemon_is_dead_packets_leave_in_clear_text(lab: Lab, user_space: None) -> None:
    """Table 1 is empty then, and the main table has a default route: the docstring says so."""
    lab = checkpoint("06")
    with WireGuard(lab), recorded(lab["underlay"], "node-1") as wire:
        _kill(node_of(lab, "node-1"))
        lab["pod-a"].ping("pod-c", timeout=0.2)
        wire.wait_for(lambda packet: (packet.protocol, packet.source) == (1, "10.0.1.10"))


def test_a_daemon_that_died_is_cleaned_up_after(lab: Lab, user_space: None) -> None:
    lab = checkpoint("06")
    before = state()
    with WireGuard(lab):
        _kill(node_of(lab, "node-1"))
    assert state() == before
    assert not os.path.exists(f"{lab.nodes[0].root}/run/wireguard")


def test_a_daemon_that_hangs_is_said_and_ended(lab: Lab, user_space: None, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = checkpoint("06")
    before = state()
    monkeypatch.setattr(uapi, "_PATIENCE", 0.2)
    with WireGuard(lab) as made:
        _kill(node_of(lab, "node-1"), signal.SIGSTOP)
        assert made.status()[0].missing == "wireguard-go on node-1 did not answer within 0.2 s"
    assert state() == before
    assert not any(_go(node) for node in lab.nodes)


def test_a_peer_can_be_removed_where_the_own_daemon_has_died(lab: Lab, user_space: None) -> None:
    lab = three_nodes()
    with WireGuard(lab) as made:
        _kill(node_of(lab, "node-1"))
        made.node_removed(node_of(lab, "node-3"))
        made.node_added(node_of(lab, "node-1"))
        assert all(leg.ok for leg in made.status()) and len(made.status()) == 2


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("ip -n node-1 route delete 10.0.2.0/24 table 1", "route dev wireguard.cali table 1"),
        ("ip -n node-1 rule delete priority 99", "rule 99"),
    ],
    ids=["route", "rule"],
)
def test_what_somebody_takes_away_is_said_and_put_back(lab: Lab, command: str, missing: str) -> None:
    lab = checkpoint("06")
    with WireGuard(lab) as made:
        complete = state()
        shell(command)
        assert (made.status()[0].ok, made.status()[0].missing) == (False, missing)
        made.node_added(node_of(lab, "node-1"))
        assert state() == complete


def test_a_peer_that_somebody_takes_away_is_said_and_put_back(lab: Lab) -> None:
    lab = checkpoint("06")
    node, key = node_of(lab, "node-1"), Keys.of("node-2").public
    with WireGuard(lab) as made:
        node.run(f"wg set wireguard.cali peer {key} remove", check=True)
        assert made.status()[0].missing == f"peer {key} at 192.168.1.11:51820"
        made.node_added(node)
        assert lab["pod-a"].ping("pod-c")


# --- what cannot work -----------------------------------------------------------------------------------------------


def _refused(lab: Lab, act: Callable[[], object], kind: type[LabError], words: str) -> None:
    before = Everything.now(lab)
    with pytest.raises(kind, match=words):
        act()
    assert Everything.now(lab) == before
    for node in lab.nodes:
        assert not os.path.exists(f"{node.root}/run/wireguard")


def test_without_wireguard_go_it_is_said_which_package_brings_it(
    lab: Lab, user_space: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = checkpoint("06")
    before = state()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolMissing, match=r"'wireguard-go' is not installed.*`sudo apt-get install wireguard-go`"):
        WireGuard(lab)
    assert state() == before


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo '┌──┐\n│no│\n└──┘' >&2; echo 'no luck' >&2; exit 1", "on node-1 ended with status 1: no luck. Read"),
        ("exit 0", "There is no interface wireguard.cali on node-1"),
    ],
    ids=["refuses", "does not stay"],
)
def test_a_daemon_that_does_not_start_leaves_nothing(
    lab: Lab, user_space: None, script: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = checkpoint("06")
    fake = tmp_path / "wireguard-go"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    _refused(lab, lambda: WireGuard(lab), LabError, words)


def _refuse_to_open(path: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def opened(name: Any, *rest: Any, **more: Any) -> int:
        if name == path:
            raise OSError(code, os.strerror(code), name)
        return real(name, *rest, **more)

    monkeypatch.setattr(os, "open", opened)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (errno.EACCES, NeedsPrivilege, r"/dev/net/tun may not be opened here\. .*`sudo chmod 666 /dev/net/tun`"),
        (errno.ENOENT, KernelFeatureMissing, r"/dev/net/tun cannot be opened: no such file or directory\. Run doctor"),
    ],
)
def test_without_a_tun_device_it_is_said_what_is_missing_and_what_to_do(
    lab: Lab, user_space: None, code: int, kind: type[LabError], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = checkpoint("06")
    _refuse_to_open("/dev/net/tun", code, monkeypatch)
    _refused(lab, lambda: WireGuard(lab), kind, f"This kernel has no WireGuard, and wireguard-go needs .* {words}")
    monkeypatch.setattr(kernel, "is_there", lambda: False)
    with pytest.raises(kind, match=words):
        wireguard.require()
    monkeypatch.setattr(kernel, "is_there", lambda: True)
    wireguard.require()


def test_what_the_kernel_is_asked_for_is_what_it_can_make(lab: Lab) -> None:
    made = namespace.create("try")
    try:
        with made.changes() as changes:
            kinds.add(changes, "try", "wireguard")
        can = True
    except KernelFeatureMissing:
        can = False
    finally:
        namespace.delete(made)
    assert kernel.is_there() is can


@pytest.mark.parametrize("fault", ["crash", "interrupt"])
def test_whatever_goes_wrong_with_daemons_all_or_nothing_is_left(lab: Lab, user_space: None, fault: str) -> None:
    """At every program that is started and everything that one is told."""
    lab = checkpoint("06")
    before = Everything.now(lab)
    more = [(process, "run"), (uapi, "ask")]
    for number in itertools.count(1):
        made = None
        with fault_at(number, FAULTS[fault], more) as taken, suppress(Crash, KeyboardInterrupt):
            made = WireGuard(lab)
        if made is not None:
            made.clean()
            break
        assert Everything.now(lab) == before, f"something is left after step {number}, {taken[number - 1]}"
        assert not any(_go(node) for node in lab.nodes)
    assert {name for _, name in more} <= set(taken)


def test_a_level_of_logging_does_not_make_us_wait(lab: Lab, user_space: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """With it wireguard-go keeps our end of its output open for as long as it lives."""
    monkeypatch.setenv("LOG_LEVEL", "error")
    lab = checkpoint("06")
    with WireGuard(lab):
        assert lab["pod-a"].ping("pod-c")


def test_a_rule_of_somebody_elses_is_left_alone(lab: Lab) -> None:
    lab = checkpoint("06")
    shell("ip -n node-2 rule add priority 99 from 10.9.0.0/16 lookup 7")
    _refused(lab, lambda: WireGuard(lab), AlreadyExists, "node-2 has a rule of priority 99 already")


def test_two_carriers_are_refused(lab: Lab) -> None:
    lab = checkpoint("06")
    with WireGuard(lab):
        for other in (HostGateway, WireGuard, Bgp):
            with pytest.raises(AlreadyExists, match=r"node-1 has (a route|an interface)"):
                other(lab)
    with HostGateway(lab):
        _refused(lab, lambda: WireGuard(lab), AlreadyExists, "node-1 has a route to the pods of node-2 already")


def test_what_is_no_node_is_refused(lab: Lab) -> None:
    with WireGuard(checkpoint("06")) as made, pytest.raises(BadInput, match="'node-1' is no node"):
        made.peers("node-1")  # type: ignore[arg-type]


def test_the_kernels_way_says_where_there_is_none(lab: Lab) -> None:
    """Reading and changing what is no WireGuard interface: the kernel has no such family, or no such interface."""
    red = lab.namespace("red")
    for act in (lambda: kernel.read(red._kernel, "lo"), lambda: kernel.change(red._kernel, "lo", port=1)):
        with pytest.raises(LabError, match=r"no WireGuard|not supported|wg (set|show) lo"):
            act()
