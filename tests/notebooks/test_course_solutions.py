"""Whole chapters with every exercise solved, and with every exercise solved wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from labhelpers.course import catalogue
from tools.notebooks import CELL_TIMEOUT

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
FILES = [chapter.file for chapter in catalogue.CHAPTERS]


@pytest.fixture(autouse=True)
def own_progress(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    file = tmp_path / "progress.json"
    monkeypatch.setenv("POD_NETWORKING_PROGRESS", str(file))
    monkeypatch.setenv("POD_NETWORKING_STATIC", "1")
    return file


def _read(file: str) -> Any:
    return nbformat.read(NOTEBOOKS / file, as_version=4)


def _run(file: str) -> dict[str, bool]:
    """Run all cells of a chapter: which code cells raised, by id.  Cells that should raise are left out."""
    notebook = _read(file)
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="pod-networking",
        allow_errors=True,
        resources={"metadata": {"path": str(NOTEBOOKS)}},
    )
    client.execute()
    return {
        cell.id: any(output.output_type == "error" for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code" and "raises-exception" not in cell.metadata.get("tags", [])
    }


def _checks(file: str) -> set[str]:
    notebook = _read(file)
    return {cell.id for cell in notebook.cells if cell.cell_type == "code" and cell.source.startswith("check(")}


@pytest.mark.parametrize("file", FILES)
def test_the_reference_solutions_pass_and_spoil_nothing(
    file: str, monkeypatch: pytest.MonkeyPatch, own_progress: Path
) -> None:
    monkeypatch.setenv("POD_NETWORKING_SOLVE", "1")
    assert {id for id, raised in _run(file).items() if raised} == set()
    assert not own_progress.exists(), "a reference solution is not the learner's pass"


@pytest.mark.parametrize("file", FILES)
def test_each_broken_solution_is_found_out(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NETWORKING_SOLVE", "broken")
    checks = _checks(file)
    assert len(checks) == len(catalogue.exercises_of(file[:2]))
    assert {id for id, raised in _run(file).items() if raised} == checks
