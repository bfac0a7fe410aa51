"""The pages, such as ``glossary.md``, that chapters link to: a chapter without them has links that lead nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from labhelpers.errors import BadInput, NotFound

__all__ = ["linked_pages"]

#: a page beside the one that links to it: ``[glossary](glossary.md)``, perhaps with ``#a-place`` in it
_LINK = re.compile(r"\]\(([^)\s#/:]+\.md)(?:#[^)\s]*)?\)")


def linked_pages(notebooks: Mapping[Path, Any]) -> dict[Path, bytes]:
    """What the pages hold that the notebooks link to, and those that these pages link to.  Changes nothing.

    Args:
        notebooks: each with the file that it comes from; its pages are beside that.

    Raises:
        NotFound: a page is not there.
        BadInput: one cannot be read.
    """
    found: dict[Path, bytes] = {}
    for path, notebook in notebooks.items():
        texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
        to_read = _links(path, texts)
        while to_read:
            page, by = to_read.popitem()
            if page not in found:
                found[page] = _read(page, by)
                to_read |= _links(page, [found[page].decode(errors="replace")])
    return found


def _links(path: Path, texts: Iterable[str]) -> dict[Path, Path]:
    """Each page that these texts of a file link to, with that file."""
    return {path.with_name(unquote(name)): path for text in texts for name in _LINK.findall(text)}


def _read(page: Path, by: Path) -> bytes:
    try:
        return page.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"{by} links to {page.name}, and there is no {page}.", "Put it there.") from None
    except OSError as error:
        raise BadInput(f"{page} cannot be read: {error.strerror}.", f"{by} links to it: put a page there.") from None
