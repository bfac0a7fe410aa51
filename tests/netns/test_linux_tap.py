"""Packet sockets in many namespaces: what they hear, with which stamp, and what the filter keeps away."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from labhelpers.linux.headers import decode
from labhelpers.linux.packet_filter import conversation
from labhelpers.linux.probe import Probe, send
from labhelpers.linux.tap import Seen, Taps, stamped
from labhelpers.linux.traffic import connect, ping
from tests.netns.cable import Pair


@pytest.fixture
def fds(pair: Pair) -> Iterator[list[int]]:
    opened = [one.open() for one in pair]
    yield opened
    for fd in opened:
        os.close(fd)


def probe() -> Probe:
    return Probe.make("ICMP", "10.0.0.2")


def recorded(pair: Pair, fds: list[int], sent: Probe, protocol: int = 1, **options: int) -> tuple[list[Seen], int]:
    with stamped():
        taps = Taps(fds, conversation(protocol, sent.number), **options)
        try:
            send(sent, pair[0], timeout=0.5)
        finally:
            taps.close()
    found = [one for one in taps.seen if decode(one.data).find("ARP") is None]
    return sorted(found, key=lambda one: one.stamp), taps.lost


def test_each_interface_is_heard_once_with_its_direction(pair: Pair, fds: list[int]) -> None:
    began = time.time_ns()
    seen, lost = recorded(pair, fds, probe())
    assert [(one.namespace, one.device, one.direction) for one in seen] == [
        (0, "eth0", "out"), (1, "eth0", "in"), (1, "eth0", "out"), (0, "eth0", "in"),
    ]  # fmt: skip
    assert lost == 0
    assert all(began < one.stamp < time.time_ns() for one in seen)
    assert {(one.length, len(one.data), one.ethernet) for one in seen} == {(98, 98, True)}


def test_stamps_are_those_of_the_moment_it_passed_and_not_of_reading(pair: Pair, fds: list[int]) -> None:
    sent = probe()
    with stamped():
        taps = Taps(fds, conversation(1, sent.number))
        send(sent, pair[0], timeout=0.5)
        ended = time.time_ns()
        time.sleep(0.05)
        taps.close()
    assert all(one.stamp < ended for one in taps.seen)


def test_other_conversations_do_not_reach_us(pair: Pair, fds: list[int]) -> None:
    sent = probe()
    with stamped():
        taps = Taps(fds, conversation(1, sent.number))
        for _ in range(5):
            ping(pair[0], "10.0.0.2")
            connect(pair[0], "10.0.0.2", 80)
        taps.close()
    kinds = {decode(one.data).headers[-1].protocol for one in taps.seen}
    assert kinds <= {"ARP"}


@pytest.mark.parametrize(("protocol", "number"), [("TCP", 6), ("UDP", 17)])
def test_a_port_is_heard_in_both_directions(pair: Pair, fds: list[int], protocol: str, number: int) -> None:
    seen, _ = recorded(pair, fds, Probe.make(protocol, "10.0.0.2", 80), number)
    there = [one for one in seen if decode(one.data).find(protocol)]
    # TCP: a segment and a reset, seen on two interfaces each; UDP: a datagram, and the error is ICMP
    assert len(there) >= (4 if protocol == "TCP" else 2)
    assert len(seen) >= 4


def test_what_is_too_much_is_counted(pair: Pair, fds: list[int]) -> None:
    seen, lost = recorded(pair, fds, probe(), most=2)
    assert len(seen) + lost >= 4
    assert len(seen) <= 2
