"""Exercises of chapter 07: other ways than the printed solution, half ways, and tricks that are none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from labhelpers.course import catalogue, start
from labhelpers.course.exercise import Report
from labhelpers.lab import Lab

pytestmark = pytest.mark.once

_CABLES = """
now = Snapshot.take()
cable, other = now.peer("client", "eth0").link, now.peer("near", "eth0").link
"""
_NEAR = 'node_1.run(f"ip route replace {near.address}/32 dev {other} scope link", check=True)\n'
_ANSWERS = 'node_1.run(f"sysctl -w net.ipv4.conf.{cable}.proxy_arp=1", check=True)\n'
HALF = {
    ("7.1", "the name of half of it"): 'found.update({"same node": "routed", "between": "VXLAN", "bytes": 50, '
    '"name": "Flannel"})',
    ("7.2", "only the answer"): _CABLES + _ANSWERS,
    ("7.2", "only the route"): _CABLES + _NEAR,
    ("7.2", "a neighbour written into the pod"): _CABLES
    + _NEAR
    + 'client.run("ip neighbour replace 169.254.1.1 lladdr ee:ee:ee:ee:ee:ee dev eth0 nud permanent", check=True)',
    ("7.2", "another gateway"): _CABLES
    + _NEAR
    + _ANSWERS
    + 'client.run("ip route replace default via 192.168.1.10 dev eth0 onlink", check=True)',
    (
        "7.3",
        "a route by hand beside a session that stays broken",
    ): 'node_1.add_route("10.0.2.0/24", via="192.168.1.11")',
    ("7.4", "enforced, and not encrypted"): """
net.clean()
net = Canal().install(lab)
client, near = net.pod(node_1, "client"), net.pod(node_1, "near")
web, beside = net.pod(node_2, "web"), net.pod(node_2, "beside")
applied = net.apply(as_objects(net.pods, only_client))
""",
    ("7.5", "two of three"): 'choice["A"], choice["B"] = Canal(), Calico(wireguard=True)',
    ("7.5", "no network at all"): 'choice["A"] = choice["B"] = choice["C"] = "calico"',
}
WHOLE = {
    ("7.1", "in small letters"): 'found.update({"same node": "routed", "between": "vxlan", "bytes": 50, '
    '"name": "canal"})',
    ("7.2", "answers for all cables"): _CABLES
    + _NEAR
    + 'node_1.run("sysctl -w net.ipv4.conf.all.proxy_arp=1", check=True)',
    ("7.4", "a mesh with a password"): """
net.clean()
from labhelpers import Weave
net = Weave(password="secret").install(lab)
client, near = net.pod(node_1, "client"), net.pod(node_1, "near")
web, beside = net.pod(node_2, "web"), net.pod(node_2, "beside")
seconds = net.wait()
applied = net.apply(as_objects(net.pods, only_client))
""",
    ("7.5", "others than the printed ones"): """
choice["A"], choice["B"], choice["C"] = Canal(), Weave(password="secret"), Calico("vxlan-cross-subnet")
""",
}


@pytest.fixture(autouse=True)
def lab_of_its_own() -> Iterator[None]:
    found: dict[str, Any] = InteractiveShell.instance().user_ns
    found["lab"] = Lab()
    yield
    found["lab"].reset()


def _after(id: str, cell: str) -> Report:
    start(id)
    ran: Any = InteractiveShell.instance().run_cell(cell, silent=True)
    ran.raise_error()
    return catalogue.find(id).look()


@pytest.mark.parametrize(("id", "way"), WHOLE)
def test_what_fulfils_the_task_is_accepted(id: str, way: str) -> None:
    report = _after(id, WHOLE[id, way])
    assert report.ok, repr(report)


@pytest.mark.parametrize(("id", "way"), HALF)
def test_what_does_half_of_it_is_refused(id: str, way: str) -> None:
    assert not _after(id, HALF[id, way]).ok


def test_what_is_tried_for_the_wishes_leaves_nothing() -> None:
    start("7.5")
    lab: Lab = InteractiveShell.instance().user_ns["lab"]
    before = [(node.ruleset(), [one.name for one in node.links()], list(node.routes())) for node in lab.nodes]
    assert not catalogue.find("7.5").look().ok
    InteractiveShell.instance().run_cell('choice["A"], choice["C"] = Canal(), Canal()', silent=True)
    assert [row.ok for row in catalogue.find("7.5").look().rows] == [True, False, False]
    assert [(node.ruleset(), [one.name for one in node.links()], list(node.routes())) for node in lab.nodes] == before
    assert "provider" not in lab["underlay"].ruleset()
