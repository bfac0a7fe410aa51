"""A bar in a notebook for what takes minutes; it goes when the work is done."""

from __future__ import annotations

from collections.abc import Callable

from labhelpers.lab.progress import Progress

__all__ = ["show_progress"]


def show_progress(progress: Progress) -> Callable[[], None]:
    """Show a bar in the cell that runs; what is returned is to be called after each change."""
    from IPython.display import display
    from ipywidgets import HBox, IntProgress, Label

    bar, words = IntProgress(value=0, max=progress.total), Label()
    box = HBox([bar, words])
    display(box)

    def tell() -> None:
        bar.value, words.value = progress.done, str(progress)
        if not progress.doing:
            for one in (box, bar, words):
                one.close()

    return tell
