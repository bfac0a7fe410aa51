"""``settle`` waits for the signal of every cable that can have one, and for no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labhelpers.course.settle import settle
from labhelpers.lab import Lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.reset()


def test_both_ends_work_afterwards(lab: Lab) -> None:
    red, blue = lab.namespace("red"), lab.namespace("blue")
    lab.veth((red, "eth0"), (blue, "eth0"))
    for place, address in ((red, "10.0.0.1/24"), (blue, "10.0.0.2/24")):
        place.add_address("eth0", address)
        place.up("eth0")
    settle()
    assert [place.links()["eth0"].state for place in (red, blue)] == ["up", "up"]
    assert red.ping("10.0.0.2").ok


def test_a_cable_with_one_end_down_is_not_waited_for(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    red, blue = lab.namespace("red"), lab.namespace("blue")
    lab.veth((red, "eth0"), (blue, "eth0"))
    red.up("eth0")
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("it waited"))
    settle()


def test_a_bridge_has_a_signal_when_a_port_has(lab: Lab) -> None:
    node = lab.node("node-1")
    node.pod("pod-a")
    settle()
    assert node.links()["cni0"].state == "up"
    assert lab["underlay"].links()["br0"].state == "up"


def test_a_bridge_that_lost_its_last_cable_has_no_signal_afterwards(lab: Lab) -> None:
    red = lab.namespace("red")
    lab.bridge(red, "br0")
    lab.veth((red, "port"), (red, "eth0"))
    for name in ("port", "eth0", "br0"):
        red.up(name)
    red.run("ip link set port master br0", check=True)
    settle()
    assert red.links()["br0"].state == "up"
    red.run("ip link delete port", check=True)
    settle()
    assert red.links()["br0"].state == "down"


def test_a_bridge_without_ports_is_not_waited_for(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.bridge(lab.namespace("red"), "br0")
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("it waited"))
    settle()


def test_a_neighbour_that_is_still_asked_is_waited_for(lab: Lab) -> None:
    red, blue = lab.namespace("red"), lab.namespace("blue")
    lab.veth((red, "eth0"), (blue, "eth0"))
    for place in (red, blue):
        place.up("eth0")
    red.add_address("eth0", "10.0.0.1/24")
    settle()
    assert not red.ping("10.0.0.2", timeout=0.1)
    assert [one.state for one in red.neighbours()] == ["incomplete"]
    settle()
    assert "incomplete" not in [one.state for one in red.neighbours()]
