"""A notebook that tells the truth is confirmed by a second run; one that was forged is found out."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from labhelpers.course import catalogue
from labhelpers.course.__main__ import main
from labhelpers.course.classroom.rerun import executed

SOLVED, OPEN = "1.1", "1.2"


@pytest.fixture(autouse=True)
def own_progress(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("POD_NETWORKING_PROGRESS", str(tmp_path / "progress.json"))
    return tmp_path / "progress.json"


def _notebook(*sources: str) -> Any:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    spec = {"name": "pod-networking", "display_name": "Pod networking (sandbox)", "language": "python"}
    made.metadata = nbformat.from_dict({"kernelspec": spec})
    return made


@pytest.fixture(scope="module")
def honest() -> Any:
    """One exercise checked too early, then solved, and one that is not; as the kernel left it."""
    sources = [
        "from labhelpers import *\nfrom labhelpers.course import check, start",
        f'start("{SOLVED}")',
        f'check("{SOLVED}")',
        catalogue.find(SOLVED).solution,
        f'check("{SOLVED}")',
        f'check("{OPEN}")',
    ]
    made = _notebook(*sources)
    ran, ended = executed(made)
    assert not ended
    for cell, source in zip(ran.cells, sources, strict=True):
        cell.source = source
    return ran


def _report(folder: Path, notebook: Any, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, Any]]]:
    nbformat.write(notebook, folder / "ada.ipynb")
    before = (folder / "ada.ipynb").read_bytes()
    status = main(["report", "--rerun", "--format", "json", str(folder / "ada.ipynb")])
    assert (folder / "ada.ipynb").read_bytes() == before, "a learner's file stays as it is"
    return status, json.loads(capsys.readouterr().out)


def test_an_honest_notebook_is_confirmed(
    honest: Any, own_progress: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, rows = _report(tmp_path, honest, capsys)
    said = [(row["exercise"], row["passed"], row["attempts"], row["rerun"]) for row in rows]
    assert said == [(SOLVED, True, 2, "confirmed"), (OPEN, False, 1, "confirmed")]
    assert status == 0
    assert not own_progress.exists(), "a second run is not the teacher's pass"


def test_a_forged_output_and_a_check_of_ones_own_are_found_out(
    honest: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = copy.deepcopy(honest)
    passed = forged.cells[4].outputs
    forged.cells[3].source = f"check = lambda id: print('Exercise {SOLVED}, never mind: passed')\n1 / 0"
    forged.cells[5].outputs = json.loads(json.dumps(passed).replace(f"Exercise {SOLVED}", f"Exercise {OPEN}"))
    forged.cells[5].outputs = [nbformat.from_dict(output) for output in forged.cells[5].outputs]
    status, rows = _report(tmp_path, forged, capsys)
    assert status == 1
    assert [(row["exercise"], row["passed"], row["rerun"]) for row in rows] == [
        (SOLVED, True, "not confirmed"),
        (OPEN, True, "not confirmed"),
    ]
    assert rows[0]["note"] == "the second run says: not yet; first error in code cell 4"


def test_a_notebook_that_kills_its_kernel_is_not_confirmed(
    honest: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deadly = copy.deepcopy(honest)
    deadly.cells[0].source = "import os\nos.kill(os.getpid(), 9)"
    status, rows = _report(tmp_path, deadly, capsys)
    assert status == 1
    assert [row["rerun"] for row in rows] == ["not confirmed"] * 2
    assert all("the kernel died" in row["note"] for row in rows)
