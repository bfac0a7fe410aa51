"""Run a learner's notebook once more, in a sandbox, and compare what it says then with what its file says.

The learner's code runs with the rights of whoever asks.  The sandbox keeps it from the machine's network and
processes, not from that user's files: run other people's notebooks as a user who has none.
"""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

from labhelpers.course.classroom.claims import Claim, claims
from labhelpers.course.classroom.notebook import KERNEL, calls

__all__ = ["compared", "executed"]

_CELL_SECONDS = 120
#: in front of a cell that checks: a notebook that has a ``check`` of its own is judged by the course's
_OURS = "from labhelpers.course.verbs import check\n"


def executed(notebook: Any) -> tuple[Any, str]:
    """A copy of the notebook with the outputs of a run from top to bottom in a new kernel, and why it ended early.

    A cell that raises does not end it, and neither does one that takes too long: that one is interrupted.
    """
    again = copy.deepcopy(notebook)
    for cell in again.cells:
        if cell.cell_type == "code":
            cell.outputs = []
            if calls(cell.source, "check"):
                cell.source = _OURS + cell.source
    with tempfile.TemporaryDirectory(prefix="pod-networking-rerun-") as folder:
        client = NotebookClient(
            again,
            timeout=_CELL_SECONDS,
            interrupt_on_timeout=True,
            allow_errors=True,
            kernel_name=KERNEL,
            record_timing=False,
            resources={"metadata": {"path": folder}},
        )
        own = {"POD_NETWORKING_PROGRESS": f"{folder}/progress.json", "POD_NETWORKING_SOLVE": ""}
        try:
            client.execute(env={**os.environ, **own})
        except DeadKernelError:
            return again, "the kernel died"
    return again, ""


def compared(path: Path, notebook: Any) -> Iterator[Claim]:
    """The notebook's claims, each with whether a second run says the same."""
    again, ended = executed(notebook)
    new = {claim.exercise: claim for claim in claims(path, again)}
    for claim in claims(path, notebook):
        passed = new[claim.exercise].passed
        same = not ended and passed == claim.passed
        note = claim.note
        if not same:
            now = ended or ("passed" if passed else "not yet")
            failed = _first_error(again)
            note = f"the second run says: {now}" + (f"; first error in code cell {failed}" if failed else "")
        yield replace(claim, rerun="confirmed" if same else "not confirmed", note=note)


def _first_error(notebook: Any) -> int | None:
    """The number of the first code cell that raised and was not meant to, counted from 1."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, 1):
        meant = "raises-exception" in cell.metadata.get("tags", [])
        if not meant and any(output.output_type == "error" for output in cell.outputs):
            return number
    return None
