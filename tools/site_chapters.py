"""A recorded chapter as a page of the site: its stored pictures become part of the page, so that they can be clicked.

A stored picture is an image with literal colours.  In the page it is drawn with the variables of the live one, which
follow the page's theme; what was packed into it becomes data, and ``docs/_static/site.js`` answers clicks from that.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat

from labhelpers.views.inside import unpacked
from labhelpers.views.svg import DARK, LIGHT

__all__ = ["dark_style", "page", "pictures"]

_IMAGE = re.compile(
    r'<img alt="[^"]*"(?: data-inside="(?P<inside>[^"]*)")? src="data:image/svg\+xml;base64,(?P<svg>[^"]+)">'
)
#: the beginning of a link to a page such as the glossary
_PAGE = re.compile(r"\]\((?=[\w-]+\.md\))")
#: two variables are white in the light theme: the card, which is the first rectangle, and interfaces
_CARD = 'rx="6" fill="#ffffff"'
#: below a chapter's title: what its text says of running cells is not true of a page
_NOTE = """
```{note}
This page is a recording. Pictures of networks can be clicked, a walk that has a picture can be stepped through, and
what answers a prediction is folded until you open it. What the text says of running cells, of menus and of keys holds
when you [run it yourself](../index.md#run-it-yourself).
```
"""
_NAMES = {colour: name for name, colour in LIGHT.items() if name != "background"}


def page(path: Path) -> Any:
    """The notebook in the file, with pictures that follow the theme, and with colours for ``%%bash`` cells."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.language_info["pygments_lexer"] = "ipython3"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":  # in the clone these pages are beside the chapters; on the site they are above
            cell.source = _PAGE.sub("](../", cell.source)
    first = notebook.cells[0]
    first.source = re.sub(r"^# .*$", lambda title: f"{title[0]}\n{_NOTE}", first.source, count=1, flags=re.M)
    _fold_answers(notebook.cells)
    for data in _shown(notebook):
        data["text/html"] = pictures(data["text/html"])
    return notebook


def _fold_answers(cells: list[Any]) -> None:
    """Fold what answers a *Predict*: on a page a reader cannot clear the outputs first."""
    asked = False
    for cell in cells:
        if cell.cell_type == "markdown":
            asked = "**Predict.**" in cell.source
        elif asked:
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-output"]
            asked = False


def _shown(notebook: Any) -> Iterator[Any]:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "text/html" in output.get("data", {}):
                yield output.data


def pictures(html: str) -> str:
    """The HTML of an output, with each stored picture drawn into the page."""
    return _IMAGE.sub(_drawn, html)


def _drawn(image: re.Match[str]) -> str:
    svg = _themed(base64.b64decode(image["svg"]).decode())
    return f'<div class="pn-root pn-stored"><div class="pn-stage">{svg}</div>{_inside(image["inside"])}</div>'


def _inside(stored: str | None) -> str:
    """What clicks show, as data in the page; a sequence or a walk has none."""
    if stored is None:
        return ""
    data = json.dumps(unpacked(stored), separators=(",", ":"), ensure_ascii=False)
    return '<script type="application/json">' + data.replace("<", r"\u003c") + "</script>"


def _themed(svg: str) -> str:
    svg = svg.replace(_CARD, f'rx="6" fill="{_variable("background", "#ffffff")}"', 1)
    return re.sub(r'(?<=(?:fill|roke)=")#[0-9a-f]{6}(?=")', lambda found: _variable(_NAMES[found[0]], found[0]), svg)


def _variable(name: str, colour: str) -> str:
    return f"var(--pn-{name}, {colour})"


def dark_style() -> str:
    """A style sheet for readers whose system is dark: the page's theme does not say so by itself."""
    return f"@media (prefers-color-scheme: dark) {{ body:not([data-theme='light']) .pn-root {{ {_set(DARK)} }} }}\n"


def _set(colours: Mapping[str, str]) -> str:
    return " ".join(f"--pn-{name}: {colour};" for name, colour in colours.items())
