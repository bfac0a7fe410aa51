"""Weave's mesh without a password: who says what cannot be is hung up on, and what the kernel itself carries."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from labhelpers.networks import Weave
from labhelpers.networks.weave.announcement import Announcement
from labhelpers.networks.weave.settings import PORT
from labhelpers.trace import walk
from tests.netns.kernel import eventually
from tests.netns.weave import (
    FAST_PORT,
    PATIENCE,
    Woven,
    calling,
    is_carried,
    senders,
    woven,
)
from tests.netns.wire import recorded


@pytest.fixture(scope="module")
def open_mesh() -> Iterator[Woven]:
    """All with all, without a password, with the fast way; the tests leave the routers alone."""
    with woven(Weave(npc=False)) as made:
        yield made


@pytest.mark.parametrize(
    ("reason", "say"),
    [
        ("a flood of messages", lambda liar: [liar.tell() for _ in range(2000)]),
        ("a message that is too long", lambda liar: liar.send_bytes(b"\xff" * 8)),
        ("a message that is no JSON", lambda liar: liar.send_bytes(b"\0\0\0\3abc")),
        ("a message of a kind that is none", lambda liar: liar.send({"kind": "order", "peers": []})),
        (
            "news of more peers than there can be",
            lambda liar: liar.tell(
                *(Announcement(bytes([2, 0, 0, 0, n >> 8, n & 255]), "x", 1, 1) for n in range(1, 300))
            ),
        ),
        (
            "news of a version that nobody can have reached",
            lambda liar: [liar.tell(Announcement(liar.name, liar.nickname, 1, version)) for version in (1, 1 << 40)],
        ),
        ("an announcement that is none", lambda liar: liar.send({"kind": "topology", "peers": [7]})),
        ("a greeting of another protocol", lambda liar: None),
    ],
)
def test_who_says_what_cannot_be_is_hung_up_on(open_mesh: Woven, reason: str, say: Callable[[Any], object]) -> None:
    before = open_mesh.refused(1, reason)
    with calling(open_mesh.nodes[2], open_mesh.nodes[0]) as liar:
        if "greeting" in reason:
            liar.send_raw({"protocol": "http"})
        else:
            liar.greet()
            try:
                say(liar)
            except ConnectionError:  # it has hung up before all was said
                pass
        assert liar.is_hung_up_on()
    assert open_mesh.refused(1, reason) == before + 1
    assert open_mesh.reaches(1, 3)


def test_a_router_survives_whatever_arrives_by_tcp(open_mesh: Woven) -> None:
    rubbish, pid = random.Random(9), open_mesh.pid(1)
    for number in range(15):
        with calling(open_mesh.nodes[2], open_mesh.nodes[0]) as caller:
            data = rubbish.randbytes(rubbish.randrange(1, 300))
            try:
                if number % 2:
                    caller.greet()
                    caller.send_bytes(len(data).to_bytes(4, "big"))
                caller.send_bytes(data)
            except ConnectionError:
                continue
    assert open_mesh.reaches(1, 2) and open_mesh.pid(1) == pid


# --- the fast way ---------------------------------------------------------------------------------------------------


def _all_fast(mesh: Woven) -> bool:
    return eventually(lambda: mesh.is_fast(1, 2) and mesh.is_fast(2, 1), PATIENCE)


def test_what_the_router_has_learned_the_kernel_carries(open_mesh: Woven) -> None:
    assert _all_fast(open_mesh) and open_mesh.reaches(1, 2)
    pods = open_mesh.pods
    assert eventually(lambda: is_carried(pods[1], "node-1"), PATIENCE)
    assert eventually(lambda: is_carried(pods[0], "node-2"), PATIENCE)
    with recorded(open_mesh.nodes[0]) as wire:
        before = open_mesh.asked(1)["frames"]["captured"]
        assert pods[0].run(f"ping -c 20 -i 0.01 -s 1000 {pods[1].address}").ok
        packets = [one for one in wire.packets() if one.length > 1000]
    assert senders(packets, FAST_PORT) == {("192.168.1.10", "192.168.1.11"), ("192.168.1.11", "192.168.1.10")}
    assert senders(packets, PORT) == set()
    assert open_mesh.asked(1)["frames"]["captured"] - before < 20


def test_a_walk_shows_what_the_kernel_carries_in_vxlan(open_mesh: Woven) -> None:
    first, second = open_mesh.pods[:2]
    assert _all_fast(open_mesh) and open_mesh.reaches(1, 2)
    assert eventually(lambda: is_carried(second, "node-1"), PATIENCE)
    walked = walk(first, second)
    (out,) = [hop for hop in walked.request if (hop.namespace, hop.device, hop.direction) == ("node-1", "eth0", "out")]
    assert [one.protocol for one in out.headers][:4] == ["Ethernet", "IPv4", "UDP", "VXLAN"]
    assert out.headers[2]["destination_port"] == FAST_PORT


def test_where_vxlan_does_not_get_through_frames_go_by_user_space_and_back(open_mesh: Woven) -> None:
    assert _all_fast(open_mesh)
    rule = f"udp dport {FAST_PORT} drop"
    open_mesh.nodes[1].nft(f"table ip wall {{ chain input {{ type filter hook input priority 0; {rule}; }}; }}")
    try:
        assert eventually(lambda: not open_mesh.is_fast(1, 2), PATIENCE)
        assert open_mesh.reaches(1, 2)
        assert not is_carried(open_mesh.pods[1], "node-1")
    finally:
        open_mesh.nodes[1].nft("delete table ip wall")
    assert _all_fast(open_mesh)
