"""Sentences with a little code in them, for notebooks."""

from __future__ import annotations

import re
from html import escape

__all__ = ["as_html"]


def as_html(text: str) -> str:
    """The text as HTML: what stands between back quotes is code, and so is a verb of an exercise, ``hint("1.1")``."""
    page = re.sub("`(.+?)`", r"<code>\1</code>", escape(text))
    return re.sub(r"\b\w+\(&quot;\d+\.\d+&quot;\)", r"<code>\g<0></code>", page)
