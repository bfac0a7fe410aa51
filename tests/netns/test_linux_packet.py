"""Captures record what passed, and end when they are told to, also in a storm."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from labhelpers.errors import NotFound
from labhelpers.linux import traffic
from labhelpers.linux.packet import Capture
from tests.netns.cable import Pair
from tests.netns.kernel import eventually, links, shell


def test_an_exchange_is_recorded_in_order(pair: Pair) -> None:
    _, blue = pair
    with Capture(blue, "eth0") as wire:
        shell("ping -c 1 -W 2 -p 2a 10.0.0.2", "red")
    assert wire.lost == 0
    assert wire.saw(b"*" * 40) and not wire.saw(b"+" * 40)
    (request,) = wire.packets.where(summary="echo request")
    assert (request.direction, request.device, request.protocol) == ("in", "eth0", "ICMP")
    assert (request.source_mac, request.destination_mac) == ("02:00:00:00:00:01", "02:00:00:00:00:02")
    assert (request.source, request.destination) == ("10.0.0.1", "10.0.0.2")
    (reply,) = wire.packets.where(summary="echo reply")
    assert (reply.direction, reply.source) == ("out", "10.0.0.2")
    assert [one.summary for one in wire.packets][:3] == [
        "who has 10.0.0.2? tell 10.0.0.1",
        "10.0.0.2 is at 02:00:00:00:00:02",
        "echo request",
    ]


def test_the_handshake_of_tcp_shows_its_flags(pair: Pair) -> None:
    red, blue = pair
    with Capture(blue, "eth0") as wire:
        traffic.connect(red, "10.0.0.2", 9)
    assert [one.summary.split()[-1] for one in wire.packets.where(protocol="TCP")] == ["[S]", "[RA]"]


def test_nothing_of_other_interfaces_is_recorded(pair: Pair) -> None:
    red, _ = pair
    shell("ip link set lo up", "red")
    with Capture(red, "lo") as wire:
        shell("ping -c 1 -W 2 10.0.0.2", "red")
    assert wire.packets == ()


def test_the_exit_waits_for_what_was_sent_before(pair: Pair) -> None:
    red, _ = pair
    with Capture(red, "eth0") as wire:
        shell("ping -f -c 50 -W 2 10.0.0.2", "red")
    assert wire.lost == 0
    assert len(wire.packets.where(summary="echo reply")) == 50


def test_one_can_wait_for_a_packet(pair: Pair) -> None:
    _, blue = pair
    with Capture(blue, "eth0") as wire:
        assert not wire.wait_for(lambda packet: packet.protocol == "ICMP", timeout=0.05)
        shell("ping -c 1 -W 2 10.0.0.2", "red")
        assert wire.wait_for(lambda packet: packet.protocol == "ICMP")


def test_a_storm_does_not_keep_it_from_ending(pair: Pair) -> None:
    red, blue = pair
    stop = threading.Event()
    sent = threading.Event()

    def storm() -> None:
        with red.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as out:
            while not stop.is_set():
                out.sendto(b"x", ("10.0.0.2", 9))
                sent.set()

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        assert sent.wait(5)
        with Capture(blue, "eth0") as wire:
            assert wire.wait_for(lambda packet: packet.protocol == "UDP")
        assert not stop.is_set(), "it ended while the storm went on"
    finally:
        stop.set()
        thread.join()
    assert len(wire.packets) > 1


def test_what_came_too_fast_is_counted(pair: Pair) -> None:
    """The reader is held up until the socket has overflowed."""
    _, blue = pair
    go = threading.Event()

    class Slow(Capture):
        def _read(self) -> None:
            go.wait()
            super()._read()

    with Slow(blue, "eth0") as wire:
        shell("ping -f -c 2000 -s 1000 -W 2 10.0.0.2", "red")
        go.set()
    seen = len([one for one in wire.packets if one.protocol == "ICMP"])
    assert wire.lost > 0
    assert seen + wire.lost >= 4000


def test_an_interface_that_goes_down_and_comes_back_is_heard_again(pair: Pair) -> None:
    _, blue = pair
    with Capture(blue, "eth0") as wire:
        shell("ip link set eth0 down; ip link set eth0 up", "blue")
        assert eventually(lambda: links("red")["eth0"]["operstate"] == "UP")
        shell("ping -c 1 -W 2 10.0.0.2", "red")
        assert wire.wait_for(lambda packet: packet.summary == "echo request")


def test_an_interface_that_goes_away_ends_nothing_badly(pair: Pair) -> None:
    _, blue = pair
    with Capture(blue, "eth0") as wire:
        shell("ip link delete eth0", "blue")
    assert wire.packets == ()


def test_an_interface_that_is_not_there_is_said(pair: Pair) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NotFound, match="There is no interface 'eth7' in red"):
        Capture(pair[0], "eth7").__enter__()
    assert len(os.listdir("/proc/self/fd")) == before
