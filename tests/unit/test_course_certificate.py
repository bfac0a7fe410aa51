"""The page of what somebody has shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from labhelpers.course.certificate import certificate
from labhelpers.course.clinic.chart import Entry, note
from labhelpers.course.progress import remember
from labhelpers.errors import AlreadyExists, BadInput


@pytest.fixture(autouse=True)
def own_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NETWORKING_PROGRESS", str(tmp_path / "progress.json"))


def test_it_says_what_was_passed_and_no_more() -> None:
    remember("1.2")
    note(Entry("7", level=1, solved=True, repaired=True), Entry("7"))
    note(Entry("8", level=1, solved=True), Entry("8"))
    page = certificate("Ada")
    assert page.title == "Kubernetes pod networking: what Ada showed"
    assert "1 of 4 exercises: 1.2" in repr(page)
    assert "1: 1 of level 1, 0 of level 2" in repr(page)
    assert "0 of 3 exercises" in repr(page)


def test_it_is_saved_once_and_escaped(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    certificate("<b>").save(file)
    assert "&lt;b&gt;" in file.read_text()
    assert "<b>" not in file.read_text()
    with pytest.raises(AlreadyExists):
        certificate().save(file)
    with pytest.raises(BadInput):
        certificate().save(tmp_path / "no" / "where.html")
    with pytest.raises(BadInput):
        certificate("two\nlines")
