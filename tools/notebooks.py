"""Run chapters and write their outputs, or compare with the outputs that are there.

usage: python tools/notebooks.py [--check] [--timeout SECONDS] [CHAPTER ...]

A chapter is 01 or notebooks/01-….ipynb; default: all.

A chapter that raises keeps its old outputs.  With ``--check`` nothing is written, and the exit status is 1 if a cell
says something else than it did; cells tagged ``varies`` are not compared, and ``tests/notebooks/sanitize.cfg`` says
what may differ within the others.
"""

from __future__ import annotations

import argparse
import copy
import difflib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

CLONE = Path(__file__).resolve().parent.parent
CHAPTERS = sorted((CLONE / "notebooks").glob("[0-9][0-9]-*.ipynb"))
SANITIZE = CLONE / "tests/notebooks/sanitize.cfg"
STARTS = 3  # of a kernel; JupyterLab tries as often and more
BEGAN_AGAIN = "A kernel ended as it began, and is started once more."
CELL_TIMEOUT = 180  # seconds; a cell that measures takes half a minute where nothing else runs
#: what a chapter is written with: pictures stored, no progress of anybody's
STORED = {"POD_NETWORKING_STATIC": "1", "POD_NETWORKING_SOLVE": ""}
METADATA = {
    "kernelspec": {"display_name": "Pod networking (sandbox)", "language": "python", "name": "pod-networking"},
    "language_info": {"name": "python"},
}


def read(path: Path) -> Any:
    """The notebook in a file."""
    return nbformat.read(path, as_version=4)


def executed(path: Path, timeout: int = CELL_TIMEOUT) -> Any:
    """The notebook with the outputs of a run of all its cells, in a new kernel.

    Args:
        timeout: seconds that a cell may take.

    Raises:
        CellExecutionError: a cell raised that is not tagged ``raises-exception``.
    """
    notebook = read(path)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, **STORED, "POD_NETWORKING_PROGRESS": f"{folder}/progress.json"}
        client = NotebookClient(
            notebook,
            timeout=timeout,
            kernel_name="pod-networking",
            record_timing=False,
            store_widget_state=False,
            resources={"metadata": {"path": str(path.parent)}},
        )
        for left in reversed(range(STARTS)):
            try:
                client.execute(env=environment)
                break
            except RuntimeError as error:
                # a front end lets go of the ports it has found before the kernel opens them: another may be quicker
                if not left or "died before replying" not in str(error):
                    raise
                print(BEGAN_AGAIN, file=sys.stderr, flush=True)
    notebook.metadata = nbformat.from_dict(copy.deepcopy(METADATA))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
            cell.outputs = _joined(cell.outputs)
    return notebook


def _joined(outputs: list[Any]) -> list[Any]:
    """Text of one stream that arrived in several messages as one: where it is cut differs from run to run."""
    joined: list[Any] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last is not None and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


def rules(text: str) -> list[tuple[re.Pattern[str], str]]:
    """The replacements of a sanitise file, in the form that nbval reads: ``regex:`` and ``replace:`` lines in turn."""
    found, pattern = [], None
    for line in text.splitlines():
        key, _, value = line.partition(": ")
        if key == "regex":
            pattern = re.compile(value)
        elif key == "replace" and pattern is not None:
            found.append((pattern, value))
    return found


def differences(old: Any, new: Any) -> Iterator[str]:
    """What a reader would see change, cell by cell, as lines of a diff."""
    replacements = rules(SANITIZE.read_text())
    for was, now in zip(old.cells, new.cells, strict=True):
        if was.cell_type != "code" or "varies" in was.metadata.get("tags", []):
            continue
        before, after = list(_lines(was, replacements)), list(_lines(now, replacements))
        yield from difflib.unified_diff(before, after, f"{was.id} as stored", f"{was.id} in this run", lineterm="")


def _lines(cell: Any, replacements: list[tuple[re.Pattern[str], str]]) -> Iterator[str]:
    for output in cell.outputs:
        texts = {
            **output.get("data", {}),
            **{key: output[key] for key in ("name", "text", "ename", "evalue") if key in output},
        }
        for key, text in sorted(texts.items()):
            for pattern, replacement in replacements:
                text = pattern.sub(replacement, text) if isinstance(text, str) else text
            yield from (f"{key}: {line}" for line in str(text).splitlines() or [""])


def chosen(names: list[str]) -> list[Path]:
    """The notebooks of the chapters with these names, or of all; ends the program where there is no such chapter."""
    found = [path for path in CHAPTERS if not names or any(path.name.startswith(Path(name).name) for name in names)]
    if not found:
        sys.exit(f"No such chapter: {', '.join(names)}. There are: {', '.join(path.name[:2] for path in CHAPTERS)}.")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the chapters named, or all of them; the exit status says whether all was well."""
    parser = argparse.ArgumentParser(description="Run chapters and write their outputs.")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("--timeout", type=int, default=CELL_TIMEOUT, help="seconds that a cell may take")
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help="for example 01; default: all")
    options = parser.parse_args(arguments)
    bad = False
    for path in chosen(options.chapters):
        print(f"{path.name} …", end=" ", flush=True)
        try:
            new = executed(path, options.timeout)
        except CellExecutionError as error:
            print(f"a cell raised, nothing was written\n{error}")
            bad = True
            continue
        found = list(differences(read(path), new))
        if not options.check:
            nbformat.write(new, path)
        print("differs" if found and options.check else "written" if not options.check else "the same")
        if options.check and found:
            print(*(line[:300] for line in found[:60]), sep="\n")
            bad = True
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
