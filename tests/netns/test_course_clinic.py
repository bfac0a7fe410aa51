"""The clinic: every fault makes ill, is recognised by the right answer only, and can be mended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labhelpers.cluster import Cluster
from labhelpers.course import clinic, settle
from labhelpers.course.clinic.admission import FAULTS
from labhelpers.course.clinic.case import Case
from labhelpers.course.clinic.evidence import do
from labhelpers.course.clinic.fault import LAYERS, Fault
from labhelpers.course.clinic.in_disguise import HERRINGS, PAIRS
from labhelpers.course.clinic.ward import WARDS, LabWard, Ward
from labhelpers.errors import BadInput, NotFound
from labhelpers.lab import Lab
from labhelpers.topology import Snapshot
from labhelpers.topology.normal import normalised

#: a command of its own for a fault: in the namespace of a cluster's pod, say
_EVIDENCE = {
    "wrong-door": "ss -ltn",
    "closed-port": "kubectl describe networkpolicy -n shop",
    "session-off": "ip route",
}
_PATIENCE = 60.0  # seconds: BGP and WireGuard find together again in their own time


@pytest.fixture(autouse=True)
def a_chart_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NETWORKING_PROGRESS", str(tmp_path / "progress.json"))


def healthy(case: Case) -> None:
    end = time.monotonic() + _PATIENCE
    while bad := [(row.id, row.seen) for row in case.repaired() if not row.ok]:
        assert time.monotonic() < end, bad
        time.sleep(0.2)


def _fall_ill_and_get_well(ward: Ward, fault: Fault) -> None:
    case = Case("1", fault.level, (fault,), ward=ward)
    assert not all(row.ok for row in ward.tried()), f"{fault.id}: nothing is wrong"
    assert not case.answer(fault.where, _another(fault), fault.evidence).ok
    assert not case.answer(_elsewhere(fault), fault.layer, fault.evidence).ok
    assert not case.answer(fault.where, fault.layer, "ping -c 1 10.0.1.10").ok
    assert not case.solved
    answer = case.answer(fault.where, fault.layer, _EVIDENCE.get(fault.id, fault.evidence))
    assert answer.ok, f"{fault.id}: {answer}"
    do(ward, fault.cure, check=True)
    healthy(case)


def _another(fault: Fault) -> str:
    return next(layer for layer in LAYERS if layer not in fault.layers)


def _elsewhere(fault: Fault) -> str:
    return next(node for node in ("node-1", "node-2", "underlay") if node not in fault.places)


def _starts_programs(id: str) -> bool:
    return FAULTS[id].ward == "shop" or FAULTS[id].layer == "process"


@pytest.fixture
def own_ward() -> Iterator[Ward]:
    """A network for a test that starts programs."""
    yield WARDS["routes"]()
    Lab()


@pytest.mark.once
def test_faults_of_processes(own_ward: Ward) -> None:
    for id in FAULTS:
        if FAULTS[id].ward == "routes" and _starts_programs(id):
            _fall_ill_and_get_well(own_ward, FAULTS[id])


# one test, because programs that a test starts anew are other ones than those that it found
@pytest.mark.once
def test_faults_of_clusters() -> None:
    shop = WARDS["shop"]()
    try:
        for id in FAULTS:
            if FAULTS[id].ward == "shop":
                _fall_ill_and_get_well(shop, FAULTS[id])
        _an_event_that_names_the_fault_is_evidence_although_it_stays(shop)
        _a_place_is_a_node_or_an_object(shop)
        _a_line_in_a_file_is_no_dns(shop)
    finally:
        Cluster.running().delete()


def _an_event_that_names_the_fault_is_evidence_although_it_stays(shop: Ward) -> None:
    fault = FAULTS["misspelt-plugin"]
    case = Case("1", fault.level, (fault,), ward=shop)
    shop.run(
        "kubectl", """kubectl run new --image=busybox --overrides='{"spec": {"nodeName": "node-2"}}'""", check=True
    )
    end = time.monotonic() + _PATIENCE
    while "lab-callico" not in (said := shop.run("kubectl", "kubectl describe pod new")):
        assert time.monotonic() < end, said
        time.sleep(0.2)
    assert not case.answer("node-2", "cni", "kubectl get pods -n shop").ok
    assert case.answer("node-2", "CNI plugin", "kubectl describe pod new").ok
    do(shop, fault.cure, check=True)
    shop.run("kubectl", "kubectl delete pod new --force --grace-period=0", check=True)


def _a_line_in_a_file_is_no_dns(shop: Ward) -> None:
    fault = FAULTS["own-resolver"]
    do(shop, fault.steps, check=True)
    shop.run(
        "kubectl",
        "kubectl exec -n shop web -- sh -c "
        "\"echo $(kubectl get pod -n shop api -o jsonpath='{.status.podIP}') api.shop >> /etc/hosts\"",
        check=True,
    )
    failed = [row.id for row in shop.tried() if not row.ok]
    assert failed == ["names"]


def _a_place_is_a_node_or_an_object(shop: Ward) -> None:
    assert shop.place("node-2/eth0") == "node-2"
    assert shop.place("shop/web") == "shop/web"
    for nowhere in ("web", "networkpolicy/web-out", "node-3"):
        with pytest.raises(NotFound, match="There is no place"):
            shop.place(nowhere)


@pytest.mark.once
def test_a_case_from_admission_to_debrief(capsys: pytest.CaptureFixture[str]) -> None:
    case = clinic.admit("no-way-across")
    try:
        assert "Pods of one node reach each other." in repr(case)
        with pytest.raises(NotFound, match="not found yet"):
            case.debrief()
        with pytest.raises(BadInput, match="no layer"):
            case.answer("node-1", "magic", "ip route")
        with pytest.raises(BadInput, match="no text"):
            case.answer("node-1", "route", "")
        with pytest.raises(BadInput, match=r"several commands.* pipes are fine"):
            case.answer("node-1", "route", "ip -d link; ip addr; ip route; nft list ruleset; bridge fdb; sysctl -a")
        with pytest.raises(NotFound, match="There is no namespace 'node-7'"):
            case.answer("node-7", "route", "ip route")
        hints = [repr(case.hint()) for _ in range(4)]
        assert hints[0] != hints[1] == hints[2] == hints[3]
        assert hints[1].startswith("Hint 2 of 2: ")
        wrong = case.answer("node-2/eth0", "route", "ip route")
        assert [row.ok for row in wrong.rows] == [False, True, False]
        case.gives["node_1"].run("ip route add 10.0.2.0/24 via 192.168.1.11", check=True)  # mended before it is told
        assert case.answer(case.gives["node_1"], "Routes", "!ip route | grep 10.0.2.0").ok
        assert all(row.ok for row in case.repaired()), "it stays mended"
        debrief = case.debrief()
        for words in ("node-1: route.", "ip route delete 10.0.2.0/24", "node-1$ ip route add", "pod-a to pod-c"):
            assert words in repr(debrief)
        assert "<td" in debrief._repr_html_(), "the walk as a picture"
        (entry,) = clinic.chart()
        assert (entry.level, entry.solved, entry.repaired, entry.layer) == (1, True, True, "route")
        assert (entry.hints, entry.answers) == (2, 2)

        Lab()
        assert case.debrief().line == debrief.line
        assert "pod_a" in repr(case)
        with pytest.raises(NotFound, match="network of case 6 is gone"):
            case.repaired()

        again = clinic.admit(6)
        assert not case.is_here
        with pytest.raises(NotFound, match="network of case 6 is gone"):
            case.repaired()
        assert again.answer("node_1", "routing table", "ip route get 10.0.2.10").ok
        assert clinic.chart()[0].hints == 2, "what was found keeps its numbers"
    finally:
        Lab()


@pytest.mark.once
def test_the_number_of_a_process_does_not_spoil_evidence_and_what_is_mended_stays_so(own_ward: Ward) -> None:
    fault = FAULTS["only-localhost"]
    for command in ("ss -ltnp", "ps auxww | grep '[h]ttpd'"):
        case = Case("1", fault.level, (fault,), ward=own_ward)
        do(own_ward, fault.cure, check=True)
        assert case.answer("pod-b", "process", command).ok, command
        assert all(row.ok for row in case.repaired()), "an answer breaks nothing anew"
    case = Case("1", fault.level, (fault,), ward=own_ward)
    do(own_ward, fault.cure, check=True)
    assert not case.answer("pod-b", "process", "hostname").ok
    assert all(row.ok for row in case.repaired()), "nor does one that is wrong"


@pytest.mark.once
def test_who_gives_up_is_told_and_has_not_found_it(own_ward: Ward) -> None:
    fault = FAULTS["nobody-listens"]
    case = Case("1", fault.level, (fault,), ward=own_ward)
    assert "no process listens" in repr(case.debrief(give_up=True))
    assert case.answer(fault.where, fault.layer, fault.evidence).ok
    (entry,) = clinic.chart()
    assert (entry.solved, entry.told, entry.layer) == (False, True, "process")


@pytest.mark.once
@pytest.mark.parametrize("id", [*PAIRS, *HERRINGS])
def test_pairs_and_red_herrings(own_ward: Ward, id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WARDS, "routes", lambda: own_ward)
    case = clinic.admit(id)
    faults = [FAULTS[one] for one in PAIRS[id][0]] if id in PAIRS else [HERRINGS[id][0]]
    for number, fault in enumerate(faults, 1):
        assert not case.solved
        assert repr(case.hint()).startswith("Hint 1 of ")
        answer = case.answer(fault.where, fault.layer, fault.evidence)
        assert answer.ok, answer
        assert case.solved is (number == len(faults))
        assert "found already" in repr(case.answer(fault.where, fault.layer, fault.evidence))
        do(own_ward, fault.cure, check=True)
    healthy(case)
    (entry,) = clinic.chart()
    assert (entry.solved, entry.repaired, entry.hints) == (True, True, len(faults))
    if id in HERRINGS:
        assert HERRINGS[id][1].story in repr(case.debrief())


# the network of a ward stays until no test asks for it any more
@pytest.fixture(scope="module")
def ward(request: pytest.FixtureRequest) -> Iterator[Ward]:
    """A healthy network for all faults that want it."""
    yield WARDS[request.param]()
    Lab()


@pytest.mark.once
@pytest.mark.parametrize(
    ("ward", "id"), [(FAULTS[id].ward, id) for id in FAULTS if not _starts_programs(id)], indirect=["ward"],
    scope="module",
)  # fmt: skip
def test_a_fault_makes_ill_is_recognised_and_can_be_mended(ward: Ward, id: str) -> None:
    settle()
    before = normalised(Snapshot.take())
    _fall_ill_and_get_well(ward, FAULTS[id])
    if FAULTS[id].ward in ("routes", "vxlan"):  # the others learn their routes again in their own order
        assert normalised(Snapshot.take()) == before


@pytest.mark.once
@pytest.mark.parametrize("ward", ["vxlan"], indirect=True, scope="module")
def test_where_two_layers_are_wrong_together_either_is_right(ward: Ward) -> None:
    fault = FAULTS["way-back-elsewhere"]
    case = Case("1", fault.level, (fault,), ward=ward)
    assert case.answer("node-2", "route", "ip route").ok
    do(ward, fault.cure, check=True)


@pytest.mark.once
@pytest.mark.parametrize("ward", ["routes"], indirect=True, scope="module")
def test_what_is_the_same_without_the_fault_is_no_evidence(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS["no-forwarding"]
    case = Case("1", fault.level, (fault,), ward=ward)
    for nothing, why in {
        "date +%N": "not because of the fault",
        "ip route": "the same with the fault and without it: default via",
        "true": "there is none",
        "sh -c 'echo $$'": "not because of the fault",
    }.items():
        answer = case.answer("node-2", "forwarding", nothing)
        assert not answer.ok
        assert why in repr(answer), nothing
    monkeypatch.setattr("labhelpers.course.clinic.ward._LONGEST", 1)
    assert "does not end" in repr(case.answer("node-2", "forwarding", "tcpdump -n -i eth0 udp port 4711"))
    assert case.answer("node-2", "forwarding", "cat /proc/sys/net/ipv4/ip_forward").ok
    do(ward, fault.cure, check=True)


@pytest.mark.once
@pytest.mark.parametrize("ward", ["routes"], indirect=True, scope="module")
@pytest.mark.parametrize("mended", [False, True])
def test_who_interrupts_an_answer_finds_the_network_as_it_was(
    ward: Ward, mended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = FAULTS["firewall-on-node"]
    case = Case("1", fault.level, (fault,), ward=ward)
    if mended:
        do(ward, fault.cure, check=True)
    before = ward.run("node-2", "nft list ruleset")
    run = LabWard.run
    seen = []

    def interrupted(self: LabWard, place: str, command: str, *, check: bool = False) -> str:
        seen.append(command)
        if command == "nft list tables" and seen.count(command) == 2:
            raise KeyboardInterrupt
        return run(self, place, command, check=check)

    monkeypatch.setattr(LabWard, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        case.answer("node-2", "nft rule", "nft list tables")
    assert ward.run("node-2", "nft list ruleset") == before
    assert case.answer("node-2", "nft rule", "nft list ruleset").ok
    do(ward, fault.cure, check=not mended)
