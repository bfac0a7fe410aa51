"""The chapters keep the rules that make them comparable, readable and complete."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from labhelpers.course import catalogue
from labhelpers.course.progress import progress

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
FILES = [chapter.file for chapter in catalogue.CHAPTERS]
LONGEST_CELL = 12

#: what is different in each run, and must not be in an output that is compared
VARYING = {
    "a process id": r"\bpid[ =:-]*\d{2,}|ipykernel_\d+",
    "an interface index": r"@if\d+|\bifindex\b",
    "a namespace's number": r"\b(net|mnt|uts|pid|user):\[\d+\]|\b402653\d{4}\b",
    "a memory address": r"\b0x[0-9a-f]{6,}\b",
    "a duration or a time": r"\b\d+(\.\d+)? ?(ms|µs)\b|(?<![:\w])\d\d:\d\d:\d\d(?![:\w])",
    "a path of somebody's machine": r"/home/|/root/|/work/|/tmp/",
    "a traceback": r"Traceback \(most recent call last\)",
}


def _read(file: str) -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads((NOTEBOOKS / file).read_text(encoding="utf-8"))
    return notebook


def _cells(file: str, kind: str = "") -> list[dict[str, Any]]:
    return [
        {**cell, "source": "".join(cell["source"]), "tags": cell["metadata"].get("tags", [])}
        for cell in _read(file)["cells"]
        if cell["cell_type"] == kind or not kind
    ]


def _texts(output: dict[str, Any]) -> str:
    """All that nbval compares of an output, as one text.  A picture is base64 and has its text beside it."""
    texts = [output.get("text", ""), output.get("evalue", ""), output.get("traceback", "")]
    texts += [data for kind, data in output.get("data", {}).items() if kind.startswith("text/")]
    joined = "\n".join(text if isinstance(text, str) else "".join(text) for text in texts)
    return re.sub(r"base64,[A-Za-z0-9+/=]+", "", joined)


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_it_runs_on_the_sandbox_kernel(file: str) -> None:
    assert _read(file)["metadata"]["kernelspec"]["name"] == "pod-networking"


def test_it_keeps_no_widget_state(file: str) -> None:
    assert "widgets" not in _read(file)["metadata"]


def test_cells_are_short(file: str) -> None:
    long = [cell["id"] for cell in _cells(file, "code") if len(cell["source"].splitlines()) > LONGEST_CELL]
    assert not long


def test_cells_have_names_that_stay(file: str) -> None:
    ids = [cell["id"] for cell in _cells(file)]
    assert len(set(ids)) == len(ids)
    assert not [id for id in ids if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", id)]


def test_what_varies_is_not_compared_and_only_that(file: str) -> None:
    for cell in _cells(file):
        assert ("varies" in cell["tags"]) == ("nbval-ignore-output" in cell["tags"]), cell["id"]
        assert not {"nbval-skip", "skip-execution"} & set(cell["tags"]), cell["id"]
        assert "NBVAL_" not in cell["source"], cell["id"]


def test_after_what_varies_comes_what_does_not(file: str) -> None:
    code = _cells(file, "code")
    for cell, following in zip(code, [*code[1:], None], strict=True):
        if "varies" in cell["tags"] and cell["source"] != "progress()":  # which claims nothing
            assert following is not None, cell["id"]
            assert "expect(" in following["source"], f"{cell['id']} is not followed by a cell that asserts"
            assert "varies" not in following["tags"], following["id"]


def test_every_cell_was_run_in_order(file: str) -> None:
    counts = [cell["execution_count"] for cell in _cells(file, "code")]
    assert counts == list(range(1, len(counts) + 1))


def test_errors_are_intended(file: str) -> None:
    for cell in _cells(file, "code"):
        kinds = {output["output_type"] for output in cell["outputs"]}
        assert ("error" in kinds) == ("raises-exception" in cell["tags"]), cell["id"]


def test_nothing_is_written_to_stderr(file: str) -> None:
    streams = [
        (cell["id"], output["text"])
        for cell in _cells(file, "code")
        for output in cell["outputs"]
        if output.get("name") == "stderr"
    ]
    assert not streams


def test_outputs_hold_no_live_widget(file: str) -> None:
    for cell in _cells(file, "code"):
        for output in cell["outputs"]:
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {}), cell["id"]


@pytest.mark.parametrize("what", VARYING)
def test_compared_outputs_hold_nothing_that_differs_from_run_to_run(file: str, what: str) -> None:
    for cell in _cells(file, "code"):
        if "varies" not in cell["tags"]:
            for output in cell["outputs"]:
                found = re.search(VARYING[what], _texts(output))
                assert not found, f"{cell['id']}: {found and found.group()!r} is {what}"


def test_links_lead_somewhere(file: str) -> None:
    for cell in _cells(file, "markdown"):
        for target in re.findall(r"\]\(([^)\s]+)\)", cell["source"]):
            if not target.startswith("https://"):
                assert (NOTEBOOKS / target).exists(), f"{cell['id']}: {target}"


def test_every_written_chapter_is_linked_from_the_first() -> None:
    text = "".join(cell["source"] for cell in _cells(FILES[0], "markdown"))
    for chapter in catalogue.CHAPTERS:
        row = next(line for line in text.splitlines() if line.startswith(f"| {chapter.number} |"))
        assert chapter.title.lower() in row.replace("`", "").lower()
        assert (f"]({chapter.file})" in row) == (chapter.file != FILES[0])


def test_the_head_of_the_chapter(file: str) -> None:
    chapter = next(one for one in catalogue.CHAPTERS if one.file == file)
    head = _cells(file)[0]["source"]
    assert head.startswith(f"# {chapter.number} · {chapter.title}\n")
    for part in (f"**About {chapter.minutes} minutes.**", "After this chapter you can", "You need:"):
        assert part in head


def test_the_end_of_the_chapter(file: str) -> None:
    end = _cells(file)[-1]["source"]
    following = FILES[FILES.index(file) + 1 :]
    assert f"]({following[0] if following else FILES[0]})" in end
    assert file == FILES[0] or "## Key takeaways" in end


def test_the_progress_that_is_shown_knows_all_exercises(
    file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """These cells are not compared when a chapter is run, because a learner's progress differs."""
    monkeypatch.setenv("POD_NETWORKING_PROGRESS", str(tmp_path / "none.json"))
    shown = [output for cell in _cells(file, "code") if cell["source"] == "progress()" for output in cell["outputs"]]
    assert shown
    for output in shown:
        assert "".join(output["data"]["text/plain"]) == repr(progress())


def test_exercises_are_asked_checked_hinted_and_solved(file: str) -> None:
    source = "\n".join(cell["source"] for cell in _cells(file))
    ids = [exercise.id for exercise in catalogue.exercises_of(file[:2])]
    for verb in ("check", "hint", "solution"):
        assert [id for id in ids if f'\n{verb}("{id}")' not in source] == []
    assert re.findall(r"^### (\d+\.\d+) ", source, re.M) == ids


def test_each_what_happened_is_folded_and_closed(file: str) -> None:
    for cell in _cells(file, "markdown"):
        opened = cell["source"].count("<details><summary>")
        assert opened == cell["source"].count("</details>"), cell["id"]
        # Markdown inside HTML needs an empty line around it
        assert not re.search(r"</summary>\n[^\n]|[^\n]\n</details>", cell["source"]), cell["id"]
        assert not ("**Predict.**" in cell["source"] and opened), f"{cell['id']} answers itself"
