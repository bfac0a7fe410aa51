"""Progress survives crashes, rivals and nonsense in the file."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from labhelpers.course import catalogue
from labhelpers.course.progress import after, passed, path, progress, remember


@pytest.fixture(autouse=True)
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    chosen = tmp_path / "deep" / "progress.json"
    monkeypatch.setenv("POD_NETWORKING_PROGRESS", str(chosen))
    return chosen


def test_nothing_is_passed_at_first_and_reading_writes_nothing(file: Path) -> None:
    assert passed() == ()
    assert repr(progress()).startswith("0 of ")
    assert not file.parent.exists()


def test_passes_are_kept_once_and_in_order(file: Path) -> None:
    for id in ("2.1", "1.10", "1.2", "1.2"):
        remember(id)
    assert passed() == ("1.2", "1.10", "2.1")
    assert json.loads(file.read_text()) == {"passed": ["1.2", "1.10", "2.1"]}


def test_the_default_place_is_the_users_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("POD_NETWORKING_PROGRESS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert path() == tmp_path / "pod-networking" / "progress.json"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path() == tmp_path / ".local" / "share" / "pod-networking" / "progress.json"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"passed": 3}', '{"passed": [1]}', '{"other": []}', "\udcff"])
def test_a_file_that_makes_no_sense_is_kept_aside_and_said(
    file: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file.parent.mkdir()
    raw = text.encode("utf-8", "surrogateescape")
    file.write_bytes(raw)
    assert passed() == ()
    assert "could not be read" in capsys.readouterr().err
    assert file.with_suffix(".json.unreadable").read_bytes() == raw
    remember("1.1")
    assert passed() == ("1.1",)


def test_two_notebooks_that_pass_at_once_both_count() -> None:
    code = "import sys; from labhelpers.course.progress import remember; remember(sys.argv[1])"
    ids = [f"1.{n}" for n in range(1, 7)]
    children = [subprocess.Popen([sys.executable, "-c", code, id]) for id in ids]
    assert [child.wait() for child in children] == [0] * 6
    assert passed() == tuple(ids)


def test_no_draft_is_left_behind(file: Path) -> None:
    remember("1.1")
    assert sorted(entry.name for entry in file.parent.iterdir()) == ["progress.json", "progress.lock"]


def test_a_folder_that_cannot_be_written_is_said_and_spoils_nothing(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.parent.write_text("a file where the folder should be")
    remember("1.1")
    assert "could not be written" in capsys.readouterr().err


def test_the_map_marks_what_is_passed() -> None:
    remember("1.1")
    assert "1.1 ✓" in repr(progress())
    assert "1.1 ✓" in progress()._repr_html_()


def test_after_the_last_exercise_of_all_there_is_no_next() -> None:
    last = [exercise.id for chapter in catalogue.CHAPTERS for exercise in catalogue.exercises_of(chapter.number)][-1]
    number, _, count = last.partition(".")
    for n in range(1, int(count)):
        remember(f"{number}.{n}")
    assert after(last) == f"{count} of {count}: this chapter is done. It is the last one there is."
    remember("0.1")
    assert after("0.2").endswith("Next: chapter 01.")


def test_a_pass_that_could_not_be_written_down_counts_all_the_same() -> None:
    assert after("1.1") == "1 of 4 in this chapter. Next: 1.2."
    assert passed() == ()


def test_the_file_is_readable_by_its_owner(file: Path) -> None:
    remember("1.1")
    assert stat.S_IMODE(os.stat(file).st_mode) & 0o600 == 0o600
