"""Words in a picture: how wide they are, in which order they come, and what of them can be shown.

Nothing here asks a font.  Widths are those of DejaVu, the widest of the fonts a browser is likely to take, so text that
fits by this measure fits everywhere.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["natural", "printable", "shortened", "width"]

_MONO = 0.61  # of the font size; DejaVu Sans Mono has 0.602, Consolas 0.55
_WIDE = 1.15  # a character nobody here has measured
# advance of DejaVu Sans Bold, in thousandths of the font size
_BOLD = {
    **dict.fromkeys("mwMW@%—", 1105),
    **dict.fromkeys("ABCDEFGHKLNOPQRSTUVXYZ&+=~<>#_…→", 850),
    **dict.fromkeys("abdeghkcnopqsuvxyz0123456789?*$", 716),
    **dict.fromkeys("fijlrtIJ()[]{}.,:;'|!/-\\ \"·", 500),
}


def width(text: str, size: float, *, mono: bool = False) -> float:
    """An upper bound for the width of the text in pixels, at this font size in pixels, bold or not."""
    if mono:
        return sum(_MONO if _is_narrow(char) else _WIDE for char in text) * size
    return sum(_BOLD.get(char, 850 if char.isascii() else 1150) for char in text) * size / 1000


def _is_narrow(char: str) -> bool:
    return char.isascii() or (unicodedata.east_asian_width(char) not in "WF" and unicodedata.category(char)[0] != "S")


def shortened(text: str, most: int) -> str:
    """At most this many characters.  What is left out is in the middle: names tell each other apart at both ends."""
    if len(text) <= most:
        return text
    head = most // 2
    return f"{text[:head]}…{text[head + 1 - most :]}"


def printable(text: str) -> str:
    """The text with a replacement character for everything that cannot be shown or written as UTF-8."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def natural(text: str) -> tuple[tuple[bool, int, str], ...]:
    """A sort key by which pod-2 comes before pod-10."""
    return tuple((part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", text))
