"""Measurements as pictures, all in one style: a white card that reads in both themes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from labhelpers.errors import BadInput
from labhelpers.views.svg import LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["bars"]


def bars(values: Mapping[str, float], *, title: str, unit: str) -> Figure:
    """Horizontal bars, the first on top, each with its number.

    Args:
        values: what was measured, by name.
        unit: of the numbers, written on the axis: ``"ms per pod"``.
    """
    if not values:
        raise BadInput("There is nothing to draw.", "Give at least one value.")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 0.9 + 0.4 * len(values)), layout="constrained", facecolor=LIGHT["background"])
    axes = figure.add_subplot()
    drawn = axes.barh(list(values), list(values.values()), color=LIGHT["cable"])
    axes.bar_label(drawn, fmt="%.3g", padding=4, color=LIGHT["text"])
    axes.invert_yaxis()
    axes.set_title(title, loc="left", color=LIGHT["text"])
    axes.set_xlabel(unit, color=LIGHT["text"])
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
