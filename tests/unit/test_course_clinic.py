"""The cases of the clinic, as a list."""

from __future__ import annotations

from pathlib import Path

import pytest

from labhelpers.course import clinic
from labhelpers.course.clinic.admission import FAULTS, HERRINGS, NUMBERED, PAIRS
from labhelpers.course.clinic.chart import note
from labhelpers.course.clinic.evidence import is_symptom
from labhelpers.course.clinic.fault import LAYERS
from labhelpers.course.clinic.ward import WARDS
from labhelpers.errors import BadInput, NotFound


def test_every_case_has_one_number() -> None:
    assert sorted(NUMBERED) == sorted([*FAULTS, *PAIRS, *HERRINGS])
    assert len(set(NUMBERED)) == len(NUMBERED) == len(clinic.cases())


def test_every_layer_has_a_fault_and_there_are_cases_of_every_level() -> None:
    assert {fault.layer for fault in FAULTS.values()} == set(LAYERS)
    assert len(FAULTS) >= 24
    assert all(len(clinic.cases(level)) >= 5 for level in (1, 2, 3, 4))
    assert sum(len(clinic.cases(level)) for level in (1, 2, 3, 4)) == len(clinic.cases())


@pytest.mark.parametrize("id", FAULTS)
def test_a_complaint_does_not_give_the_answer_away(id: str) -> None:
    fault = FAULTS[id]
    said = fault.complaint.lower()
    assert fault.layer not in said.split() or fault.layer == "address"
    assert set(fault.layers) <= set(LAYERS)
    assert fault.ward in WARDS
    assert fault.hints
    assert not is_symptom(fault.evidence)


def test_pairs_and_herrings_are_about_faults_of_one_ward() -> None:
    for pair in PAIRS.values():
        assert len({FAULTS[id].ward for id in pair}) == 1
    assert all(fault in FAULTS for fault, _ in HERRINGS.values())


def test_what_is_no_case_is_refused() -> None:
    with pytest.raises(NotFound, match="from 1 to"):
        clinic.admit("4711")
    with pytest.raises(BadInput, match="Choose 1, 2, 3 or 4"):
        clinic.admit(level=9)


@pytest.mark.parametrize("command", ["ping -c 1 10.0.1.10", "timeout 2 curl http://x", "/usr/bin/nc -z a 1"])
def test_a_probe_is_a_symptom(command: str) -> None:
    assert is_symptom(command)


@pytest.mark.parametrize("command", ["ip route", "cat /etc/hosts", "echo 'unfinished"])
def test_other_commands_are_not(command: str) -> None:
    assert not is_symptom(command)


def test_the_chart_keeps_what_is_new_and_puts_nonsense_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POD_NETWORKING_PROGRESS", str(tmp_path / "progress.json"))
    assert list(clinic.chart()) == []
    note("12", solved=True, seconds=40)
    note("12", repaired=True)
    note("3", solved=False)
    assert [(one.case, one.solved, one.repaired, one.seconds) for one in clinic.chart()] == [
        ("3", False, False, 0),
        ("12", True, True, 40),
    ]
    (tmp_path / "clinic.json").write_text('{"cases": {"1": {"unheard": 1}}}')
    assert list(clinic.chart()) == []
    assert "is kept as" in capsys.readouterr().err
    assert (tmp_path / "clinic.json.unreadable").exists()
