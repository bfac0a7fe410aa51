"""A page that says what somebody has shown on this machine: exercises and cases, and nothing about anybody else."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path

from labhelpers.course.clinic.chart import Entry, chart
from labhelpers.course.progress import Progress, progress
from labhelpers.errors import AlreadyExists, BadInput

__all__ = ["Certificate", "certificate"]

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font-family: sans-serif; max-width: 45em; margin: 3em auto; }} td, th {{ text-align: left;
padding: 0.2em 1em 0.2em 0; }}</style></head><body>{body}</body></html>
"""


def certificate(name: str = "") -> Certificate:
    """What has been shown so far.  Changes nothing.

    Args:
        name: whose it is, as it is to be printed; it is written nowhere else.

    Raises:
        BadInput: the name is no text, or has more than one line.
    """
    if not isinstance(name, str) or len(name.splitlines()) > 1:
        raise BadInput(f"{name!r} is no name for a page.", "Write it as one line: certificate('Ada').")
    return Certificate(name.strip(), progress(), tuple(chart()), date.today().isoformat(), platform.release())


@dataclass(frozen=True)
class Certificate:
    """The page.  A notebook shows it; ``save`` writes it as a file to print."""

    name: str
    progress: Progress
    cases: tuple[Entry, ...]
    day: str
    kernel: str

    @property
    def title(self) -> str:
        """The headline."""
        return f"Kubernetes pod networking: what {self.name or 'I'} showed"

    def _lines(self) -> list[tuple[str, str]]:
        """Each chapter with the exercises that are passed, and the clinic."""
        found = []
        for row in self.progress.chapters:
            passed = [id for id, ok in row.exercises if ok]
            if row.exercises:
                what = f"{len(passed)} of {len(row.exercises)} exercises" + (f": {', '.join(passed)}" if passed else "")
                found.append((f"{row.chapter.number} {row.chapter.title}", what))
        solved = [one for one in self.cases if one.solved and one.repaired]
        levels = ", ".join(f"{sum(one.level == level for one in solved)} of level {level}" for level in (1, 2, 3, 4))
        found.append(("Cases found and mended", f"{len(solved)}: {levels}" if solved else "none"))
        return found

    @property
    def _foot(self) -> str:
        return f"{self.day}, Linux {self.kernel}. Each exercise was judged by the state of a kernel."

    def __repr__(self) -> str:
        lines = self._lines()
        wide = max(len(what) for what, _ in lines)
        return "\n".join([self.title, *(f"  {what:<{wide}}  {shown}" for what, shown in lines), self._foot])

    def _repr_html_(self) -> str:
        left = 'style="text-align: left"'
        rows = "".join(
            f"<tr><td {left}>{escape(what)}</td><td {left}>{escape(how)}</td></tr>" for what, how in self._lines()
        )
        return f"<h3>{escape(self.title)}</h3><table>{rows}</table><p>{escape(self._foot)}</p>"

    def save(self, path: str | Path) -> None:
        """Write the page as HTML, to be printed.  A file that is there already stays.

        Raises:
            AlreadyExists: there is a file of this name.
            BadInput: it cannot be written there.
        """
        try:
            with open(path, "x", encoding="utf-8") as file:
                file.write(_PAGE.format(title=escape(self.title), body=self._repr_html_()))
        except FileExistsError:
            raise AlreadyExists(f"There is a file {path} already.", "Choose another name.") from None
        except OSError as error:
            raise BadInput(f"{path} cannot be written: {error.strerror}.", "Choose another folder.") from None
