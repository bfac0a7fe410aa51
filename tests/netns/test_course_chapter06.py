"""Exercises of chapter 06: other ways than the printed solution, and half ways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from labhelpers.course import catalogue, start
from labhelpers.course.exercise import Report
from labhelpers.errors import AlreadyExists
from labhelpers.lab import Lab
from tests.netns.kernel import shell

pytestmark = pytest.mark.once

WHOLE_CURES = {
    "the pods' cables": "for pod in lab.pods: pod.set_mtu('eth0', 1350)",
    "the pods' routes": """
for pod in lab.pods:
    gateway = pod.node.pod_cidr.replace(".0/24", ".1")
    pod.run(f"ip route change default via {gateway} mtu 1350", check=True)
""",
    "the tunnel ends, which then say what fits": "for node in lab.nodes: node.set_mtu('flannel.1', 1350)",
    "the nodes' eth0, which then say what fits": "for node in lab.nodes: node.set_mtu('eth0', 1400)",
}
HALF_CURES = {
    "nothing": "",
    "pods that send a little too much": "for pod in lab.pods: pod.set_mtu('eth0', 1355)",
    "tunnel ends that let a little too much pass": "for node in lab.nodes: node.set_mtu('flannel.1', 1355)",
    "one pod of each node": "for pod in (pod_a, pod_c): pod.set_mtu('eth0', 1350)",
    "the pods of one node": "for pod in (pod_a, pod_b): pod.set_mtu('eth0', 1350)",
    "the tunnel end of one node": "node_1.set_mtu('flannel.1', 1350)",
}


@pytest.fixture
def variables() -> Iterator[dict[str, Any]]:
    """The variables of a notebook."""
    found: dict[str, Any] = InteractiveShell.instance().user_ns
    found["lab"] = Lab()
    yield found
    found["lab"].reset()


def _after(id: str, cell: str) -> Report:
    """What ``check`` finds after this cell, now and when it is asked again."""
    start(id)
    ran: Any = InteractiveShell.instance().run_cell(cell, silent=True)
    ran.raise_error()
    first, second = catalogue.find(id).look(), catalogue.find(id).look()
    assert first == second, "a check that looks twice sees the same"
    return first


@pytest.mark.parametrize("cure", WHOLE_CURES.values(), ids=WHOLE_CURES)
def test_every_cure_of_the_black_hole_is_accepted_at_once(variables: dict[str, Any], cure: str) -> None:
    report = _after("6.5", cure)
    assert report.ok, repr(report)


@pytest.mark.parametrize("cure", HALF_CURES.values(), ids=HALF_CURES)
def test_half_a_cure_of_the_black_hole_is_refused_each_time(variables: dict[str, Any], cure: str) -> None:
    report = _after("6.5", cure)
    assert not report.ok
    assert {row.why.split(",")[0] for row in report.rows if not row.ok} <= {
        "a ping of 1472 bytes gets no answer",
        "a full TCP segment",
    }


def test_what_a_cure_taught_does_not_outlive_it(variables: dict[str, Any]) -> None:
    """The pods note what fits for ten minutes; the network is judged, not what they noted."""
    assert _after("6.5", WHOLE_CURES["the tunnel ends, which then say what fits"]).ok
    for node in variables["lab"].nodes:
        node.set_mtu("flannel.1", 1450)
    assert not catalogue.find("6.5").look().ok


def test_a_ttl_is_not_predicted_where_the_router_is_gone(variables: dict[str, Any]) -> None:
    start("6.1")
    variables["ttl"].update({"pod-a to pod-b": 64, "pod-a to pod-c": 62, "node-1 to pod-c": 63})
    shell("ip -n node-1 route replace 10.0.2.0/24 via 192.168.1.11")
    shell("ip -n node-2 route replace 10.0.1.0/24 via 192.168.1.10")
    report = catalogue.find("6.1").look()
    assert not report.ok
    assert report.rows[-1].why == "The packet from pod-a to pod-c does not pass the router 192.168.1.1 any more."
    assert report.then == 'Run start("6.1") first.'


@pytest.mark.parametrize("said", [None, 5, "pod-c/eth0"])
def test_a_prediction_of_macs_can_be_anything(variables: dict[str, Any], said: object) -> None:
    start("6.2")
    variables["macs"]["pod-c/eth0"] = said
    row = catalogue.find("6.2").look().rows[0]
    assert not row.ok
    assert row.why.startswith("two interfaces are wanted" if said else "nothing is predicted yet")


def test_the_third_node_s_tunnel_end_is_not_taken_over(variables: dict[str, Any]) -> None:
    """The carrier leaves alone what it has not made, so the three entries are written by hand."""
    start("6.6")
    with pytest.raises(AlreadyExists, match=r"node-3 has an interface flannel\.1 already"):
        variables["vxlan"].node_added(variables["node_3"])
    assert not catalogue.find("6.6").look().ok
