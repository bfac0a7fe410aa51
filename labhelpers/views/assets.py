"""The scripts and style sheets of the widgets.  Each widget gets one text: nothing is loaded from anywhere."""

from __future__ import annotations

from pathlib import Path

__all__ = ["STATIC", "joined"]

STATIC = Path(__file__).parent / "static"


def joined(*names: str) -> str:
    """The files one behind the other: what is shared comes first."""
    return "\n".join((STATIC / name).read_text(encoding="utf-8") for name in names)
