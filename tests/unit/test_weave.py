"""Weave's model without a kernel: keys, datagrams, addresses, announcements and ways, and whatever else may arrive."""

from __future__ import annotations

import asyncio
import json
import struct
from itertools import combinations, islice
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.linux.headers import SLEEVE_PORT, decode
from labhelpers.networks.weave import messages, paths, sleeve
from labhelpers.networks.weave.announcement import LARGEST, MOST_LINKS, Announcement
from labhelpers.networks.weave.connection import Connection
from labhelpers.networks.weave.macs import LIFETIME, MacTable
from labhelpers.networks.weave.refused import Refused
from labhelpers.networks.weave.replay import SIZE, Window
from labhelpers.networks.weave.session import OVERHEAD, Session, new_keys
from labhelpers.networks.weave.sleeve import Carried
from labhelpers.networks.weave.switch import Switch
from labhelpers.networks.weave.topology import FARTHEST, MOST_PEERS, Topology


def _name(number: int) -> bytes:
    return bytes([2, 0, 0, 0, number >> 8, number & 255])


A, B, C, D = (_name(number) for number in range(1, 5))

# --- what was seen already ------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 3 * SIZE), max_size=200))
def test_a_number_is_taken_once_and_those_far_behind_never(numbers: list[int]) -> None:
    window, seen = Window(), set[int]()
    for number in numbers:
        highest = max(seen, default=-1)
        assert window.is_new(number) == (number not in seen and number > highest - SIZE)
        if window.is_new(number):
            window.remember(number)
            seen.add(number)


# --- keys -----------------------------------------------------------------------------------------------------------


def _sessions(password: str = "secret", other: str = "secret") -> tuple[Session, Session]:
    (public, secret), (its_public, its_secret) = new_keys(), new_keys()
    return (
        Session(secret, its_public, password, is_caller=True),
        Session(its_secret, public, other, is_caller=False),
    )


@given(st.lists(st.binary(max_size=300), max_size=10))
def test_what_one_seals_the_other_opens_and_nobody_reads(payloads: list[bytes]) -> None:
    here, there = _sessions()
    for payload in payloads:
        datagram, message = here.seal(payload), here.seal_message(payload)
        assert len(datagram) == len(payload) + OVERHEAD
        assert len(payload) < 8 or payload not in datagram
        assert there.open(datagram) == payload == there.open_message(message)
        assert here.open(there.seal(payload)) == payload


def test_a_datagram_is_taken_once_in_any_order() -> None:
    here, there = _sessions()
    first, second = here.seal(b"1"), here.seal(b"2")
    assert [there.open(second), there.open(first)] == [b"2", b"1"]
    for again in (first, second):
        with pytest.raises(Refused, match="came before"):
            there.open(again)


def test_a_forged_number_does_not_make_genuine_datagrams_look_old() -> None:
    here, there = _sessions()
    genuine = here.seal(b"x")
    with pytest.raises(Refused, match="another key, or changed"):
        there.open((1 << 60).to_bytes(8, "big") + genuine[8:])
    assert there.open(genuine) == b"x"


def test_a_message_is_taken_only_when_it_is_due() -> None:
    here, there = _sessions()
    first, second = here.seal_message(b"1"), here.seal_message(b"2")
    with pytest.raises(Refused):
        there.open_message(second)
    assert [there.open_message(first), there.open_message(second)] == [b"1", b"2"]
    with pytest.raises(Refused):
        there.open_message(second)


def test_nothing_is_taken_for_something_else() -> None:
    """A datagram is no message, and nobody opens what they have sealed themselves, sent back to them."""
    here, there = _sessions()
    with pytest.raises(Refused):
        there.open_message(here.seal(b"x")[8:])
    with pytest.raises(Refused):
        here.open(here.seal(b"x"))


def test_another_password_opens_nothing_nor_does_the_key_of_another_connection() -> None:
    here, there = _sessions("secret", "secrets")
    with pytest.raises(Refused, match="another key"):
        there.open(here.seal(b"x"))
    with pytest.raises(Refused, match="another key"):
        _sessions()[1].open(_sessions()[0].seal(b"x"))


@given(st.binary(max_size=200))
def test_whatever_arrives_is_opened_or_refused(data: bytes) -> None:
    _, there = _sessions()
    with pytest.raises(Refused):
        there.open(data)
    with pytest.raises(Refused):
        there.open_message(data)


@given(st.data())
def test_a_datagram_that_was_cut_or_changed_is_refused(data: st.DataObject) -> None:
    here, there = _sessions()
    datagram = here.seal(data.draw(st.binary(min_size=1, max_size=100)))
    cut = datagram[: data.draw(st.integers(0, len(datagram) - 1))]
    at = data.draw(st.integers(0, len(datagram) - 1))
    changed = datagram[:at] + bytes([datagram[at] ^ data.draw(st.integers(1, 255))]) + datagram[at + 1 :]
    for wrong in (cut, changed):
        with pytest.raises(Refused):
            there.open(wrong)
    assert there.open(datagram)


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(32), b"\1" + bytes(31), bytes(33)])
def test_a_public_key_that_makes_every_secret_the_same_is_refused(public: bytes) -> None:
    """RFC 7748, section 6.1: the result is zero for points of small order, whatever the secret is."""
    with pytest.raises(Refused, match="public key"):
        Session(new_keys()[1], public, "secret", is_caller=True)


def test_without_a_password_a_datagram_can_be_read_and_what_is_too_short_is_refused() -> None:
    here, there = _sessions("", "")
    assert here.seal(b"hello").endswith(b"hello") and there.open(here.seal(b"hello")) == b"hello"
    with pytest.raises(Refused, match="cut off"):
        there.open(bytes(7))


# --- frames ---------------------------------------------------------------------------------------------------------

names = st.binary(min_size=6, max_size=6)
carried = st.builds(Carried, names, names, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=100))


@given(st.lists(carried, max_size=10))
def test_frames_come_out_as_they_went_in(frames: list[Carried]) -> None:
    assert list(sleeve.unpack(b"".join(map(sleeve.pack, frames)))) == frames


@given(st.lists(carried, min_size=1, max_size=5), st.data())
def test_of_a_payload_that_is_cut_off_the_whole_frames_are_good(frames: list[Carried], data: st.DataObject) -> None:
    payload = b"".join(map(sleeve.pack, frames))
    whole = payload[: len(payload) - len(sleeve.pack(frames[-1]))]
    cut = payload[: data.draw(st.integers(len(whole) + 1, len(payload) - 1))]
    rest = sleeve.unpack(cut)
    assert list(islice(rest, len(frames) - 1)) == frames[:-1]
    with pytest.raises(Refused, match="cut off"):
        next(rest)


@given(st.binary(max_size=200))
def test_whatever_is_in_a_datagram_is_read_or_refused(payload: bytes) -> None:
    try:
        frames = list(sleeve.unpack(payload))
    except Refused:
        return
    assert b"".join(map(sleeve.pack, frames)) == payload


# --- the way of a frame ---------------------------------------------------------------------------------------------


class Cable:
    """What a packet socket does, in memory."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []
        self.sent: list[bytes] = []

    def receive(self) -> bytes | None:
        return self.waiting.pop(0) if self.waiting else None

    def send(self, frame: bytes) -> bool:
        self.sent.append(frame)
        return True


class Datagrams(Cable):
    """What a UDP socket does, in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived: list[tuple[bytes, tuple[str, int]]] = []
        self.out: list[tuple[bytes, str]] = []

    def recvfrom(self, most: int) -> tuple[bytes, tuple[str, int]]:
        if not self.arrived:
            raise BlockingIOError
        return self.arrived.pop(0)

    def sendto(self, datagram: bytes, to: tuple[str, int]) -> None:
        self.out.append((datagram, to[0]))


class Middle:
    """The switch of B on a line A – B – C, without a password."""

    def __init__(self) -> None:
        self.cable, self.datagrams = Cable(), Datagrams()
        self.switch = Switch(B, cast(Any, self.cable), cast(Any, self.datagrams), 6783, lambda: 0.0)
        self.switch.know({A: (B,), B: (A, C), C: (B,)})
        self.switch.connections = {
            name: Connection(Announcement(name, "x", 1, 1), address, _sessions("", "")[0], cast(Any, None))
            for name, address in ((A, "192.0.2.1"), (C, "192.0.2.3"))
        }

    def hears(self, *payloads: bytes, sender: bytes = A, address: str = "192.0.2.1") -> None:
        self.datagrams.arrived += [(sender + bytes(8) + payload, (address, 6783)) for payload in payloads]
        self.switch.receive()

    def said(self) -> list[tuple[str, Carried]]:
        """What it has sent: to whom, and each frame."""
        return [(to, one) for datagram, to in self.datagrams.out for one in sleeve.unpack(datagram[14:])]


def _ethernet(destination: bytes, source: bytes) -> bytes:
    return destination + source + b"\x08\x00" + bytes(46)


BROADCAST = b"\xff" * 6
POD_A, POD_C = b"\2pod-a", b"\2pod-c"


def test_a_frame_for_all_is_delivered_and_passed_on_along_the_tree() -> None:
    middle = Middle()
    frame = _ethernet(BROADCAST, POD_A)
    middle.hears(sleeve.pack(Carried(A, sleeve.EVERYBODY, sleeve.FRAME, 5, frame)))
    assert middle.cable.sent == [frame]
    assert middle.said() == [("192.0.2.3", Carried(A, sleeve.EVERYBODY, sleeve.FRAME, 4, frame))]


def test_a_frame_for_another_is_passed_on_and_not_delivered() -> None:
    middle = Middle()
    frame = _ethernet(POD_C, POD_A)
    middle.hears(*(sleeve.pack(Carried(A, C, sleeve.FRAME, hops, frame)) for hops in (1, 0)))
    assert middle.cable.sent == []
    assert middle.said() == [("192.0.2.3", Carried(A, C, sleeve.FRAME, 0, frame))]
    assert middle.switch.counted["lost, too many hops"] == 1


def test_what_was_learned_is_sent_to_one_and_the_rest_to_all() -> None:
    middle = Middle()
    middle.hears(sleeve.pack(Carried(A, B, sleeve.FRAME, 5, _ethernet(b"\2pod-b", POD_A))))
    middle.cable.waiting = [_ethernet(POD_A, b"\2pod-b"), _ethernet(POD_C, b"\2pod-b")]
    middle.switch.capture()
    assert [(to, one.destination) for to, one in middle.said()] == [
        ("192.0.2.1", A),
        ("192.0.2.1", sleeve.EVERYBODY),
        ("192.0.2.3", sleeve.EVERYBODY),
    ]


@pytest.mark.parametrize(("sender", "address"), [(D, "192.0.2.1"), (A, "192.0.2.3"), (C, "192.0.2.1")])
def test_a_datagram_from_somewhere_else_is_a_strangers(sender: bytes, address: str) -> None:
    middle = Middle()
    middle.hears(sleeve.pack(Carried(A, B, 0, 5, _ethernet(BROADCAST, POD_A))), sender=sender, address=address)
    assert middle.switch.refused == {"a datagram of a stranger": 1}
    assert (middle.cable.sent, middle.datagrams.out) == ([], [])


few = st.sampled_from([A, B, C, D, sleeve.EVERYBODY])
any_carried = st.builds(Carried, few, few, st.integers(0, 2), st.integers(0, 20), st.binary(max_size=40))


@given(
    st.lists(
        st.binary(max_size=80) | st.lists(any_carried, max_size=3).map(lambda all: b"".join(map(sleeve.pack, all)))
    )
)
def test_whatever_a_neighbour_sends_goes_on_with_fewer_hops_or_is_counted(payloads: list[bytes]) -> None:
    middle = Middle()
    middle.hears(*payloads)
    came = []
    for payload in payloads:
        try:
            for one in sleeve.unpack(payload):
                came.append(one)
        except Refused:
            continue
    for to, one in middle.said():
        assert one._replace(hops=one.hops + 1) in came
        assert one.source != B and one.destination != B
        assert to == ("192.0.2.1" if one.destination == A else "192.0.2.3") or one.source == C
    assert all(len(frame) >= 14 for frame in middle.cable.sent)


# --- addresses ------------------------------------------------------------------------------------------------------


def test_an_address_is_learned_moves_and_is_forgotten() -> None:
    table = MacTable()
    assert table.learn(A, B, now=0) and not table.learn(A, B, now=1)
    assert table.learn(A, C, now=2) and table.peer_of(A, 2) == C
    assert table.peer_of(A, 2 + LIFETIME) == C and table.peer_of(A, 3 + LIFETIME) is None
    assert table.learn(D, C, now=100)
    assert table.forget(3 + LIFETIME) == [A] and len(table) == 1
    assert table.forget_peer(C) == [D] and len(table) == 0


@pytest.mark.parametrize("mac", [b"\xff" * 6, b"\x01\x00\x5e\x00\x00\x01", bytes(6)])
def test_an_address_that_no_interface_can_have_is_not_learned(mac: bytes) -> None:
    table = MacTable()
    assert not table.learn(mac, B, now=0) and table.peer_of(mac, 0) is None


def test_a_flood_of_invented_addresses_does_not_fill_the_memory() -> None:
    table = MacTable(most=100)
    for number in range(1000):
        table.learn(_name(number + 1), B, now=number)
        table.learn(A, C, now=number)  # one that is seen all the time stays
    assert len(table) == 100 and table.peer_of(A, 1000) == C


# --- announcements --------------------------------------------------------------------------------------------------

announcements = st.builds(
    Announcement,
    names.filter(any),
    st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True),
    st.integers(0, LARGEST),
    st.integers(0, LARGEST),
    st.dictionaries(names.filter(any), st.booleans(), max_size=5),
).filter(lambda one: one.name not in one.links)


@given(announcements)
def test_an_announcement_survives_the_wire(one: Announcement) -> None:
    assert Announcement.read(json.loads(json.dumps(one.written()))) == one


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(json_values)
def test_whatever_is_announced_is_read_or_refused(data: Any) -> None:
    with pytest.raises(Refused):
        Announcement.read(data)


@given(announcements, st.sampled_from(["name", "nickname", "uid", "version", "links"]), json_values)
def test_whatever_one_field_says_is_read_or_refused(one: Announcement, field: str, value: Any) -> None:
    try:
        read = Announcement.read({**one.written(), field: value})
    except Refused:
        return
    assert read.written()[field] in (value, str(value).lower())


@pytest.mark.parametrize(
    "wrong",
    [
        {"uid": -1},
        {"version": LARGEST + 1},
        {"version": True},
        {"nickname": "a\nb"},
        {"links": {_name(number + 2).hex(): True for number in range(MOST_LINKS + 1)}},
        {"links": {A.hex(): True}},
        {"name": "000000000000"},
        {"name": "02000000000g"},
    ],
)
def test_an_announcement_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        Announcement.read({**Announcement(A, "node-1", 1, 1).written(), **wrong})


# --- ways -----------------------------------------------------------------------------------------------------------

edges = st.lists(st.tuples(st.integers(1, 8), st.integers(1, 8)).filter(lambda edge: edge[0] != edge[1]), max_size=20)


def _graph(pairs: list[tuple[int, int]]) -> paths.Graph:
    both = {*pairs, *((b, a) for a, b in pairs)}
    return {_name(a): sorted(_name(b) for one, b in both if one == a) for a in range(1, 9)}


@given(edges)
def test_every_peer_on_the_way_agrees_and_each_is_nearer(pairs: list[tuple[int, int]]) -> None:
    graph = _graph(pairs)
    for me in graph:
        hops = paths.next_hops(graph, me)
        assert hops.keys() == paths.reachable(graph, me) - {me}
        for destination in hops:
            at, steps = me, 0
            while at != destination:
                at = paths.next_hops(graph, at)[destination]
                steps += 1
                assert steps < len(graph)


@given(edges)
def test_what_is_for_everybody_reaches_everybody_once(pairs: list[tuple[int, int]]) -> None:
    graph = _graph(pairs)
    for source in graph:
        got: list[bytes] = []
        edge = [source]
        while edge:
            edge = [to for one in edge for to in paths.children(graph, source, one)]
            got += edge
        assert sorted(got) == sorted(paths.reachable(graph, source) - {source})


# --- who is connected with whom -------------------------------------------------------------------------------------


def _peers(pairs: list[tuple[bytes, bytes]]) -> dict[bytes, Topology]:
    """Peers that have these connections, and know of nobody else yet."""
    found = {}
    for number, name in enumerate((A, B, C, D)):
        found[name] = Topology(Announcement(name, f"node-{number}", 7, 1))
        found[name].connected({b if a == name else a: True for a, b in pairs if name in (a, b)})
    return found


def _gossip(peers: dict[bytes, Topology]) -> None:
    """Everybody tells their neighbours what was new, until nothing is."""
    due = {name: peer.everything() for name, peer in peers.items()}
    while due:
        name, news = due.popitem()
        for neighbour in peers[name].me.links:
            if neighbour in peers and (new := peers[neighbour].merge(news)):
                due[neighbour] = [*due.get(neighbour, []), *new]


@given(st.sets(st.sampled_from(list(combinations((A, B, C, D), 2))), max_size=6))
def test_peers_that_are_connected_come_to_know_the_same(pairs: set[tuple[bytes, bytes]]) -> None:
    peers = _peers(sorted(pairs))
    _gossip(peers)
    for peer in peers.values():
        for other in paths.reachable(peer.graph, peer.me.name):
            assert peers[other].graph == peer.graph


def test_a_connection_counts_only_if_both_ends_say_that_it_works() -> None:
    peer = Topology(Announcement(A, "node-1", 1, 1))
    peer.connected({B: True})
    peer.merge([Announcement(B, "node-2", 1, 1, {A: True, C: True}), Announcement(C, "node-3", 1, 1, {B: False})])
    assert peer.graph == {A: (B,), B: (A,), C: ()}
    peer.merge([Announcement(C, "node-3", 1, 2, {B: True})])
    assert paths.next_hops(peer.graph, A) == {B: B, C: B}


def test_who_claims_to_be_connected_with_everybody_is_on_no_way() -> None:
    peers = _peers([(A, B), (B, C), (C, D)])
    _gossip(peers)
    liar = Announcement(B, "node-1", 7, 5, {A: True, C: True, D: True})
    assert peers[A].merge([liar]) == [liar]
    assert D not in peers[A].graph[B]


def test_who_tells_lies_of_another_is_corrected_by_the_one_who_knows() -> None:
    peers = _peers([(A, B), (B, C)])
    _gossip(peers)
    lie = Announcement(A, "node-0", 9, peers[A].me.version + 1000, {})
    peers[B].merge([lie])
    assert A not in paths.reachable(peers[B].graph, C)
    (corrected,) = peers[A].merge([lie])
    assert corrected.version == lie.version + 1 and corrected.links == {B: True}
    peers[B].merge([corrected])
    assert A in paths.reachable(peers[B].graph, C)


def test_one_that_starts_again_is_believed_although_it_counts_from_one() -> None:
    peers = _peers([(A, B)])
    for number in range(20):
        peers[A].connected({B: bool(number % 2)})
    _gossip(peers)
    again = Topology(Announcement(A, "node-0", 3, 1))
    again.connected({B: True})
    again.merge(peers[B].everything())
    assert peers[B].merge(again.everything()) == [again.me]
    assert peers[B][A].uid == 3


@pytest.mark.parametrize("version", [LARGEST, FARTHEST + 10])
def test_a_version_that_nobody_can_have_reached_is_refused_and_nothing_learned(version: int) -> None:
    peer = Topology(Announcement(A, "node-1", 1, 1))
    peer.merge([Announcement(B, "node-2", 1, 1)])
    before = peer.everything()
    with pytest.raises(Refused, match="version"):
        peer.merge([Announcement(C, "node-3", 1, 1), Announcement(B, "node-2", 1, version)])
    assert peer.everything() == before


def test_a_flood_of_invented_peers_is_refused() -> None:
    peer = Topology(Announcement(A, "node-1", 1, 1))
    with pytest.raises(Refused, match="more peers"):
        peer.merge([Announcement(_name(number + 2), "x", 1, 1) for number in range(MOST_PEERS)])
    assert peer.everything() == [peer.me]


def test_a_peer_without_a_way_is_forgotten_but_not_at_once() -> None:
    peer = Topology(Announcement(A, "node-1", 1, 1))
    peer.connected({B: True})
    peer.merge([Announcement(B, "node-2", 1, 1, {A: True}), Announcement(C, "node-3", 1, 1, {B: True})])
    assert peer.forget_unreachable(0) == [] and peer.forget_unreachable(29) == []
    peer.merge([Announcement(B, "node-2", 1, 2, {A: True, C: True})])
    assert peer.forget_unreachable(31) == []
    peer.connected({})
    assert peer.forget_unreachable(32) == [] and peer.forget_unreachable(63) == [B, C]


# --- messages -------------------------------------------------------------------------------------------------------


def _received(data: bytes) -> bytes:
    async def receive() -> bytes:
        stream = asyncio.StreamReader()
        stream.feed_data(data)
        stream.feed_eof()
        return await messages.receive(stream)

    return asyncio.run(receive())


@given(st.binary(max_size=100))
def test_a_message_arrives_whole(message: bytes) -> None:
    assert _received(messages.framed(message) + b"more") == message


@given(st.binary(max_size=20))
def test_whatever_comes_on_a_connection_is_a_message_or_its_end(data: bytes) -> None:
    try:
        message = _received(data)
    except (Refused, asyncio.IncompleteReadError):
        return
    assert data.startswith(messages.framed(message))


def test_a_message_that_is_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(Refused, match="too long"):
        _received((messages.LONGEST + 1).to_bytes(4, "big"))


@given(st.binary(max_size=100) | st.just(b"[" * 100_000))
def test_whatever_a_message_says_is_an_object_or_refused(message: bytes) -> None:
    try:
        assert isinstance(messages.decoded(message), dict)
    except Refused:
        return


# --- what a walk reads of it ----------------------------------------------------------------------------------------


def _on_the_wire(payload: bytes) -> bytes:
    udp = struct.pack("!HHHH", SLEEVE_PORT, SLEEVE_PORT, 8 + len(payload), 0) + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), bytes(4))
    return bytes(12) + b"\x08\x00" + ip + udp


@given(st.booleans(), st.integers(0, 16), st.binary(min_size=1, max_size=60))
def test_the_frame_in_a_datagram_is_read_if_it_is_not_sealed(password: bool, hops: int, body: bytes) -> None:
    here, _ = _sessions("secret" if password else "", "secret" if password else "")
    frame = B + A + b"\x88\xb5" + body
    datagram = A + here.seal(sleeve.pack(Carried(A, B, sleeve.FRAME, hops, frame)))
    headers = decode(_on_the_wire(datagram)).headers
    assert [one.protocol for one in headers[:4]] == ["Ethernet", "IPv4", "UDP", "sleeve"]
    assert (headers[3]["peer"], headers[3]["number"]) == (A.hex(":"), 0)
    assert headers[3]["sealed"] is password
    inner = [(one["source"], one["destination"]) for one in headers[4:] if one.protocol == "Ethernet"]
    assert inner == ([] if password else [(A.hex(":"), B.hex(":"))])


@given(st.binary(max_size=100))
def test_whatever_is_sent_to_a_router_can_be_looked_at(payload: bytes) -> None:
    headers = decode(_on_the_wire(payload)).headers
    assert [one.protocol for one in headers[:3]] == ["Ethernet", "IPv4", "UDP"]
