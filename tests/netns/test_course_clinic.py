"""The clinic: every fault makes ill, is recognised by the right answer only, and can be mended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labhelpers.cluster import Cluster
from labhelpers.course import clinic, settle
from labhelpers.course.clinic.admission import FAULTS, HERRINGS, PAIRS
from labhelpers.course.clinic.case import Case
from labhelpers.course.clinic.evidence import do, tells
from labhelpers.course.clinic.fault import LAYERS, Fault
from labhelpers.course.clinic.ward import WARDS, LabWard, Ward
from labhelpers.errors import BadInput, NotFound
from labhelpers.lab import Lab
from labhelpers.topology import Snapshot
from labhelpers.topology.normal import normalised

_PATIENCE = 60.0  # seconds: BGP and WireGuard find together again in their own time


@pytest.fixture(autouse=True)
def a_chart_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NETWORKING_PROGRESS", str(tmp_path / "progress.json"))


def healthy(case: Case) -> None:
    end = time.monotonic() + _PATIENCE
    while bad := [(row.id, row.seen) for row in case.repaired() if not row.ok]:
        assert time.monotonic() < end, bad
        time.sleep(0.2)


def _starts_programs(id: str) -> bool:
    return FAULTS[id].ward == "shop" or FAULTS[id].layer == "process"


@pytest.mark.once
def test_faults_of_processes() -> None:
    ward = WARDS["routes"]()
    try:
        for id in FAULTS:
            if FAULTS[id].ward == "routes" and _starts_programs(id):
                _fall_ill_and_get_well(ward, id)
    finally:
        Lab()


@pytest.mark.once
def test_faults_of_clusters() -> None:
    ward = WARDS["shop"]()
    try:
        for id in FAULTS:
            if FAULTS[id].ward == "shop":
                _fall_ill_and_get_well(ward, id)
    finally:
        Cluster.running().delete()


def _fall_ill_and_get_well(ward: Ward, id: str) -> None:
    fault = FAULTS[id]
    case = Case("1", fault.level, (fault,), ward=ward)
    pages = isinstance(ward, LabWard) and ward.pages()  # the quick one first
    assert (pages and not pages.ok) or not all(row.ok for row in ward.requirements()), f"{id}: nothing is wrong"
    assert not case.answer(fault.where, _another(fault), fault.evidence).ok
    assert not case.answer("nowhere", fault.layer, fault.evidence).ok
    assert not case.answer(fault.where, fault.layer, "ping -c 1 10.0.1.10").ok
    assert not case.solved
    answer = case.answer(fault.where, fault.layer, fault.evidence)
    assert answer.ok, f"{id}: {answer}"
    do(ward, fault.cure, check=True)
    healthy(case)


@pytest.mark.once
@pytest.mark.parametrize("nothing", ["date", "hostname", "ip route", "no-such-program", "sh -c 'echo $$'"])
def test_what_is_the_same_without_the_fault_is_no_evidence(nothing: str) -> None:
    case = clinic.admit("no-forwarding")
    try:
        assert not case.answer("node-2", "forwarding", nothing).ok
        assert case.answer("node-2", "forwarding", "cat /proc/sys/net/ipv4/ip_forward").ok
    finally:
        Lab()


def _another(fault: Fault) -> str:
    return next(layer for layer in LAYERS if layer not in fault.layers)


@pytest.mark.once
@pytest.mark.parametrize("id", [*PAIRS, *HERRINGS])
def test_pairs_and_red_herrings(id: str) -> None:
    case = clinic.admit(id)
    names = PAIRS.get(id) or (HERRINGS[id][0],)
    try:
        for number, name in enumerate(names, 1):
            fault = FAULTS[name]
            assert not case.solved
            answer = case.answer(fault.where, fault.layer, fault.evidence)
            assert answer.ok, answer
            assert case.solved is (number == len(names))
            do(case._ward, fault.cure, check=True)
        healthy(case)
        (entry,) = clinic.chart()
        assert (entry.solved, entry.repaired, entry.answers) == (True, True, len(names))
    finally:
        Lab()


@pytest.mark.once
def test_the_number_of_a_process_does_not_spoil_evidence_and_what_is_mended_stays_so() -> None:
    case = clinic.admit("only-localhost")
    fault = FAULTS["only-localhost"]
    try:
        do(case._ward, fault.cure, check=True)
        for command in ("ss -ltnp", "ps auxww | grep '[h]ttpd'"):
            assert tells(case._ward, fault, "pod-b", command), command
        assert not case.answer("pod-b", "process", "hostname").ok
        assert all(row.ok for row in case.repaired()), "an answer breaks nothing anew"
    finally:
        Lab()


@pytest.mark.once
def test_where_two_layers_are_wrong_together_either_is_right() -> None:
    case = clinic.admit("way-back-elsewhere")
    try:
        assert case.answer("node-2", "route", "ip route").ok
    finally:
        Lab()


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
        hints = [case.hint() for _ in range(4)]
        assert hints[0] != hints[1] == hints[2] == hints[3]
        wrong = case.answer("node-2", "route", "ip route")
        assert [row.ok for row in wrong.rows] == [False, True, False]
        case.gives["node_1"].run("ip route add 10.0.2.0/24 via 192.168.1.11", check=True)  # mended before it is told
        assert case.answer("node-1", "route", "ip route | grep 10.0.2.0").ok
        assert all(row.ok for row in case.repaired()), "it stays mended"
        story = repr(case.debrief())
        for words in ("node-1: route.", "ip route delete 10.0.2.0/24", "node-1$ ip route add", "pod-a to pod-c"):
            assert words in story
        (entry,) = clinic.chart()
        assert (entry.level, entry.solved, entry.repaired) == (1, True, True)
        assert (entry.hints, entry.answers) == (4, 2)
    finally:
        Lab()


@pytest.mark.once
def test_who_gives_up_is_told_and_has_not_found_it() -> None:
    case = clinic.admit("nobody-listens")
    try:
        assert "no process listens" in repr(case.debrief(give_up=True))
        fault = FAULTS["nobody-listens"]
        assert case.answer(fault.where, fault.layer, fault.evidence).ok
        assert not clinic.chart()[0].solved
    finally:
        Lab()


# last, as the network of a ward stays until the end of this file
@pytest.fixture(scope="module")
def ward(request: pytest.FixtureRequest) -> Iterator[Ward]:
    """A healthy network for all faults that want it."""
    yield WARDS[request.param]()
    Lab()


@pytest.mark.once
@pytest.mark.parametrize(
    ("ward", "id"),
    [(FAULTS[id].ward, id) for id in FAULTS if not _starts_programs(id)],
    indirect=["ward"],
    scope="module",
)
def test_a_fault_makes_ill_is_recognised_and_can_be_mended(ward: Ward, id: str) -> None:
    settle()
    before = normalised(Snapshot.take())
    _fall_ill_and_get_well(ward, id)
    if FAULTS[id].ward in ("routes", "vxlan"):  # the others learn their routes again in their own order
        assert normalised(Snapshot.take()) == before
