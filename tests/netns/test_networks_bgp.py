"""BGP: a real BIRD on each node, seen in the kernel's tables, by ``birdc`` and on the wire; and what if it dies."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from labhelpers.conformance import across_nodes
from labhelpers.errors import AlreadyExists, BadInput, LabError, NotFound, TimedOut, ToolMissing
from labhelpers.lab import Lab, Node, checkpoint
from labhelpers.linux import process
from labhelpers.networks import bird, own_run
from labhelpers.networks.bird import control, daemon
from labhelpers.networks.route import Bgp, BgpOverIpInIp, Carrier, HostGateway, IpInIp, Vxlan
from labhelpers.topology import Snapshot
from tests.netns.carriers import node_of, state, three_nodes
from tests.netns.data import replay
from tests.netns.everything import Everything
from tests.netns.faults import FAULTS, Crash, fault_at
from tests.netns.kernel import eventually, ip
from tests.netns.wire import recorded

CLONE = Path(__file__).parent.parent.parent

both = pytest.mark.parametrize("carrier", [Bgp, BgpOverIpInIp], ids=lambda one: one.__name__)


def _birds(node: Node) -> list[int]:
    return process.find(node.inode, "bird")


def _routes_of_bird(node: str) -> list[tuple[str, str, str, int]]:
    found = [one for one in ip("route", namespace=node) if one.get("protocol") == "bird"]
    return [(one["dst"], one["gateway"], one["dev"], one["metric"]) for one in found]


# --- what is there --------------------------------------------------------------------------------------------------


@both
def test_every_node_hears_of_the_others_blocks(lab: Lab, carrier: type[Bgp]) -> None:
    lab = three_nodes()
    with carrier(lab) as made:
        made.wait()
        assert sorted(_routes_of_bird("node-2")) == [
            ("10.0.1.0/24", "192.168.1.10", made.device, 32),
            ("10.0.3.0/24", "192.168.1.12", made.device, 32),
        ]
        routes = Snapshot.take()["node-3"].routes.where(protocol="bird")
        assert {(one.destination, one.via) for one in routes} == {
            ("10.0.1.0/24", "192.168.1.10"),
            ("10.0.2.0/24", "192.168.1.11"),
        }
        for source, target in (("pod-a", "pod-c"), ("pod-c", "pod-a"), ("pod-e", "pod-b"), ("node-1", "pod-e")):
            assert lab[source].ping(target), (source, target)


@both
def test_it_passes_the_conformance_of_networks(lab: Lab, carrier: type[Bgp]) -> None:
    lab = three_nodes()
    with carrier(lab) as made:
        made.wait()
        made.fit_pods()
        rows = across_nodes(lab)
        assert all(row.ok for row in rows), rows


@both
def test_its_status_is_what_birdc_says_and_the_kernel_has(lab: Lab, carrier: type[Bgp]) -> None:
    lab = checkpoint("06")
    node = node_of(lab, "node-1")
    with carrier(lab) as made:
        made.wait()
        leg, _ = made.status()
        assert (leg.node, leg.peer, leg.block, leg.ok, leg.missing) == ("node-1", "node-2", "10.0.2.0/24", True, "")
        way = f"route via 192.168.1.11 dev {made.device} proto bird"
        assert leg.by == f"session with 192.168.1.11 is Established; {way}"
        said = str(node.run("birdc show protocols", check=True))
        assert [line.split()[-1] for line in said.splitlines() if "Mesh_192_168_1_11" in line] == ["Established"]
        (session,) = made.sessions(node)
        assert (session.name, session.peer, session.state) == ("Mesh_192_168_1_11", "192.168.1.11", "Established")
        assert (session.learned, session.error) == (1, "")


def test_before_they_have_talked_the_status_says_what_is_missing(lab: Lab) -> None:
    with Bgp(checkpoint("06")) as made:
        legs = made.status()
        assert not any(leg.ok for leg in legs)
        assert all("session with 192.168.1." in leg.missing and "route proto bird" in leg.missing for leg in legs)
        with pytest.raises(TimedOut, match="BGP is not there after 0 s; from node-1 to node-2: session with"):
            made.wait(0)


def test_packets_travel_as_the_pods_sent_them_and_bird_talks_by_tcp(lab: Lab) -> None:
    lab = checkpoint("06")
    with recorded(lab["underlay"], "node-2") as wire, Bgp(lab) as made:
        made.wait()
        assert lab["pod-a"].ping("pod-c")
        seen = wire.wait_for(lambda packet: (packet.protocol, packet.destination) == (1, "10.0.1.10"))
    ports = {packet.payload[2:4] for packet in seen if packet.protocol == 6 and packet.source == "192.168.1.11"}
    assert (179).to_bytes(2, "big") in ports, "node-2 has the higher address, so it calls"
    assert ("10.0.1.10", "10.0.2.10") in {(one.source, one.destination) for one in seen if one.protocol == 1}


def test_over_ipip_packets_travel_in_packets_of_protocol_4(lab: Lab) -> None:
    lab = checkpoint("06")
    with recorded(lab["underlay"], "node-2") as wire, BgpOverIpInIp(lab) as made:
        made.wait()
        assert made.pod_mtu == 1480
        assert lab["pod-a"].ping("pod-c")
        seen = wire.wait_for(lambda packet: packet.protocol == 4 and packet.source == "192.168.1.11")
    wrapped = [packet for packet in seen if packet.protocol == 4]
    assert {(one.source, one.destination) for one in wrapped} == {
        ("192.168.1.10", "192.168.1.11"),
        ("192.168.1.11", "192.168.1.10"),
    }
    assert {one.payload[9] for one in wrapped} == {1}
    assert not [packet for packet in seen if packet.protocol == 1]


def test_a_node_without_pods_sends_what_is_for_its_block_nowhere(lab: Lab) -> None:
    lab = checkpoint("06")
    bare = lab.node("node-3")
    with Bgp(lab) as made:
        made.wait()
        assert eventually(lambda: bare.routes().where(kind="blackhole"))
        (hole,) = [one for one in ip("route", namespace="node-3") if one["type"] == "blackhole"]
        assert (hole["dst"], hole["protocol"]) == ("10.0.3.0/24", "bird")
        bare.pod("pod-e")
        assert eventually(lambda: not bare.routes().where(kind="blackhole")), "the bridge has the block now"
        assert lab["pod-a"].ping("pod-e")


# --- nothing is left ------------------------------------------------------------------------------------------------


@both
def test_a_node_is_left_as_it_was(lab: Lab, carrier: type[Bgp]) -> None:
    lab = three_nodes()
    before = state()
    for _ in range(2):
        with carrier(lab) as made:
            made.wait()
            assert all(len(_birds(node)) == 1 for node in lab.nodes)
        assert state() == before
        for node in lab.nodes:
            assert not _birds(node)
            assert not os.path.exists(f"{node.root}/run/bird")


def test_a_node_that_is_deleted_takes_its_bird_with_it(lab: Lab) -> None:
    lab = three_nodes()
    made = Bgp(lab)
    made.wait()
    gone = node_of(lab, "node-3")
    (pid,) = _birds(gone)
    gone.delete()
    assert not os.path.exists(f"/proc/{pid}")
    made.wait_until_withdrawn(gone)
    assert [one[0] for one in _routes_of_bird("node-1")] == ["10.0.2.0/24"]
    assert {leg.peer for leg in made.status()} == {"node-1", "node-2"}
    made.node_removed(gone)
    assert [session.peer for session in made.sessions(lab.nodes[0])] == ["192.168.1.11"]
    lab.reset()
    assert not made.status()


@both
def test_a_killed_sandbox_ends_every_daemon(lab: Lab, carrier: type[Bgp]) -> None:
    program = (
        "import time\n"
        "from labhelpers.lab import checkpoint\n"
        f"from labhelpers.networks.route import {carrier.__name__}\n"
        f"made = {carrier.__name__}(checkpoint('06'))\n"
        "print('made', flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-m", "labhelpers.sandbox.run", "--", sys.executable, "-c", program]
    birds = _everywhere("bird")
    sandbox = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CLONE)
    assert sandbox.stdout is not None
    with sandbox.stdout as said:
        assert said.readline() == "made\n"
        assert len(_everywhere("bird")) == len(birds) + 2
        sandbox.kill()
        sandbox.wait()
    assert eventually(lambda: _everywhere("bird") == birds)


def _everywhere(program: str) -> set[str]:
    names = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            names[pid] = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
    return {pid for pid, name in names.items() if name == program}


# --- nodes come and go ----------------------------------------------------------------------------------------------


@both
def test_a_node_that_is_added_hears_of_all_and_all_of_it(lab: Lab, carrier: type[Bgp]) -> None:
    lab = checkpoint("06")
    with carrier(lab) as made:
        made.wait()
        late = lab.node("node-3")
        late.pod("pod-e")
        made.node_added(late)
        made.wait()
        assert len(made.status()) == 6
        assert lab["pod-e"].ping("pod-b") and lab["pod-c"].ping("pod-e")
        mark = len(lab.commands())
        made.node_added(late)
        assert len(lab.commands()) == mark, "nothing was to do"
        made.node_removed(late)
        assert not _birds(late)
        assert [one[0] for one in _routes_of_bird("node-1")] == ["10.0.2.0/24"]
        assert lab["pod-a"].ping("pod-c")


@both
def test_its_script_leads_to_the_same_state(lab: Lab, carrier: type[Bgp]) -> None:
    lab = three_nodes()
    gone, late = node_of(lab, "node-2"), lab.node("node-4")
    late.pod("pod-f")
    made = carrier(lab, nodes=[node for node in lab.nodes if node is not late])
    made.node_added(late)
    made.node_removed(gone)
    made.wait()
    waits = "".join(
        f"until ip -n {leg.node} route show {leg.block} proto bird | grep -q .; do sleep 0.05; done\n"
        for leg in made.status()
    )
    done = subprocess.run(
        [sys.executable, "-m", "labhelpers.sandbox.run", "--", sys.executable, "-m", "tests.netns.data.replay"],
        input=f"{lab.commands()}\n{waits}",
        cwd=CLONE,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-len(replay.result().splitlines()) :] == replay.result().splitlines()


# --- what dies ------------------------------------------------------------------------------------------------------


def _killed(node: Node, number: int) -> None:
    (pid,) = _birds(node)
    os.kill(pid, number)
    if number == signal.SIGSTOP:
        assert eventually(lambda: "\nState:\tT" in Path(f"/proc/{pid}/status").read_text())
    else:
        assert eventually(lambda: not _birds(node))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda one: one.name)
def test_the_others_forget_a_node_whose_bird_dies(lab: Lab, number: signal.Signals) -> None:
    lab = three_nodes()
    dead = node_of(lab, "node-2")
    with Bgp(lab) as made:
        made.wait()
        _killed(dead, number)
        made.wait_until_withdrawn(dead)
        assert [one[0] for one in _routes_of_bird("node-1")] == ["10.0.3.0/24"]
        legs = {(leg.node, leg.peer): leg for leg in made.status()}
        assert legs["node-1", "node-3"].ok
        assert "session with 192.168.1.11, which is" in legs["node-1", "node-2"].missing
        assert "No BIRD answers on node-2" in legs["node-2", "node-1"].missing
        # killed, it could not take its own routes away; the kernel keeps them
        assert ("route via" in legs["node-2", "node-1"].by) == (number == signal.SIGKILL)
        made.node_added(dead)
        made.wait()
        assert lab["pod-c"].ping("pod-e")


def test_a_bird_that_died_is_cleaned_up_after(lab: Lab) -> None:
    lab = checkpoint("06")
    before = state()
    with Bgp(lab) as made:
        made.wait()
        _killed(node_of(lab, "node-1"), signal.SIGKILL)
        assert _routes_of_bird("node-1")
    assert state() == before
    assert not os.path.exists(f"{lab.nodes[0].root}/run/bird")


def test_a_peer_can_be_removed_where_the_own_bird_has_died(lab: Lab) -> None:
    lab = three_nodes()
    with Bgp(lab) as made:
        made.wait()
        dead, gone = node_of(lab, "node-1"), node_of(lab, "node-3")
        _killed(dead, signal.SIGKILL)
        made.node_removed(gone)
        assert [one[0] for one in _routes_of_bird("node-1")] == ["10.0.2.0/24"]
        made.node_added(dead)
        assert bird.peers(dead) == {"192.168.1.11"}
        made.wait()


def test_a_bird_that_hangs_is_said_and_ended(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = checkpoint("06")
    before = state()
    monkeypatch.setattr(control, "_PATIENCE", 0.2)
    with Bgp(lab) as made:
        made.wait()
        _killed(node_of(lab, "node-1"), signal.SIGSTOP)
        assert "BIRD on node-1 did not answer within 0.2 s" in made.status()[0].missing
        made.node_added(node_of(lab, "node-1"))
        made.wait()
        _killed(node_of(lab, "node-2"), signal.SIGSTOP)
    assert state() == before


def test_with_graceful_restart_the_routes_of_a_killed_bird_are_kept_for_a_while(lab: Lab) -> None:
    lab = checkpoint("06")
    dead = node_of(lab, "node-2")
    with Bgp(lab, graceful_restart=2) as made:
        made.wait()
        _killed(dead, signal.SIGKILL)
        assert eventually(lambda: made.sessions(lab.nodes[0])[0].state != "Established")
        assert [one[0] for one in _routes_of_bird("node-1")] == ["10.0.2.0/24"], "it may come back"
        assert lab["pod-a"].ping("pod-c"), "its kernel still forwards"
        made.wait_until_withdrawn(dead)
        assert not lab["pod-a"].ping("pod-c", timeout=0.2)


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"hold_time": 3}, "Hold timer expired"), ({"bfd": True}, "BFD session down")],
    ids=["hold-time", "bfd"],
)
def test_a_node_that_cannot_be_reached_any_more_is_forgotten(lab: Lab, options: dict[str, int], reason: str) -> None:
    lab = checkpoint("06")
    cut = node_of(lab, "node-2")
    with Bgp(lab, **options) as made:  # type: ignore[arg-type]
        made.wait()
        if "bfd" in options:
            assert eventually(lambda: "Up" in str(lab["node-1"].run("birdc show bfd sessions")))
        lab["underlay"].down("node-2")
        made.wait_until_withdrawn(cut)
        assert reason in made.status()[0].missing
        if "bfd" in options:
            lab["underlay"].up("node-2")
            made.wait()
            assert lab["pod-a"].ping("pod-c"), "it is there again"


def test_a_node_whose_process_is_killed_can_be_removed(lab: Lab) -> None:
    lab = checkpoint("06")
    late = lab.node("node-3")
    with Bgp(lab) as made:
        made.wait()
        os.kill(late.pid, signal.SIGKILL)
        os.waitpid(late.pid, 0)
        made.node_removed(late)
        assert not _birds(late)
        assert [one[0] for one in _routes_of_bird("node-1")] == ["10.0.2.0/24"]
        late.delete()


# --- what cannot work -----------------------------------------------------------------------------------------------


def _refused_beside(lab: Lab, act: Callable[[], object], kind: type[LabError], words: str) -> None:
    """Refused, and what is there already stays as it is."""
    before = Everything.now(lab)
    with pytest.raises(kind, match=words):
        act()
    assert Everything.now(lab) == before


def _refused(lab: Lab, act: Callable[[], object], kind: type[LabError], words: str) -> None:
    _refused_beside(lab, act, kind, words)
    for node in lab.nodes:
        assert not os.path.exists(f"{node.root}/run/bird")


@both
def test_without_bird_it_is_said_which_package_brings_it(
    lab: Lab, carrier: type[Bgp], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = checkpoint("06")
    before = state()
    monkeypatch.setenv("PATH", "/nowhere")
    words = r"The program 'bird' is not installed\. Install it outside the notebook: `sudo apt-get install bird2`\."
    with pytest.raises(ToolMissing, match=words):
        carrier(lab)
    assert state() == before


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'no such filter' >&2; exit 1", "`bird -p -c /run/bird/bird.cfg` on node-1 ended with status 1: no such"),
        ("exit 0", "No BIRD answers on node-1: no such file or directory"),
    ],
    ids=["refuses", "does not stay"],
)
def test_a_bird_that_does_not_start_leaves_nothing(
    lab: Lab, script: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = checkpoint("06")
    fake = tmp_path / "bird"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    _refused(lab, lambda: Bgp(lab), LabError, words)


def test_a_bird_of_somebody_elses_is_left_alone(lab: Lab) -> None:
    lab = checkpoint("06")
    node = node_of(lab, "node-2")
    node.run(["sh", "-c", "echo 'router id 1.1.1.1; protocol device {}' > /run/mine.cfg"], check=True)
    node.run("bird -c /run/mine.cfg -s /run/mine.ctl", check=True)
    (pid,) = _birds(node)
    _refused(lab, lambda: Bgp(lab), AlreadyExists, "A BIRD runs on node-2 already")
    assert _birds(node) == [pid]


def test_a_second_carrier_is_refused(lab: Lab) -> None:
    lab = checkpoint("06")
    with Bgp(lab) as made:
        with pytest.raises(AlreadyExists, match="A BIRD runs on node-1 already"):
            Bgp(lab)
        made.wait()
        with pytest.raises(AlreadyExists, match=r"node-1 has a route to the pods of node-2 already.*clean\(\)"):
            HostGateway(lab)
        assert lab["pod-a"].ping("pod-c")
    with HostGateway(lab):
        _refused(lab, lambda: Bgp(lab), AlreadyExists, "node-1 has a route to the pods of node-2 already")


@pytest.mark.parametrize("second", [HostGateway, IpInIp, Vxlan], ids=lambda one: one.__name__)
def test_a_second_carrier_is_refused_before_the_birds_have_talked(lab: Lab, second: type[Carrier]) -> None:
    lab = checkpoint("06")
    with Bgp(lab) as made:
        for node in lab.nodes:
            for peer in made.sessions(node):
                bird.ask(node, f"disable {peer.name}")  # so that they never talk, however fast they are
        words = r"A BIRD runs on node-1 already, and talks with other nodes.*clean\(\)"
        _refused_beside(lab, lambda: second(lab), AlreadyExists, words)
        late = lab.node("node-3")
        with second(lab, nodes=[lab.nodes[0], late]) as other:  # BIRD on node-1 was told of node-2 only
            with pytest.raises(AlreadyExists, match=words.replace("node-1", "node-2")):
                other.node_added(lab.nodes[1])
            assert [node.name for node in other.nodes] == ["node-1", "node-3"]


def test_a_bird_that_knows_no_other_node_is_in_nobodys_way(lab: Lab) -> None:
    lab = checkpoint("06")
    node = node_of(lab, "node-2")
    node.run(["sh", "-c", "echo 'router id 1.1.1.1; protocol device {}' > /run/mine.cfg"], check=True)
    node.run("bird -c /run/mine.cfg -s /run/mine.ctl", check=True)
    with HostGateway(lab):
        assert lab["pod-a"].ping("pod-c")
    assert len(_birds(node)) == 1


def test_times_that_bird_would_not_take_are_refused(lab: Lab) -> None:
    lab = checkpoint("06")
    _refused(lab, lambda: Bgp(lab, hold_time=1), BadInput, "A hold_time of 1 seconds is not possible")
    _refused(lab, lambda: Bgp(lab, bfd="yes"), BadInput, "bfd='yes' says neither yes nor no")  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", ["crash", "interrupt"])
@both
def test_whatever_goes_wrong_with_daemons_all_or_nothing_is_left(lab: Lab, carrier: type[Bgp], fault: str) -> None:
    """At every program that is started, file that is written and question that is asked."""
    lab = checkpoint("06")
    before = Everything.now(lab)
    more = [(process, "run"), (own_run, "write"), (daemon, "ask")]
    for number in itertools.count(1):
        made = None
        with fault_at(number, FAULTS[fault], more) as taken, suppress(Crash, KeyboardInterrupt):
            made = carrier(lab)
        if made is not None:
            made.clean()
            break
        assert Everything.now(lab) == before, f"something is left after step {number}, {taken[number - 1]}"
        assert not any(_birds(node) for node in lab.nodes)
    assert {name for _, name in more} <= set(taken)


# --- the control socket ---------------------------------------------------------------------------------------------


def test_bird_can_be_asked_anything(lab: Lab) -> None:
    lab = checkpoint("06")
    node, other = lab.nodes
    with Bgp(lab) as made:
        made.wait()
        routes = [text for code, text in bird.ask(node, "show route protocol Mesh_192_168_1_11") if code == 1007]
        assert any(text.startswith("10.0.2.0/24") for text in routes)
        with pytest.raises(BadInput, match=r"BIRD does not understand 'show rubbish': syntax error.*birdc help"):
            bird.ask(node, "show rubbish")
        with pytest.raises(LabError, match=r"BIRD on node-1 refused .*: No protocols match"):
            bird.ask(node, 'disable "nosuch*"')
    with pytest.raises(NotFound, match="No BIRD answers on node-1: no such file or directory"):
        bird.ask(node, "show status")
    with pytest.raises(BadInput, match="'node-1' is no node"):
        made.sessions("node-1")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="'node-1' is no node"):
        made.wait_until_withdrawn("node-1")  # type: ignore[arg-type]
    assert other.exists
