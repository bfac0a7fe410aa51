"""Running a chapter again writes the file that is there; a changed output is found out."""

from __future__ import annotations

import copy
import re
import socket
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tools import notebooks


def _without_what_varies(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if "varies" in cell.metadata.get("tags", []):
            cell.outputs = []
        elif cell.cell_type == "code":
            cell.outputs = [nbformat.from_dict(_sanitised(output)) for output in cell.outputs]
    return notebook


def _sanitised(value: Any) -> Any:
    """Without ages and times, which differ by a second."""
    if isinstance(value, str):
        for pattern, replacement in notebooks.rules(notebooks.SANITIZE.read_text()):
            value = pattern.sub(replacement, value)
        return value
    if isinstance(value, dict):
        return {key: _sanitised(one) for key, one in value.items()}
    return [_sanitised(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("path", notebooks.CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_written_again_is_the_same_to_the_byte(path: Path, tmp_path: Path) -> None:
    again = notebooks.executed(path)
    assert not list(notebooks.differences(notebooks.read(path), again))
    written = tmp_path / path.name
    nbformat.write(_without_what_varies(again), written)
    nbformat.write(_without_what_varies(notebooks.read(path)), stored := tmp_path / "stored.ipynb")
    assert written.read_bytes() == stored.read_bytes()


def _notebook(folder: Path, source: str, *outputs: nbformat.NotebookNode) -> Path:
    cell = nbformat.v4.new_code_cell(source, id="cell", outputs=list(outputs), execution_count=1)
    path = folder / "00-it.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=notebooks.METADATA), path)
    return path


def _stream(text: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("stream", name="stdout", text=text)


def test_another_output_is_found_out(tmp_path: Path) -> None:
    path = _notebook(tmp_path, "print('new')", _stream("old\n"))
    found = list(notebooks.differences(notebooks.read(path), notebooks.executed(path)))
    assert "-text: old" in found
    assert "+text: new" in found


def test_a_round_trip_time_may_differ(tmp_path: Path) -> None:
    path = _notebook(tmp_path, "print('64 bytes: time=0.3 ms')", _stream("64 bytes: time=0.9 ms\n"))
    assert not list(notebooks.differences(notebooks.read(path), notebooks.executed(path)))


def test_a_chapter_that_raises_keeps_its_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _notebook(tmp_path, "1 / 0", _stream("before\n"))
    before = path.read_bytes()
    monkeypatch.setattr(notebooks, "CHAPTERS", [path])
    with pytest.raises(CellExecutionError):
        notebooks.executed(path)
    assert notebooks.main([]) == 1
    assert "nothing was written" in capsys.readouterr().out
    assert path.read_bytes() == before


def test_text_that_arrives_in_pieces_is_stored_as_one(tmp_path: Path) -> None:
    path = _notebook(tmp_path, "import sys, time\nfor n in range(3):\n    print(n, flush=True)\n    time.sleep(0.2)")
    (output,) = notebooks.executed(path).cells[0].outputs
    assert output.text == "0\n1\n2\n"


def test_a_kernel_whose_port_somebody_took_is_started_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken: list[socket.socket] = []
    start = NotebookClient.async_start_new_kernel

    async def start_and_take(client: NotebookClient, **options: Any) -> None:
        await start(client, **options)
        if not taken:  # the kernel's Python has only begun
            taken.append(socket.create_server(("127.0.0.1", client.km.shell_port)))

    monkeypatch.setattr(NotebookClient, "async_start_new_kernel", start_and_take)
    path = _notebook(tmp_path, "print('here')")
    try:
        (output,) = notebooks.executed(path).cells[0].outputs
    finally:
        for one in taken:
            one.close()
    assert output.text == "here\n"
    assert capsys.readouterr().err.count(notebooks.BEGAN_AGAIN) == len(taken) == 1


def test_an_unknown_chapter_is_refused() -> None:
    with pytest.raises(SystemExit, match="No such chapter"):
        notebooks.main(["--check", "77"])


def test_the_rules_are_those_that_nbval_reads() -> None:
    text = notebooks.SANITIZE.read_text()
    assert (
        len(notebooks.rules(text)) == len(re.findall("^regex:", text, re.M)) == len(re.findall("^replace:", text, re.M))
    )
