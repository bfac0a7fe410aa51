"""Chapters to hand out: without the cells that show a solution, and without anybody's outputs.

The solutions stay in the package: a learner who types ``solution("1.2")`` sees one.  What is handed out only does not
put them under everybody's nose.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from labhelpers.course.classroom.notebook import calls, read
from labhelpers.errors import AlreadyExists, BadInput

__all__ = ["hand_out", "without_solutions"]


def without_solutions(notebook: Any) -> Any:
    """A copy without cells that call ``solution``, and with no output in the others.

    Outputs and times go too, so that all that a returned notebook shows was made by who returned it.
    """
    copied = copy.deepcopy(notebook)
    copied.cells = [cell for cell in copied.cells if cell.cell_type != "code" or not calls(cell.source, "solution")]
    for cell in copied.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.metadata.pop("execution", None)
    return copied


def hand_out(notebooks: Sequence[Path], folder: Path) -> list[Path]:
    """Write a copy for learners of each notebook into the folder.  All are read before the first is written.

    Raises:
        NotFound, BadInput: one cannot be read, or the folder cannot be written.
        AlreadyExists: a file of that name is there already; nothing was written.
    """
    copies = {folder / path.name: without_solutions(read(path)) for path in notebooks}
    if len(copies) < len(notebooks):
        raise BadInput("Two of the notebooks have the same name.", "Hand them out into two folders.")
    for target in copies:
        if target.exists():
            raise AlreadyExists(f"There is a file {target} already.", "Choose another folder.")
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for target, notebook in copies.items():
            written.append(target)
            nbformat.write(notebook, target)
    except OSError as error:
        for target in written:
            target.unlink(missing_ok=True)
        raise BadInput(f"{folder} cannot be written: {error.strerror}.", "Choose another folder.") from None
    return written
