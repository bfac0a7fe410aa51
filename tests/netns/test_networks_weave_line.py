"""Weave's mesh on a line of three nodes: frames are passed on, nobody reads them, and what is wrong is dropped."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator

import pytest

from labhelpers.conformance import across_nodes, network_model
from labhelpers.networks import Weave
from labhelpers.networks.weave.settings import PORT
from labhelpers.trace import walk
from tests.netns.kernel import eventually
from tests.netns.weave import (
    LINE,
    PATIENCE,
    Woven,
    calling,
    forge,
    sealed_datagrams,
    senders,
    woven,
)
from tests.netns.wire import recorded


@pytest.fixture(scope="module")
def line() -> Iterator[Woven]:
    """node-1 – node-2 – node-3, encrypted; the tests leave the routers alone."""
    with woven(Weave(links=LINE, password="open sesame")) as made:
        yield made


# --- a line: frames are passed on, and nobody reads them ------------------------------------------------------------


def test_a_line_meets_the_network_model(line: Woven) -> None:
    rows = [*network_model(line.lab, pods=line.pods), *across_nodes(line.lab, pods=line.pods)]
    assert {row.id: row.seen for row in rows if not row.ok} == {}


def test_the_peers_know_the_line_and_each_its_next_hop(line: Woven) -> None:
    said = {number: {one["nickname"]: one for one in line.asked(number)["peers"]} for number in (1, 2, 3)}
    for peers in said.values():
        assert {name: set(one["connected"]) for name, one in peers.items()} == {
            "node-1": {"node-2"},
            "node-2": {"node-1", "node-3"},
            "node-3": {"node-2"},
        }
    assert [said[number]["node-3"]["by"] for number in (1, 2)] == ["node-2", "node-3"]
    assert [leg.by for leg in line.installed.status().where(node="node-1", peer="node-3")] == ["by way of node-2"]


def test_the_ends_of_a_line_send_nothing_to_one_another_and_nobody_reads_it(line: Woven) -> None:
    secret = "666f6f6261726261"  # what ping fills its packets with
    with recorded(line.nodes[1]) as wire:
        before = line.asked(2)["frames"].get("passed on", 0)
        said = line.pods[0].run(f"ping -c 3 -i 0.2 -p {secret} {line.pods[2].address}")
        assert "3 received" in str(said) and "DUP" not in str(said)
        packets = wire.packets()
    ends = {("192.168.1.10", "192.168.1.11"), ("192.168.1.11", "192.168.1.12")}
    assert senders(packets, PORT) == ends | {(there, here) for here, there in ends}
    assert not any(bytes.fromhex(secret) in frame for frame in wire.frames)
    assert line.asked(2)["frames"]["passed on"] - before >= 6


def test_frames_of_any_size_come_out_as_they_went_in(line: Woven) -> None:
    """As the kernel makes them for pods of one machine, they are 64 KiB long and have no checksum."""
    sent, received = random.Random(7).randbytes(300_000), bytearray()
    source, destination, address = line.pods[0], line.pods[2], line.pods[2].address
    with destination._kernel.visit(lambda: socket.create_server((address, 80))) as server:
        server.settimeout(PATIENCE)

        def serve() -> None:
            tcp, _ = server.accept()
            with tcp:
                tcp.settimeout(PATIENCE)
                while piece := tcp.recv(65536):
                    received.extend(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        with source._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as tcp:
            tcp.settimeout(PATIENCE)
            tcp.connect((address, 80))
            tcp.sendall(sent)
        thread.join(PATIENCE)
    assert bytes(received) == sent


def test_a_walk_infers_which_sealed_datagrams_carry_the_frame_and_says_so(line: Woven) -> None:
    assert line.reaches(1, 3)
    walked = walk(line.pods[0], line.pods[2])
    inferred = [(hop.namespace, hop.device, hop.direction) for hop in walked.request if hop.inferred]
    nodes = [place for place in inferred if place[0] != "underlay"]
    assert nodes == [
        ("node-1", "eth0", "out"),
        ("node-2", "eth0", "in"),
        ("node-2", "eth0", "out"),
        ("node-3", "eth0", "in"),
    ]
    by = {hop.place: hop.by for hop in walked.request}
    assert (by["node-1/eth0"], by["node-3/vethwe-pcap"]) == ("encrypted", "decrypted")
    assert not any(hop.astray for hop in (*walked.request, *walked.reply))


# --- what others send -----------------------------------------------------------------------------------------------


def test_a_datagram_that_comes_again_is_dropped(line: Woven) -> None:
    reason = "a datagram that came before"
    with recorded(line.nodes[1]) as wire, recorded(line.pods[1]) as pod_wire:
        assert line.pods[0].ping(line.pods[1].address)
        again = sealed_datagrams(wire.packets(), "192.168.1.10")
        arrived = [one for one in pod_wire.packets() if one.protocol == socket.IPPROTO_ICMP]
        before = line.refused(2, reason)
        forge(line.nodes[0], "192.168.1.10", "192.168.1.11", again)
        assert eventually(lambda: line.refused(2, reason) >= before + len(again), PATIENCE)
        assert [one for one in pod_wire.packets() if one.protocol == socket.IPPROTO_ICMP] == arrived


def test_a_datagram_that_was_cut_or_changed_is_dropped(line: Woven) -> None:
    with recorded(line.nodes[1]) as wire:
        assert line.pods[0].ping(line.pods[1].address)
        (one, *_) = sealed_datagrams(wire.packets(), "192.168.1.10")
    unseen = one[:6] + (1 << 40).to_bytes(8, "big") + one[14:]  # a number that is still to come
    wrong = [one[:size] for size in (0, 5, 6, 13, 14, 20)] + [unseen, unseen[:-1], unseen + b"x"]
    before = sum(line.asked(2)["refused"].values())
    forge(line.nodes[0], "192.168.1.10", "192.168.1.11", wrong)
    assert eventually(lambda: sum(line.asked(2)["refused"].values()) >= before + len(wrong), PATIENCE)
    assert line.pods[0].ping(line.pods[1].address)


def test_a_neighbours_datagram_from_somewhere_else_is_a_strangers(line: Woven) -> None:
    with recorded(line.nodes[1]) as wire:
        assert line.pods[0].ping(line.pods[1].address)
        taken = sealed_datagrams(wire.packets(), "192.168.1.10")
    before = line.refused(2, "a datagram of a stranger")
    forge(line.nodes[2], "192.168.1.12", "192.168.1.11", taken)
    assert eventually(lambda: line.refused(2, "a datagram of a stranger") >= before + len(taken), PATIENCE)


def test_a_router_survives_whatever_arrives_by_udp(line: Woven) -> None:
    rubbish = random.Random(8)
    name = bytes.fromhex(line.asked(1)["name"].replace(":", ""))
    datagrams = [rubbish.randbytes(rubbish.randrange(200)) for _ in range(300)]
    datagrams += [name + rubbish.randbytes(rubbish.randrange(200)) for _ in range(300)]
    pid, before = line.pid(2), sum(line.asked(2)["refused"].values())
    forge(line.nodes[0], "192.168.1.10", "192.168.1.11", datagrams)
    assert eventually(lambda: sum(line.asked(2)["refused"].values()) > before, PATIENCE)
    assert line.pods[0].ping(line.pods[2].address)
    assert line.pid(2) == pid


def test_a_node_that_is_no_neighbour_is_not_talked_with(line: Woven) -> None:
    before = line.refused(3, "a call of a stranger")
    with calling(line.nodes[0], line.nodes[2]) as stranger:
        assert stranger.is_hung_up_on()
    assert line.refused(3, "a call of a stranger") == before + 1
