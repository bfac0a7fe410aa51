"""Networks measured side by side: what is claimed, what is not, and that nothing stays."""

from __future__ import annotations

import pytest

from labhelpers.errors import BadInput, LabError, NotFound, TimedOut, ToolMissing
from labhelpers.lab import Lab
from labhelpers.linux import connects, usage
from labhelpers.linux.process import spawn
from labhelpers.measure import QUANTITIES, Comparison, Entrant, compare
from labhelpers.measure.properties import properties_of
from labhelpers.measure.site import site
from labhelpers.networks import Calico, Flannel, Network, PlainBridge
from tests.netns.cable import Pair
from tests.netns.kernel import shell

pytestmark = pytest.mark.once
NETWORKS = [PlainBridge(), Flannel("wireguard")]


@pytest.fixture(scope="module")
def compared() -> Comparison:
    return compare(NETWORKS, rounds=2, seconds=1, recipes=1)


def test_everything_is_measured_of_every_network_and_twice_of_the_cable(compared: Comparison) -> None:
    assert compared.networks == ("PlainBridge", "Flannel wireguard")
    for name in ("bare veth", "bare veth, again"):
        assert compared.spreads[name].keys() == {"throughput", "processor", "latency", "same-node", "connections"}
        assert all(len(one.values) == 2 and one.low > 0 for one in compared.spreads[name].values())
    for name in compared.networks:  # neither enforces policies, so that there is no cost of them
        assert compared.spreads[name].keys() == QUANTITIES.keys() - {"rules"}


def test_what_a_program_in_user_space_carries_is_labelled_and_not_ranked(compared: Comparison) -> None:
    if not compared.stand_ins:
        pytest.skip("this kernel has its own WireGuard")
    lines = {line.network: line for line in compared.standing("throughput")}
    assert lines["Flannel wireguard"].place == "not ranked"
    assert lines["Flannel wireguard"].note == "user space, not the product"
    assert lines["PlainBridge"].place == "1"
    assert lines["bare veth"].place == "the measure" and lines["bare veth"].ratio == 1
    assert not compared.beats("PlainBridge", "Flannel wireguard", "throughput")
    assert not compared.beats("Flannel wireguard", "PlainBridge", "throughput")
    assert compared.spreads["Flannel wireguard"]["memory"].low > 1  # a program for each node
    assert compared.spreads["PlainBridge"]["memory"].high == 0
    assert compared.spreads["PlainBridge"]["agents"].high == 0 < 5 < compared.spreads["Flannel wireguard"]["agents"].low
    assert {line.place for line in compared.standing("agents")} == {"not ranked"}


def test_the_wire_is_looked_at_and_policies_are_tried(compared: Comparison) -> None:
    bridge, wireguard = compared.properties
    assert bridge.wire == "as it was sent, readable"
    assert wireguard.wire == "in WireGuard, not readable"
    right, tried = map(int, bridge.policy.split(" of "))
    assert 0 < right < tried  # it enforces none, and what is allowed is allowed all the same
    assert "refused" in bridge.unseen


def test_a_network_that_enforces_has_every_connection_right_and_its_flow_log_names_the_policy() -> None:
    line, numbers = properties_of(Entrant("calico", Calico("vxlan")), recipes=2)
    right, tried = line.policy.split(" of ")
    assert right == tried
    assert (line.wire, line.observed, line.unseen) == ("in VXLAN, readable", "4 of 4", "")
    assert numbers["lines"] == [4.0]  # on its node: the cable, the route, and twice in the sets of the policy
    assert len(numbers["rules"]) == 3


def test_what_cannot_be_had_here_is_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Calico("bgp").route, "_join", _no_bird)
    found = compare([Calico("bgp"), PlainBridge()], rounds=1, only=["ready"], properties=False)
    assert found.networks == ("PlainBridge",)
    assert "no BIRD" in found.left_out["Calico bgp"]
    with pytest.raises(LabError, match=r"None of these networks.*no BIRD"):
        compare([Calico("bgp")], rounds=1, only=["ready"], properties=False)


def test_one_that_does_not_carry_is_left_out_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labhelpers.measure.site._PATIENCE", 2.0)
    monkeypatch.setattr(PlainBridge().route, "_learn", lambda *_: None)  # no routes to the other node's pods
    monkeypatch.setattr(PlainBridge().route, "_legs", lambda *_: [])
    found = compare([PlainBridge(), Flannel()], rounds=2, only=["ready"], properties=False)
    assert found.networks == ("Flannel",)
    assert "near does not reach far" in found.left_out["PlainBridge"]


def _no_bird(*_: object) -> None:
    raise ToolMissing("There is no BIRD.", "Install it.")


def test_one_round_orders_nobody_and_only_what_was_asked_for_is_measured() -> None:
    found = compare([PlainBridge(), Flannel()], rounds=1, only=["ready"], properties=False)
    assert [one.id for one in found.quantities] == ["ready"]
    assert {line.place for line in found.standing("ready")} == {"one round"}
    assert not found.beats("PlainBridge", "Flannel", "ready")
    assert len(found.properties) == 0
    with pytest.raises(NotFound, match="was not measured"):
        found.standing("latency")
    with pytest.raises(NotFound, match="There is no 'Canal' here"):
        found.beats("Canal", "Flannel", "ready")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"networks": []}, "no network to measure"),
        ({"networks": ["flannel"]}, "'flannel' is no network"),
        ({"networks": [Flannel(), Flannel()]}, "'Flannel' is taken"),
        ({"rounds": 0}, "rounds=0"),
        ({"seconds": 1.5}, "seconds=1.5"),
        ({"only": ["speed"]}, "'speed' to measure"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        compare(**{"networks": NETWORKS, **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize("network", [None, Flannel()], ids=["cable", "flannel"])
def test_a_site_has_three_pods_and_goes(network: Network | None, lab: Lab) -> None:
    with site(Entrant("one", network)) as here:
        assert here.near.where.ping(here.far.address).ok
        assert here.near.where.ping(here.beside.address).ok
        assert bool(here.nodes) is (network is not None)
    assert not [one for one in lab.namespaces() if one.owner == "lab"]


def test_connections_are_counted_and_one_that_is_not_opened_is_said(pair: Pair) -> None:
    a, b = pair
    times = connects.connection_times(a, b, "10.0.0.2", count=20)
    assert len(times) == 20 and min(times) > 0
    shell("ip -n red link set eth0 down")
    with pytest.raises(TimedOut, match="No connection from red"):
        connects.connection_times(a, b, "10.0.0.2", count=1, timeout=0.2)


def test_processes_are_asked_for_time_and_memory(pair: Pair) -> None:
    before = set(usage.processes_in([pair[0].inode]))
    script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done; exec sleep 60"
    with spawn(pair[0], ["sh", "-c", script]) as busy:
        assert busy.stdout.readline() == "done\n"
        found = set(usage.processes_in([pair[0].inode])) - before
        assert busy.pid in found
        assert usage.processes_in([pair[0].inode], but=found) == tuple(before)
        assert usage.processor_time(found) > 0
        assert usage.memory(found) > 100_000
    assert usage.processor_time(found) == usage.memory(found) == 0
