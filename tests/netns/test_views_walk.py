"""A walk over the kernel's own packets, as it is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labhelpers.lab import Lab, checkpoint
from labhelpers.networks.route import Vxlan
from labhelpers.trace import walk
from labhelpers.views import Player, walk_text


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = checkpoint("06")
    yield lab
    lab.reset()


def test_the_text_is_the_same_in_every_lab(lab: Lab) -> None:
    told = set()
    for _ in range(3):
        with Vxlan(lab):
            told.add(walk_text(walk("pod-a", "pod-c")))
            told.add(walk_text(walk("pod-a", "pod-c")))
        lab.reset()
        lab = checkpoint("06")
    (text,) = told
    assert "IPv4 192.168.1.10 → 192.168.1.11 TTL 64 | UDP port 8472 | VXLAN vni 1" in text
    assert "  12  pod-a/eth0" in text


def test_fragments_are_told_alike_in_whatever_order_they_come(lab: Lab) -> None:
    with Vxlan(lab):
        assert len({walk_text(walk("pod-a", "pod-c", size=3000)) for _ in range(5)}) == 1


def test_every_hop_is_found_in_the_picture_and_reached_by_its_lines(lab: Lab) -> None:
    with Vxlan(lab):
        player = Player(walk("pod-a", "pod-c"))
    frames = player.frames[:-1]
    assert len(frames) == 24
    assert [frame["box"] for frame in frames] == [
        frame["where"].split(" ", 2)[-1].removeprefix("of ") for frame in frames
    ]
    assert all(frame["wires"] for frame in frames if frame["by"] in ("cable", "routed", "encapsulated", "decapsulated"))
    player.close()
