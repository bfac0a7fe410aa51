"""What a notebook file says of its exercises, and what is left out of one that is handed out."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell

from labhelpers.course import attempts, catalogue, check, verbs
from labhelpers.course.__main__ import main
from labhelpers.course.classroom.claims import claims
from labhelpers.course.classroom.handout import without_solutions
from labhelpers.course.classroom.notebook import calls, read
from labhelpers.course.classroom.timing import Worked, worked
from labhelpers.course.exercise import METADATA, Exercise, Todo

CHAPTERS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9][0-9]-*.ipynb"))
door = {"open": False}


def _rows() -> Iterator[Todo]:
    yield Todo(door["open"], "the door is open")


DOOR = Exercise("1.1", "a door", "Open it.", _rows, ("Push.",), "pass", "pass")


@pytest.fixture
def one_exercise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    door["open"] = False
    for name in ("POD_NETWORKING_SOLVE", "POD_NETWORKING_STATIC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("POD_NETWORKING_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setattr(catalogue, "exercises_of", lambda number: (DOOR,) if number == "01" else ())
    monkeypatch.setattr("labhelpers.course.exercise.settle", lambda: None)
    monkeypatch.setattr(verbs, "_hints_given", {})


def shown(value: object) -> nbformat.NotebookNode:
    """What a kernel sends of a cell's value, as a notebook keeps it."""
    data, metadata = InteractiveShell.instance().display_formatter.format(value)
    return nbformat.v4.new_output("execute_result", data, metadata=metadata, execution_count=1)


def notebook(*cells: tuple[str, list[nbformat.NotebookNode]], kernel: str = "pod-networking") -> nbformat.NotebookNode:
    made = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source, outputs=outputs, execution_count=1) for source, outputs in cells]
    )
    made.metadata = nbformat.from_dict({"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}})
    return made


def saved(folder: Path, made: nbformat.NotebookNode, name: str = "ada.ipynb") -> Path:
    nbformat.write(made, folder / name)
    return folder / name


@pytest.mark.usefixtures("one_exercise")
def test_attempts_are_counted_until_the_first_pass_and_kept_beside_the_list() -> None:
    assert [check("1.1").attempt for _ in range(2)] == [1, 2]
    door["open"] = True
    assert [check("1.1").attempt for _ in range(3)] == [3, 3, 3]
    output = shown(check("1.1"))
    assert set(output.data) == {"text/plain", "text/html"}
    kept = output.metadata[METADATA]
    assert (kept["exercise"], kept["passed"], kept["attempt"]) == ("1.1", True, 3)
    assert kept["version"]


@pytest.mark.usefixtures("one_exercise")
def test_a_recorded_chapter_is_nobodys_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NETWORKING_STATIC", "1")
    assert shown(check("1.1")).metadata == {}
    assert not attempts.path().exists()


@pytest.mark.usefixtures("one_exercise")
def test_nonsense_in_the_file_of_attempts_begins_at_one_again() -> None:
    attempts.path().write_text('{"1.1": "many"}')
    assert check("1.1").attempt == 1


@pytest.mark.usefixtures("one_exercise")
def test_a_report_says_what_the_file_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = shown(check("1.1"))
    door["open"] = True
    path = saved(tmp_path, notebook(('check("1.1")', [before]), ('check("1.1")', [shown(check("1.1"))])))
    assert main(["report", str(path)]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row.pop("version")
    assert list(row.values()) == [str(path), "1.1", "a door", "yes", "2", "", ""]
    assert main(["report", str(path), "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["passed"], row["attempts"], row["rerun"]) == (True, 2, "")


@pytest.mark.usefixtures("one_exercise")
def test_only_a_cell_that_checks_counts(tmp_path: Path) -> None:
    door["open"] = True
    passed = shown(check("1.1"))
    forged = notebook(('print("Exercise 1.1")', [passed]), ('check("1.1")', []), ('check("9.9")', []))
    (claim,) = claims(tmp_path, forged)
    assert not claim.passed
    assert claim.note == "not checked"


def test_a_recorded_chapter_claims_no_pass() -> None:
    for path in CHAPTERS:
        found = list(claims(path, read(path)))
        assert [claim.exercise for claim in found] == [one.id for one in catalogue.exercises_of(path.name[:2])]
        assert not any(claim.passed or claim.attempts for claim in found)


BAD = {
    "no-json.ipynb": "never",
    "empty.ipynb": "",
    "list.ipynb": "[]",
    "other.ipynb": '{"a": 1}',
    "old.ipynb": '{"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": []}',
    "odd-cells.ipynb": '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1]}',
}


@pytest.mark.parametrize("name", [*BAD, "binary.ipynb", "missing.ipynb", "kernel.ipynb", "folder.ipynb"])
def test_what_is_no_notebook_of_the_course_gets_a_sentence_and_spoils_no_other(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name in BAD:
        (tmp_path / name).write_text(BAD[name])
    elif name == "binary.ipynb":
        (tmp_path / name).write_bytes(b"\xff\xfe\x00")
    elif name == "folder.ipynb":
        (tmp_path / name).mkdir()
    elif name == "kernel.ipynb":
        saved(tmp_path, notebook(kernel="python3"), name)
    good = saved(tmp_path, notebook(('check("1.1")', [])), "good.ipynb")
    assert main(["report", str(tmp_path / name), str(good)]) == 1
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1 and name in said.err and "Traceback" not in said.err
    bad, fine = csv.DictReader(io.StringIO(said.out))
    assert (bad["notebook"], bad["exercise"], bad["passed"]) == (str(tmp_path / name), "", "no")
    assert bad["note"] and said.err.startswith(bad["note"]), "who handed it in is not missing from the table"
    assert (fine["notebook"], fine["exercise"]) == (str(good), "1.1")


@pytest.mark.usefixtures("one_exercise")
def test_a_spreadsheet_takes_nothing_for_a_formula(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    door["open"] = True
    output = shown(check("1.1"))
    output.metadata[METADATA]["version"] = "=1+1"
    saved(tmp_path, notebook(('check("1.1")', [output])), "@home.ipynb")
    monkeypatch.chdir(tmp_path)
    assert main(["report", "@home.ipynb"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["notebook"], row["version"]) == ("'@home.ipynb", "'=1+1")
    assert main(["report", "--format", "json", "@home.ipynb"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["notebook"], row["version"]) == ("@home.ipynb", "=1+1")


def test_a_file_whose_name_is_no_text_is_in_the_report(tmp_path: Path) -> None:
    path = saved(tmp_path, notebook(('check("1.1")', [])))
    os.rename(path, os.fsencode(tmp_path) + b"/\xe9.ipynb")
    command = [sys.executable, "-m", "labhelpers.course", "report"]
    done = subprocess.run([*command, os.fsencode(tmp_path) + b"/\xe9.ipynb"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\udce9.ipynb,1.1," in done.stdout


def test_who_reads_only_the_beginning_sees_no_traceback(tmp_path: Path) -> None:
    path = saved(tmp_path, notebook(('check("1.1")', [])))
    command = [sys.executable, "-m", "labhelpers.course", "report", *[str(path)] * 700]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline().startswith("notebook,")
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_handed_out_chapter_is_the_chapter_without_solutions_and_outputs(path: Path, tmp_path: Path) -> None:
    assert main(["handout", str(tmp_path), str(path)]) == 0
    whole, copy = read(path), read(tmp_path / path.name)
    assert copy.metadata == whole.metadata
    kept = {cell.id for cell in copy.cells}
    left_out = [cell for cell in whole.cells if cell.id not in kept]
    ids = {one.id for one in catalogue.exercises_of(path.name[:2])}
    assert {id for cell in left_out for id in calls(cell.source, "solution")} == ids
    assert all(cell.source.startswith("solution(") for cell in left_out)
    ours = [(cell.id, cell.cell_type, cell.source, cell.metadata) for cell in copy.cells]
    theirs = [(cell.id, cell.cell_type, cell.source, cell.metadata) for cell in whole.cells if cell.id in kept]
    assert ours == theirs
    code: list[Any] = [cell for cell in copy.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)


def test_handing_out_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = CHAPTERS[:2]
    (tmp_path / two.name).write_text("a learner's work")
    assert main(["handout", str(tmp_path), str(one), str(two)]) == 1
    assert "Choose another folder" in capsys.readouterr().err
    assert (tmp_path / two.name).read_text() == "a learner's work"
    assert not (tmp_path / one.name).exists()


def test_in_a_handout_of_all_chapters_every_link_leads_to_a_file(tmp_path: Path) -> None:
    assert main(["handout", str(tmp_path), *map(str, CHAPTERS)]) == 0
    texts = {path.name: path.read_text() for path in tmp_path.glob("*.md")}
    for path in tmp_path.glob("*.ipynb"):
        texts[path.name] = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    links = {(name, link) for name, text in texts.items() for link in re.findall(r"\]\(([^)\s]+)\)", text)}
    inside = {(name, link.partition("#")[0]) for name, link in links if "://" not in link}
    assert {(CHAPTERS[0].name, page) for page in ("glossary.md", "cheat-sheet.md", "feedback.md")} <= inside
    assert [(name, link) for name, link in inside if not (tmp_path / link).is_file()] == []
    for name in texts:
        if name.endswith(".md"):
            assert (tmp_path / name).read_bytes() == (CHAPTERS[0].parent / name).read_bytes()


def _with_text(folder: Path, text: str, name: str = "ada.ipynb") -> Path:
    folder.mkdir(exist_ok=True)
    made = notebook()
    made.cells = [nbformat.v4.new_markdown_cell(text)]
    return saved(folder, made, name)


def test_pages_of_pages_come_along_and_others_do_not(tmp_path: Path) -> None:
    path = _with_text(tmp_path / "from", "[a](a.md#place), [b](b%20c.md), https://example.org/d.md, [e](x/e.md)")
    for name, text in {"a.md": "[f](f.md)", "b c.md": "", "f.md": "[a](a.md)", "d.md": "", "e.md": ""}.items():
        (path.parent / name).write_text(text)
    assert main(["handout", str(tmp_path / "to"), str(path)]) == 0
    assert sorted(os.listdir(tmp_path / "to")) == ["a.md", "ada.ipynb", "b c.md", "f.md"]


def test_a_page_that_is_there_already_stays_and_another_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (_with_text(tmp_path / "from", "[a](a.md)", name) for name in ("one.ipynb", "two.ipynb"))
    (tmp_path / "from/a.md").write_text("a page")
    to = tmp_path / "to"
    assert main(["handout", str(to), str(one)]) == 0 == main(["handout", str(to), str(two)])
    assert capsys.readouterr().out.split() == [str(to / name) for name in ("one.ipynb", "a.md", "two.ipynb")]
    (to / "two.ipynb").unlink()
    (to / "a.md").write_text("a learner's notes")
    assert main(["handout", str(to), str(two)]) == 1
    assert f"There is a file {to / 'a.md'} already. Choose another folder." in capsys.readouterr().err
    assert (to / "a.md").read_text() == "a learner's notes"
    assert not (to / "two.ipynb").exists()


def test_pages_that_cannot_be_handed_out_get_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (_with_text(tmp_path / name, "[a](a.md)", f"{name}.ipynb") for name in ("one", "two"))
    to = tmp_path / "to"
    assert main(["handout", str(to), str(one)]) == 1
    assert f"{one} links to a.md, and there is no {one.parent / 'a.md'}." in capsys.readouterr().err
    (one.parent / "a.md").mkdir()
    assert main(["handout", str(to), str(one)]) == 1
    assert "a.md cannot be read: Is a directory." in capsys.readouterr().err
    (one.parent / "a.md").rmdir()
    for path in (one, two):
        (path.parent / "a.md").write_text(path.name)
    assert main(["handout", str(to), str(one), str(two)]) == 1
    assert "Two pages have the name a.md. Hand them out into two folders." in capsys.readouterr().err
    assert not to.exists()


def test_a_handout_that_fails_half_way_leaves_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """JupyterHub takes a folder that is there for one with the chapters in it."""
    path = _with_text(tmp_path / "from", "[a](a.md)")
    (path.parent / "a.md").write_text("a page")
    write = Path.write_bytes

    def full(target: Path, content: bytes) -> int:
        if target.suffix == ".md":
            write(target, content[:1])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(target, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["handout", str(tmp_path / "to"), str(path)]) == 1
    assert "to cannot be written: No space left on device." in capsys.readouterr().err
    assert not (tmp_path / "to").exists()


def test_a_solution_inside_other_code_is_left_out_too() -> None:
    made = notebook(('print(solution("1.1"))', []), ("# no solution here", []), ("%%bash\nsolution", []))
    assert [cell.source for cell in without_solutions(made).cells] == ["# no solution here", "%%bash\nsolution"]


def _at(time: str) -> dict[str, dict[str, str]]:
    return {"execution": {"iopub.execute_input": time, "shell.execute_reply": time}}


def _timed(folder: Path, *times: str | None) -> Path:
    made = notebook(*((f"print({number})", []) for number in range(len(times))))
    for cell, time in zip(made.cells, times, strict=True):
        cell.metadata.update(_at(time) if time else {})
    return saved(folder, made)


def test_minutes_are_those_between_cells_in_the_order_they_ran(tmp_path: Path) -> None:
    path = _timed(tmp_path, "2026-11-29T10:07:00.5Z", None, "2026-11-29T10:00:00Z", "2026-11-29T12:12:00.25+02:00")
    assert worked(path, read(path)) == Worked(str(path), timed=3, cells=4, minutes=12)


def test_of_a_break_fifteen_minutes_count(tmp_path: Path) -> None:
    path = _timed(tmp_path, "2026-11-28T22:00:00Z", "2026-11-28T22:05:00Z", "2026-11-29T10:00:00Z")
    assert worked(path, read(path)).minutes == 5 + 15


@pytest.mark.parametrize("time", [None, "yesterday", "2026-11-29T10:00:00"])
def test_a_notebook_without_times_has_no_minutes(tmp_path: Path, time: Any) -> None:
    path = _timed(tmp_path, time, "2026-11-29T10:00:00Z")
    assert worked(path, read(path)) == Worked(str(path), timed=1, cells=2, minutes=None)


def test_minutes_as_csv_and_a_bad_file_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _timed(tmp_path, "2026-11-29T10:00:00Z", "2026-11-29T10:42:00Z", "2026-11-29T10:50:00Z")
    assert main(["minutes", str(path), str(tmp_path / "gone.ipynb")]) == 1
    said = capsys.readouterr()
    assert list(csv.DictReader(io.StringIO(said.out))) == [
        {"notebook": str(path), "timed": "3", "cells": "3", "minutes": "23"}
    ]
    assert "gone.ipynb" in said.err
    assert main(["minutes", "--format", "json", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)[0]["minutes"] == 23


def test_who_gets_a_handout_gets_nobodys_times(tmp_path: Path) -> None:
    path = _timed(tmp_path, "2026-11-29T10:00:00Z")
    assert all("execution" not in cell.metadata for cell in without_solutions(read(path)).cells)
