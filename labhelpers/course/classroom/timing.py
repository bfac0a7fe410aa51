"""How long somebody worked on a notebook, by the times that JupyterLab writes beside each cell that it runs.

The course's own JupyterLab writes them (``recordTiming``, in ``tools/jupyter_settings.py``); another one may not.
A notebook keeps the last run of each cell and no more, so that hours of trying in one cell are not seen.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

__all__ = ["Worked", "worked"]

#: who does nothing for longer than this is having a break; of a break this much counts as work
_BREAK = timedelta(minutes=15)


@dataclass(frozen=True)
class Worked:
    """The time of one notebook."""

    notebook: str
    #: cells that have a time, and all that could have one
    timed: int
    cells: int
    #: from the first to the last cell, breaks left out; ``None`` where fewer than two cells have a time
    minutes: int | None


def worked(path: Path, notebook: Any) -> Worked:
    """The time that the cells of a notebook tell of.  Changes nothing.

    Cells are taken in the order in which they ran.  Between two of them lies what was read, thought and typed for the
    second.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and str(cell.source).strip()]
    times = sorted(time for cell in code for time in _when(cell))
    spent = sum((min(after - before, _BREAK) for before, after in itertools.pairwise(times)), timedelta())
    return Worked(str(path), len(times), len(code), round(spent.total_seconds() / 60) if len(times) > 1 else None)


def _when(cell: Any) -> Iterator[datetime]:
    """The moment at which a cell was done, if it says so in a way that can be read."""
    said = cell.metadata.get("execution", {})
    try:
        time = datetime.fromisoformat(str(said["shell.execute_reply"]).replace("Z", "+00:00"))
    except (KeyError, TypeError, ValueError):
        return
    if time.tzinfo is not None:
        yield time
