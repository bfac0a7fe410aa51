"""Pings and connections: what they say is what happened."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from labhelpers.errors import AlreadyExists, BadInput, LabError
from labhelpers.linux.packet import Capture
from labhelpers.linux.probe import Probe
from labhelpers.linux.traffic import connect, listen, ping
from tests.netns.cable import Pair
from tests.netns.kernel import eventually, shell


def test_a_ping_is_answered(pair: Pair) -> None:
    reply = ping(pair[0], "10.0.0.2")
    assert reply.ok
    assert (str(reply), reply.from_) == ("reply from 10.0.0.2", "10.0.0.2")


@pytest.mark.parametrize("size", [0, 1, 55, 1473, 65507])
def test_a_ping_of_any_size_is_answered(pair: Pair, size: int) -> None:
    with Capture(pair[1], "eth0") as wire:
        assert ping(pair[0], "10.0.0.2", size=size).ok
    assert wire.packets.where(summary="echo request")


@pytest.mark.parametrize("size", [-1, 65508, 1.5, "56"])
def test_a_ping_of_an_impossible_size_is_refused(pair: Pair, size: int) -> None:
    with pytest.raises(BadInput, match="is not possible"):
        ping(pair[0], "10.0.0.2", size=size)


def test_no_answer_is_not_ok(pair: Pair) -> None:
    shell("sysctl -qw net.ipv4.icmp_echo_ignore_all=1", "blue")
    reply = ping(pair[0], "10.0.0.2", timeout=0.1)
    assert not reply.ok
    assert str(reply) == "no answer: nothing came back within 0.1 s"


def test_no_way_is_said(pair: Pair) -> None:
    assert str(ping(pair[0], "10.7.0.1")) == "no answer: network is unreachable"
    assert str(connect(pair[0], "10.7.0.1", 80)) == "no answer: network is unreachable"


def test_what_a_router_says_is_said(pair: Pair) -> None:
    shell("sysctl -qw net.ipv4.ip_forward=1; ip route add unreachable 10.7.0.0/16", "blue")
    shell("ip route add 10.7.0.0/16 via 10.0.0.2", "red")
    assert str(ping(pair[0], "10.7.0.1")) == "no answer: no route to host"


def test_pings_side_by_side_do_not_take_each_others_replies(pair: Pair) -> None:
    """Every second request is dropped, by its payload: exactly those pings must have no answer."""
    shell(
        "nft add table ip odd; nft add chain ip odd input '{ type filter hook input priority 0; }';"
        "nft add rule ip odd input icmp type echo-request meta length 29 drop",
        "blue",
    )
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda n: ping(pair[0], "10.0.0.2", timeout=0.5, size=n % 2), range(32)))
    assert [bool(reply) for reply in replies] == [True, False] * 16


def test_each_ping_has_an_identifier_of_its_own() -> None:
    assert len({Probe.make("ICMP", "10.0.0.2").number for _ in range(100)}) == 100


def test_a_server_says_whom_it_saw(pair: Pair) -> None:
    red, blue = pair
    with listen(blue, 80):
        reply = connect(red, "10.0.0.2", 80)
    assert str(reply) == "you came from 10.0.0.1 to 10.0.0.2"
    assert (reply.saw, reply.from_) == ("10.0.0.1", "10.0.0.2")


def test_nobody_listens(pair: Pair) -> None:
    reply = connect(pair[0], "10.0.0.2", 80)
    assert str(reply) == "no answer: connection refused"
    assert reply.saw == ""


def test_packets_are_dropped(pair: Pair) -> None:
    shell(
        "nft add table ip no; nft add chain ip no input '{ type filter hook input priority 0; policy drop; }'", "blue"
    )
    assert str(connect(pair[0], "10.0.0.2", 80, timeout=0.1)) == "no answer: nothing came back within 0.1 s"


def test_a_server_that_says_nothing_is_told_from_nobody(pair: Pair) -> None:
    red, blue = pair
    with blue.visit(socket.socket) as server:
        server.bind(("10.0.0.2", 80))
        server.listen()
        reply = connect(red, "10.0.0.2", 80, timeout=0.1)
    assert str(reply) == "no answer: connected, but nothing came back within 0.1 s"


def test_a_server_that_never_stops_talking_is_left(pair: Pair) -> None:
    red, blue = pair
    with blue.visit(socket.socket) as server:
        server.bind(("10.0.0.2", 80))
        server.listen()

        def talk() -> None:
            client, _ = server.accept()
            with client:
                try:
                    while True:
                        client.sendall(b"and so on\n")
                except OSError:
                    return

        thread = threading.Thread(target=talk)
        thread.start()
        reply = connect(red, "10.0.0.2", 80, timeout=5)
        thread.join()
    assert reply.text.startswith("and so on\nand so on")
    assert len(reply.text) < 1 << 17


def test_a_server_outlives_rude_clients(pair: Pair) -> None:
    red, blue = pair
    with listen(blue, 80) as server:
        for _ in range(20):
            with red.visit(socket.socket) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.connect(("10.0.0.2", 80))
        assert connect(red, "10.0.0.2", 80).saw == "10.0.0.1"
        assert server.running


def test_a_port_is_taken_in_one_namespace_only(pair: Pair) -> None:
    red, blue = pair
    with listen(blue, 80), listen(red, 80):
        with pytest.raises(AlreadyExists, match="Port 80 is taken in blue"):
            listen(blue, 80)
        assert "127.0.0.1:81" not in shell("ss -Hlnt", "blue")
        with listen(blue, 81, address="10.0.0.2"):
            assert "10.0.0.2:81" in shell("ss -Hlnt", "blue")
    assert eventually(lambda: shell("ss -Hlnt", "blue") == "")


def test_an_address_that_is_not_there_cannot_be_served(pair: Pair) -> None:
    with pytest.raises(LabError, match="The server did not start: Cannot assign requested address"):
        listen(pair[1], 80, address="10.0.0.99")


@pytest.mark.parametrize("port", [0, 65536, -1, "80", True, None])
def test_what_is_no_port_is_refused(pair: Pair, port: int) -> None:
    with pytest.raises(BadInput, match="is not a TCP port"):
        connect(pair[0], "10.0.0.2", port)
    with pytest.raises(BadInput, match="is not a TCP port"):
        listen(pair[1], port)


@pytest.mark.parametrize("address", ["fd00::1", "10.0.0", "10.0.0.2/24", "", None])
def test_what_is_no_ipv4_address_is_refused(pair: Pair, address: str) -> None:
    with pytest.raises(BadInput):
        ping(pair[0], address)
    with pytest.raises(BadInput):
        connect(pair[0], address, 80)
