"""What every carrier promises: all or nothing, nodes that come and go, nothing left, and clear words."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from typing import Any

import pytest

from labhelpers.errors import AlreadyExists, BadInput, LabError
from labhelpers.lab import Lab, Pod, checkpoint
from labhelpers.lab.pool import Pool
from labhelpers.linux.netlink import NetlinkSocket
from labhelpers.networks.route import Carrier, HostGateway, Vxlan, WireGuard
from tests.netns.carriers import CARRIERS, every_carrier, every_carrier_at_once, node_of, state, three_nodes
from tests.netns.data import replay
from tests.netns.everything import Everything
from tests.netns.faults import FAULTS, Crash, fault_at
from tests.netns.kernel import shell


def test_checkpoint_06_has_no_way_between_its_nodes(lab: Lab) -> None:
    lab = checkpoint("06")
    assert [node.name for node in lab.nodes] == ["node-1", "node-2"]
    assert [pod.name for pod in lab.pods] == ["pod-a", "pod-b", "pod-c", "pod-d"]
    assert lab["pod-a"].ping("pod-b")
    assert not lab["pod-a"].ping("pod-c", timeout=0.2)
    for node in lab.nodes:
        assert {route.destination for route in node.routes()} == {"default", "192.168.1.0/24", node.pod_cidr}


@every_carrier
def test_it_carries_and_leaves_the_nodes_as_they_were(lab: Lab, carrier: type[Carrier]) -> None:
    lab = three_nodes()
    before = state()
    with carrier(lab) as made:
        assert all(one.ok and one.by and not one.missing for one in made.status())
        assert len(made.status()) == 6
        assert made.nodes == lab.nodes
        for source, target in (("pod-a", "pod-c"), ("pod-c", "pod-a"), ("pod-e", "pod-b"), ("node-1", "pod-e")):
            assert lab[source].ping(target), (source, target)
        assert state() != before
    assert state() == before
    assert made.nodes == () and len(made.status()) == 0
    made.clean()
    assert state() == before
    with carrier(lab):  # again, on the same nodes
        assert lab["pod-a"].ping("pod-e")


@every_carrier
def test_it_says_what_it_is(lab: Lab, carrier: type[Carrier]) -> None:
    lab = checkpoint("06")
    with carrier(lab) as made:
        assert made.name and made.way
        assert made.device in {link.name for link in lab.nodes[0].links()}
        assert made.pod_mtu == 1500 - made.overhead
        lab["node-2"].set_mtu("eth0", 1400)
        assert made.pod_mtu == 1400 - made.overhead
        assert repr(made) == f"<{carrier.__name__} node-1, node-2: {made.way}>"


@every_carrier_at_once
def test_the_script_leads_to_the_same_state(lab: Lab, carrier: type[Carrier]) -> None:
    lab = three_nodes()
    gone, late = node_of(lab, "node-2"), lab.node("node-4")
    made = carrier(lab, nodes=[node for node in lab.nodes if node is not late])
    made.node_added(late)
    made.node_removed(gone)
    made.fit_pods()
    done = replay.replayed(str(lab.commands()))
    assert done.stderr == ""
    assert done.stdout == replay.result()


# --- nodes come and go ----------------------------------------------------------------------------------------------


@every_carrier
def test_a_node_that_is_added_is_as_if_it_had_been_there(lab: Lab, carrier: type[Carrier]) -> None:
    lab = three_nodes()
    with carrier(lab):
        complete = state()
    late = node_of(lab, "node-3")
    with carrier(lab, nodes=lab.nodes[:2]) as made:
        assert not lab["pod-a"].ping("pod-e", timeout=0.2)
        made.node_added(late)
        assert state() == complete
        assert lab["pod-a"].ping("pod-e") and lab["pod-e"].ping("pod-d")
        mark = len(lab.commands())
        made.node_added(late)
        assert state() == complete
        assert len(lab.commands()) == mark, "nothing was to do"


@every_carrier
def test_pods_keep_their_conversations_when_nodes_come_and_go(lab: Lab, carrier: type[Carrier]) -> None:
    lab = checkpoint("06")
    a, c = lab.pod("pod-a"), lab.pod("pod-c")
    with carrier(lab) as made, _conversation(a, c) as (near, far):
        late = lab.node("node-3")
        late.pod("pod-e")
        made.node_added(late)
        _say(near, far, b"one")
        made.node_removed(late)
        _say(far, near, b"two")
        made.node_added(late)
        late.delete()
        made.node_removed(late)
        _say(near, far, b"three")


@contextmanager
def _conversation(a: Pod, c: Pod) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A TCP connection between two pods, both ends in this process."""
    with (
        c._kernel.visit(lambda: socket.create_server((c.address, 7000))) as listening,
        a._kernel.visit(lambda: socket.socket()) as near,
    ):
        near.settimeout(3)
        near.connect((c.address, 7000))
        far, source = listening.accept()
        assert source[0] == a.address
        with far:
            far.settimeout(3)
            yield near, far


def _say(source: socket.socket, target: socket.socket, words: bytes) -> None:
    source.sendall(words)
    assert target.recv(100) == words


@every_carrier
def test_a_node_that_is_removed_is_as_before_and_the_others_forget_it(lab: Lab, carrier: type[Carrier]) -> None:
    lab = three_nodes()
    with carrier(lab, nodes=lab.nodes[:2]):
        without = state()
    with carrier(lab) as made:
        made.node_removed(node_of(lab, "node-3"))
        assert state() == without
        made.node_removed(node_of(lab, "node-3"))
        assert state() == without


@every_carrier
def test_the_others_forget_a_node_that_is_deleted(lab: Lab, carrier: type[Carrier]) -> None:
    lab = checkpoint("06")
    with carrier(lab):
        without = state()
    late = lab.node("node-3")
    late.pod("pod-e")
    with carrier(lab) as made:
        late.delete()
        assert [one.peer for one in made.status()] == ["node-2", "node-1"]
        made.node_removed(late)
        assert state() == without
        assert lab["pod-a"].ping("pod-c")
        # a node that is made anew gets the same addresses
        anew = lab.node("node-4")
        anew.pod("pod-f")
        assert (anew.address, anew.pod_cidr) == (late.address, late.pod_cidr)
        made.node_added(anew)
        assert lab["pod-a"].ping("pod-f")


@every_carrier
def test_a_node_whose_process_is_killed_can_be_removed(lab: Lab, carrier: type[Carrier]) -> None:
    lab = checkpoint("06")
    late = lab.node("node-3")
    with carrier(lab, nodes=lab.nodes[:2]):
        without = state()
    with carrier(lab) as made:
        os.kill(late.pid, signal.SIGKILL)
        os.waitpid(late.pid, 0)
        made.node_removed(late)
        assert lab["pod-a"].ping("pod-c")
        late.delete()
        assert {one for one in without.names if one != "node-3"} == set(state().names)
        assert not [route for node in lab.nodes for route in node.routes() if route.destination == late.pod_cidr]


@every_carrier
def test_a_lab_that_is_reset_takes_everything_with_it(lab: Lab, carrier: type[Carrier]) -> None:
    lab = checkpoint("06")
    made = carrier(lab)
    lab.reset()
    assert made.nodes == () and len(made.status()) == 0
    made.clean()
    assert len(lab.commands()) == 0
    assert state().names == ("host",)


@every_carrier
def test_what_somebody_breaks_is_said_and_put_back(lab: Lab, carrier: type[Carrier]) -> None:
    lab = checkpoint("06")
    with carrier(lab) as made:
        complete = state()
        table = "1" if isinstance(made, WireGuard) else "main"
        shell(f"ip -n node-1 route delete 10.0.2.0/24 table {table}")
        broken, whole = made.status()
        assert (broken.ok, whole.ok) == (False, True)
        assert "route" in broken.missing and "route" not in broken.by
        made.node_added(node_of(lab, "node-1"))
        assert state() == complete
        if made.device != "eth0":
            shell(f"ip -n node-1 link delete {made.device}")
            assert not made.status()[0].ok
            made.node_added(node_of(lab, "node-1"))
            assert all(one.ok for one in made.status())
            assert lab["pod-a"].ping("pod-c")


# --- all or nothing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
@every_carrier
def test_whatever_goes_wrong_all_or_nothing_is_left(lab: Lab, carrier: type[Carrier], fault: str) -> None:
    lab = checkpoint("06")
    before = Everything.now(lab)
    number = 0
    while True:
        number += 1
        with fault_at(number, FAULTS[fault]) as taken:
            made = None
            try:
                made = carrier(lab)
            except (LabError, Crash, KeyboardInterrupt):
                assert Everything.now(lab) == before, f"something is left after step {number}, {taken[number - 1]}"
        if made is not None:
            assert len(taken) < number or fault == "interrupt"
            assert all(one.ok for one in made.status())
            made.clean()
            if len(taken) < number:
                break
            before = Everything.now(lab)
    assert number > 2, "there were steps"


@pytest.mark.parametrize("fault", FAULTS)
@every_carrier
def test_a_node_is_added_whole_or_not_at_all(lab: Lab, carrier: type[Carrier], fault: str) -> None:
    lab = checkpoint("06")
    late = lab.node("node-3")
    with carrier(lab, nodes=lab.nodes[:2]) as made:
        before = Everything.now(lab)
        number = 0
        while True:
            number += 1
            with fault_at(number, FAULTS[fault]) as taken:
                try:
                    made.node_added(late)
                    failed = False
                except (LabError, Crash, KeyboardInterrupt):
                    failed = True
            if failed and late not in made.nodes:
                assert Everything.now(lab) == before, f"something is left after step {number}, {taken[number - 1]}"
                continue
            assert all(one.ok for one in made.status())
            if len(taken) < number:
                break
            made.node_removed(late)
            before = Everything.now(lab)


# --- what cannot work -----------------------------------------------------------------------------------------------


@every_carrier
def test_what_cannot_work_is_refused_before_anything_is_done(lab: Lab, carrier: type[Carrier]) -> None:
    stranger = lab.node("node-1")
    other = checkpoint("06")
    one, two = other.nodes
    before = Everything.now(other)
    wrong: list[tuple[Any, str]] = [
        (lambda: carrier("lab"), "'lab' is no lab"),  # type: ignore[arg-type]
        (lambda: carrier(other, nodes=[one]), "here is one node.*Make two first"),
        (lambda: carrier(other, nodes=[]), "here are no nodes"),
        (lambda: carrier(other, nodes=[one, two, one]), "node-1 is named twice"),
        (lambda: carrier(other, nodes=[one, "node-2"]), "'node-2' is no node"),  # type: ignore[list-item]
        (lambda: carrier(other, nodes=one), r"<Node node-1> is no list.*nodes=\[node_1, node_2\]"),  # type: ignore[arg-type]
        (lambda: carrier(other, nodes="node-1"), "'node-1' is no list of nodes"),  # type: ignore[arg-type]
        (lambda: carrier(other, nodes=[one, stranger]), "node-1 is not a node of this lab, or is gone"),
    ]
    for act, words in wrong:
        with pytest.raises(BadInput, match=words):
            act()
        assert Everything.now(other) == before


@every_carrier
def test_blocks_that_overlap_are_refused(lab: Lab, carrier: type[Carrier]) -> None:
    lab = three_nodes()
    before = Everything.now(lab)
    late = node_of(lab, "node-3")
    late._pool = Pool(IPv4Network("10.0.0.0/16"), alive=lambda pod: True)
    words = r"blocks of node-1 \(10\.0\.1\.0/24\) and node-3 \(10\.0\.0\.0/16\) overlap.*pod_cidr of its own"
    with pytest.raises(BadInput, match=words):
        carrier(lab)
    assert Everything.now(lab) == before
    with carrier(lab, nodes=lab.nodes[:2]) as made:
        before = Everything.now(lab)
        with pytest.raises(BadInput, match="overlap"):
            made.node_added(late)
        assert Everything.now(lab) == before


@pytest.mark.parametrize("second", CARRIERS, ids=lambda one: f"then {one.__name__}")
@every_carrier
def test_two_carriers_for_the_same_nodes_are_refused(lab: Lab, carrier: type[Carrier], second: type[Carrier]) -> None:
    lab = checkpoint("06")
    with carrier(lab):
        before = Everything.now(lab)
        with pytest.raises(AlreadyExists, match=r"(node-1 has (a route|an interface)|BIRD runs on node-1).*clean\(\)"):
            second(lab)
        assert Everything.now(lab) == before
        assert lab["pod-a"].ping("pod-c")


@every_carrier
def test_routes_made_by_hand_are_not_replaced(lab: Lab, carrier: type[Carrier]) -> None:
    lab = three_nodes()
    shell("ip -n node-3 route add 10.0.1.64/26 via 192.168.1.10")
    before = Everything.now(lab)
    with pytest.raises(AlreadyExists, match=r"node-3 has a route to the pods of node-1 already: 10\.0\.1\.64/26 via"):
        carrier(lab)
    assert Everything.now(lab) == before
    with carrier(lab, nodes=lab.nodes[:2]) as made:
        before = Everything.now(lab)
        with pytest.raises(AlreadyExists, match="node-3 has a route"):
            made.node_added(node_of(lab, "node-3"))
        assert Everything.now(lab) == before


def test_routes_between_the_nodes_are_named_with_the_command_that_takes_them_away(lab: Lab) -> None:
    lab = checkpoint("03")
    with pytest.raises(AlreadyExists, match=r"take the route away: `(ip -n node-1 route delete 10\.0\.2\.0/24)`"):
        HostGateway(lab)
    shell("ip -n node-1 route delete 10.0.2.0/24; ip -n node-2 route delete 10.0.1.0/24")
    with HostGateway(lab):
        assert lab["pod-a"].ping("pod-c")


@every_carrier
def test_names_are_not_nodes(lab: Lab, carrier: type[Carrier]) -> None:
    with carrier(checkpoint("06")) as made:
        for act in (made.node_added, made.node_removed):
            with pytest.raises(BadInput, match="'node-2' is no node"):
                act("node-2")  # type: ignore[arg-type]


def test_a_node_is_programmed_in_one_go(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ways grow with the square of the nodes; what is sent to the kernel must not."""
    sent = []
    send = NetlinkSocket._send

    def counted(self: NetlinkSocket, messages: Any, before: int) -> Any:
        sent.append(len(messages))
        return send(self, messages, before)

    nodes = [lab.node(f"node-{number}") for number in range(1, 13)]
    monkeypatch.setattr(NetlinkSocket, "_send", counted)
    with HostGateway(lab):
        assert sent == [11] * 12
        sent.clear()
    assert sent == [11] * 12
    sent.clear()
    with Vxlan(lab):
        assert len(sent) <= 4 * len(nodes)
        assert sum(sent) == 12 * (3 + 3 * 11)
