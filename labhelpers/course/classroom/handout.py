"""Chapters to hand out, with their pages: without the cells that show a solution, and without anybody's outputs.

The solutions stay in the package: a learner who types ``solution("1.2")`` sees one.  What is handed out only does not
put them under everybody's nose.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat

from labhelpers.course.classroom.notebook import calls, read
from labhelpers.course.classroom.pages import linked_pages
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
    """Write a copy for learners of each notebook into the folder, and the pages that they link to.

    All are read before the first is written.  A page that is in the folder already, with the same text, stays: chapters
    may be handed out one after another.

    Raises:
        NotFound, BadInput: one cannot be read, a page is not there, or the folder cannot be written.
        AlreadyExists: a file of that name is there already; nothing was written.
    """
    copies = {path: without_solutions(read(path)) for path in notebooks}
    pages = linked_pages(copies)
    to_write = {folder / path.name: f"{nbformat.writes(copy).rstrip()}\n".encode() for path, copy in copies.items()}
    if len(to_write) < len(notebooks):
        raise BadInput("Two of the notebooks have the same name.", "Hand them out into two folders.")
    for path, page in pages.items():
        if to_write.setdefault(folder / path.name, page) != page:
            raise BadInput(f"Two pages have the name {path.name}.", "Hand them out into two folders.")
    for target in [*to_write]:
        if target.exists():
            if target.suffix != ".md" or not target.is_file() or target.read_bytes() != to_write[target]:
                raise AlreadyExists(f"There is a file {target} already.", "Choose another folder.")
            del to_write[target]
    _write(folder, to_write)
    return list(to_write)


def _write(folder: Path, files: Mapping[Path, bytes]) -> None:
    """All of the files, or none: whoever looks whether the folder is there must not find half of it."""
    is_new = not folder.exists()
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for target, content in files.items():
            written.append(target)
            target.write_bytes(content)
    except BaseException as error:
        for target in written:
            target.unlink(missing_ok=True)
        if is_new:
            with suppress(OSError):  # it could not be made, or somebody put something into it
                folder.rmdir()
        if isinstance(error, OSError):
            raise BadInput(f"{folder} cannot be written: {error.strerror}.", "Choose another folder.") from None
        raise
