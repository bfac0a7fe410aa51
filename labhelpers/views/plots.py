"""Measurements as pictures, all in one style: a white card that reads in both themes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from labhelpers.errors import BadInput
from labhelpers.views.svg import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from labhelpers.linux.records import Rows
    from labhelpers.measure import Comparison, Standing

__all__ = ["bars", "spreads"]


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


#: from this ratio of the largest to the smallest on, each step is a multiple of the last
_WIDE = 20


def spreads(comparison: Comparison, *quantities: str) -> Figure:
    """For each quantity a picture: each network's median as a point, the interval of its rounds as a line through it.

    The dashed line is the bare cable.  Hollow points are programs in user space that stand in for a product.

    Args:
        quantities: ids, such as ``"throughput", "latency"``; all that were measured by default.

    Raises:
        NotFound: one was not measured.
    """
    from matplotlib.figure import Figure

    wanted = quantities or tuple(one.id for one in comparison.quantities)
    columns = 2 if len(wanted) > 1 else 1
    lines = -(-len(wanted) // columns)
    height = lines * (0.9 + 0.26 * (len(comparison.networks) + 1))
    figure = Figure(figsize=(5.2 * columns, height), layout="constrained", facecolor=LIGHT["background"])
    grid = figure.subplots(lines, columns, squeeze=False)
    for number, axes in enumerate(grid.flat):
        if number < len(wanted):
            _standing(axes, comparison.standing(wanted[number]))
        else:
            axes.set_axis_off()
    return figure


def _standing(axes: Axes, standing: Rows[Standing]) -> None:
    title, _, how = standing.title.partition(": ")
    axes.set_title(title, loc="left", color=LIGHT["text"], fontsize=10)
    axes.set_xlabel(how, color=LIGHT["text"], fontsize=8)
    for position, one in enumerate(standing):
        # a line that has no length would not be seen: the point is drawn on top
        axes.plot([one.low, one.high], [position, position], color=LIGHT["cable"], linewidth=3, solid_capstyle="butt")
        fill = LIGHT["background"] if one.note else LIGHT["cable"]
        axes.plot([one.value], [position], marker="o", markersize=6, color=LIGHT["cable"], markerfacecolor=fill)
        if one.place == "the measure":
            axes.axvline(one.value, color=LIGHT["text"], linestyle="--", linewidth=0.8)
    axes.set_yticks(range(len(standing)), [one.network for one in standing], fontsize=8, color=LIGHT["text"])
    axes.invert_yaxis()
    low, high = min(one.low for one in standing), max(one.high for one in standing)
    if low > 0 and high / low > _WIDE:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")  # of every step it would be too many
    else:
        axes.set_xlim(left=0, right=high * 1.08 or 1)
    axes.spines[["top", "right"]].set_visible(False)
