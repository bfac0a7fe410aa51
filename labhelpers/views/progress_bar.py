"""How far something is that takes minutes: a bar in a notebook, which goes when the work is done; a line elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from labhelpers.lab.progress import Progress

__all__ = ["show_progress"]


def show_progress(progress: Progress) -> Callable[[], None]:
    """Show it in the cell that runs, or on the terminal, if there is one; what is returned tells of each change.

    A notebook that is being recorded shows none: a widget without a kernel would be left of it.
    """
    from IPython.core.getipython import get_ipython

    if hasattr(get_ipython(), "kernel"):
        return (lambda: None) if os.environ.get("POD_NETWORKING_STATIC") else _bar(progress)
    return _line(progress) if sys.stderr.isatty() else lambda: None


def _bar(progress: Progress) -> Callable[[], None]:
    from IPython.display import display
    from ipywidgets import HBox, IntProgress, Label

    bar, words = IntProgress(value=0, max=progress.total), Label()
    box = HBox([bar, words])
    shown = display(box, display_id=True)

    def tell() -> None:
        bar.value, words.value = progress.done, str(progress)
        if not progress.doing:
            shown.update({"text/plain": ""}, raw=True)  # else a saved notebook keeps a widget that is no more
            for one in (box, bar, words):
                one.close()

    return tell


def _line(progress: Progress) -> Callable[[], None]:
    return lambda: print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)
