"""Groups of boxes that are placed together, and the way of their cables down to what they plug into."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from labhelpers.views.scene import Box, Point, Wire

__all__ = ["GAP", "Block", "Drop", "in_grid", "in_row"]

GAP = 14.0
_EDGE = 8.0  # from a box to the nearest cable beside it
_LANE = 4.0  # between two cables side by side, less where there are many
_LANES = 34.0  # all cables of one column together

#: the way of a cable from its box down to the lower edge of the block
Drop = tuple[Point, ...]


@dataclass
class Block:
    """Boxes and wires with a size of their own.  The upper left corner is 0, 0."""

    width: float = 0
    height: float = 0
    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    #: by id of an interface: where its cable leaves the block, or how far it has come
    drops: dict[str, Drop] = field(default_factory=dict)

    def put(self, other: Block, x: float, y: float) -> None:
        """Take in the boxes and wires of another block, moved to x, y.  Its drops are returned by ``moved_drops``."""
        self.boxes += [box.moved(x, y) for box in other.boxes]
        self.wires += [wire.moved(x, y) for wire in other.wires]

    def moved_drops(self, x: float, y: float) -> Mapping[str, Drop]:
        """The ways of its cables once it is placed at x, y."""
        return {id: tuple((px + x, py + y) for px, py in drop) for id, drop in self.drops.items()}


def in_row(blocks: Iterable[Block]) -> Block:
    """Side by side, standing on one line; cables fall straight down."""
    blocks = list(blocks)
    row = Block(height=max((block.height for block in blocks), default=0))
    for block in blocks:
        y = row.height - block.height
        row.put(block, row.width, y)
        row.drops |= block.moved_drops(row.width, y)
        row.width += block.width + GAP
    row.width = max(0, row.width - GAP)
    return row


def in_grid(blocks: Iterable[Block], columns: int, gap: float) -> Block:
    """In rows of columns; cables fall in a gutter at the left of each column.

    The cables of upper rows are further left, so none crosses another.
    """
    blocks = list(blocks)
    rows = math.ceil(len(blocks) / columns)
    heights = [max(block.height for block in blocks[row * columns : (row + 1) * columns]) for row in range(rows)]
    height = sum(heights) + gap * (rows - 1)
    grid = Block(height=height)
    for column in range(columns):
        stack = blocks[column::columns]
        cables = sum(len(block.drops) for block in stack)
        lane = min(_LANE, _LANES / max(1, cables))
        left = grid.width + _EDGE + lane * cables + _EDGE
        x, y = grid.width + _EDGE, 0.0
        for row, block in enumerate(stack):
            grid.put(block, left, y)
            for id, drop in block.moved_drops(left, y).items():
                grid.drops[id] = (*drop, *_into_lane(drop[-1], x, y + heights[row] + gap / 2, left), (x, height))
                x += lane
            y += heights[row] + gap
        grid.width = left + max(block.width for block in stack)
    return grid


def _into_lane(start: Point, lane: float, channel: float, left: float) -> list[Point]:
    """From the left side of a box straight into the lane; from its lower side through the channel between two rows."""
    if start[0] <= left:
        return [(lane, start[1])]
    return [(start[0], channel), (lane, channel)]
