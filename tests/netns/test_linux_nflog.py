"""What firewall rules log is read: the rule's words, the packet, the interfaces; what was lost is counted."""

from __future__ import annotations

import socket
import time

import pytest

from labhelpers.errors import AlreadyExists
from labhelpers.linux import headers, nft
from labhelpers.linux.nflog import Log, Logged
from tests.netns.cable import Pair
from tests.netns.kernel import links

GROUP = 321
RULES = """
table inet lesson {
  chain input {
    type filter hook input priority 0
    udp dport 9 log prefix "a word or two" group 321 drop
  }
}
"""


def told(log: Log, enough: int, patience: float = 30.0) -> list[Logged]:
    found: list[Logged] = []
    end = time.monotonic() + patience
    while len(found) < enough and time.monotonic() < end:
        found += log.read(0.1)
    return found


def send(pair: Pair, packets: int) -> None:
    with pair[0].visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp:
        for number in range(packets):
            udp.sendto(b"%6d" % number, ("10.0.0.2", 9))


def test_a_logged_packet_has_the_rules_words_and_what_was_sent(pair: Pair) -> None:
    nft.apply(pair[1], RULES)
    with Log(pair[1], GROUP) as log:
        before = time.time()
        send(pair, 1)
        (one,) = told(log, 1)
        assert one.prefix == "a word or two"
        assert before - 1 < one.time < time.time() + 1
        found = headers.decode(one.packet, ethernet=False)
        assert [header.protocol for header in found.headers] == ["IPv4", "UDP"]
        assert (found.headers[0]["source"], found.headers[1]["destination_port"]) == ("10.0.0.1", 9)
        assert found.payload == b"     0"
        assert (one.came_by, one.goes_by) == (links("blue")["eth0"]["ifindex"], 0)


def test_a_group_has_one_listener_and_is_free_again(pair: Pair) -> None:
    with Log(pair[1], GROUP), pytest.raises(AlreadyExists, match="log group 321"):
        Log(pair[1], GROUP)
    Log(pair[1], GROUP).close()


def test_what_nobody_listened_to_is_not_heard_later(pair: Pair) -> None:
    nft.apply(pair[1], RULES)
    send(pair, 3)
    with Log(pair[1], GROUP) as log:
        send(pair, 2)
        assert [int(one.packet[28:]) for one in told(log, 2)] == [0, 1]
        assert log.lost == 0


def test_thousands_arrive_and_a_reader_that_sleeps_knows_how_many_it_lost(pair: Pair) -> None:
    nft.apply(pair[1], RULES)
    with Log(pair[1], GROUP) as log:
        heard = 0
        for _ in range(100):
            send(pair, 100)
            heard += len(told(log, 100))
        assert (heard, log.lost) == (10_000, 0)
        send(pair, 30_000)  # more than the socket holds, and nobody reads
        time_to_hand_over = told(log, 30_000, patience=2.0)
        assert 0 < len(time_to_hand_over) < 30_000
        send(pair, 1)  # the next one's number tells
        heard = len(time_to_hand_over) + len(told(log, 1))
        assert heard + log.lost == 30_001
