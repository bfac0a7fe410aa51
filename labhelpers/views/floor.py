"""One namespace with all that is in it, laid out from top to bottom.

::

    pods, or the namespaces that plug in from above
    ports       one for each cable, standing on
    bridges
    routing     where the namespace has more than one network
    interfaces  with a cable to what is below, or with none
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from labhelpers.views import parts
from labhelpers.views.block import GAP, Block, Drop, in_grid, in_row
from labhelpers.views.lettering import natural, printable, shortened, width
from labhelpers.views.plan import Jack, Room
from labhelpers.views.scene import Box, Point, Text, Wire

__all__ = ["LIMIT", "PAD", "draw_room"]

LIMIT = 1150.0  # pixels; a picture wider than this is drawn again in rows
PAD = 10.0
_TITLE = 24.0
_CABLE = 30.0  # room for cables above ports
_WAY = 14.0  # room for the short lines inside a namespace
_ACROSS = 34.0  # between the two ends of a cable that stand beside each other
_SQUARE = 0.38  # height of a pod's box in a grid, over its width


def draw_room(room: Room, *, compact: bool = False, budget: float = LIMIT) -> Block:
    """Lay out a namespace and everything inside and above it.

    Args:
        compact: draw pods as boxes of words, in rows.
        budget: pixels of width that the compact form should keep to.
    """
    return _Floor(room, compact, budget).build()


@dataclass
class _Bay:
    """What belongs to one bridge, or to no bridge: what plugs in from above, and ports without a child."""

    bridge: Jack | None
    children: Block
    ports: list[Jack]  # with a child above
    spare: list[Jack]  # without
    width: float = 0
    left: float = 0


class _Floor:
    def __init__(self, room: Room, compact: bool, budget: float) -> None:
        self.room, self.compact, self.budget = room, compact, budget
        self.block = Block()
        #: by port of a bridge: the other end of its cable, which is in this namespace too and stands above it
        self.loose = {jack.peer: jack for jack in room.jacks if jack.peer and not room.above and self._is_loose(jack)}
        self.bottom_row = [
            jack
            for jack in room.jacks
            if not jack.is_bridge and not self._is_on_top(jack) and jack not in self.loose.values()
        ]
        self.networks = [jack for jack in room.jacks if jack.link.addresses and jack.link.kind != "loopback"]
        self.has_table = parts.has_routing(room)
        self.bays = self._bays()

    def build(self) -> Block:
        room, inner = self.room, self._inner_width()
        outside = bool(room.above)
        frame_width = inner + 2 * PAD
        table_x = PAD + (12 if self._has_bridged_uplink() else 0)
        top = 0.0 if outside else _TITLE + PAD / 2
        children = max((bay.children.height for bay in self.bays), default=0)
        children = max([children, *(parts.jack_size(end)[1] for end in self.loose.values())])
        y = top + children + (_CABLE if children else 0)
        frame_top, title_y = (y - PAD if outside else 0.0), 0.0

        tallest = max((parts.jack_size(port)[1] for bay in self.bays for port in bay.ports + bay.spare), default=0)
        bars = y + tallest
        y = bars + (parts.BAR if any(bay.bridge for bay in self.bays) else 0)
        table_y = y + (_WAY if self.bays else 0)
        self._place_bays(inner, top, children, bars, tallest, table_y if self.has_table else bars)
        table = None
        if self.has_table:
            table = parts.routing_box(room, table_x, table_y, frame_width - PAD - table_x)
            self.block.boxes.append(table)
            y = table.bottom
        if outside:
            title_y = y + 4
            y += _TITLE
        if self.bottom_row:
            y += _WAY if y > top else 0
            y = self._place_bottom_row(frame_width, y, table, bars)
        elif not self.bays and not self.has_table:
            y += 4
        y += PAD if not outside or self.bottom_row else 2
        self._frame(frame_top, frame_width, y, title_y)
        self.block.width, self.block.height = frame_width, y
        return self.block

    # what there is

    def _is_on_top(self, jack: Jack) -> bool:
        """A port of a bridge, or the end of a cable from above; but what leads down is at the bottom."""
        if jack in self.room.uplinks:
            return False
        return jack.master is not None or bool(jack.peer and jack.peer.room.parent is self.room)

    def _is_loose(self, jack: Jack) -> bool:
        """The other end of a bridge's port, where a program may listen.  One with an address belongs at the bottom."""
        peer = jack.peer
        is_own = bool(peer and peer.room is self.room and peer.master)
        return is_own and not (jack.master or jack.is_bridge or jack.link.addresses)

    def _bays(self) -> list[_Bay]:
        homes: dict[Jack | None, list[Room]] = {bridge: [] for bridge in self.room.bridges}
        for child in sorted(self.room.children, key=lambda child: natural(child.id)):
            plugs = [jack.peer for jack in child.uplinks if jack.peer]
            homes.setdefault(next((plug.master for plug in plugs if plug.master), None), []).append(child)
        on_top = [jack for jack in self.room.jacks if not jack.is_bridge and self._is_on_top(jack)]
        bays = []
        for bridge in dict.fromkeys([*homes, *(jack.master for jack in on_top)]):
            children = homes.get(bridge, [])
            plugged = [jack.peer for child in children for jack in child.uplinks if jack.peer]
            spare = [
                jack for jack in on_top if jack.master is bridge and jack not in plugged and not self._has_child(jack)
            ]
            bay = _Bay(bridge, self._arranged(children), [] if self.compact and children else plugged, spare)
            bay.width = max(self._needed(bay), parts.bar_width(bridge) if bridge else 0)
            bays.append(bay)
        return bays

    def _has_child(self, jack: Jack) -> bool:
        return bool(jack.peer and jack.peer.room.parent is self.room)

    def _arranged(self, rooms: list[Room]) -> Block:
        if not rooms:
            return Block()
        if not self.compact:
            return in_row([draw_room(room) for room in rooms])
        small = [room for room in rooms if not (room.children or room.bridges or room.has_own_cable)]
        if len(small) < len(rooms):
            share = max(200.0, self.budget / min(len(rooms), 4) - 4 * PAD)
            blocks = [draw_room(room, compact=True, budget=share) for room in rooms]
            widest = max(block.width for block in blocks)
            columns = int((LIMIT + GAP) // (widest + 3 * GAP)) or 1
            fits = sum(block.width + GAP for block in blocks) <= LIMIT * 1.2 or len(blocks) < 3
            return in_row(blocks) if fits else in_grid(blocks, min(columns, len(blocks)), 2 * GAP)
        wide = max(parts.pod_size(room)[0] for room in small)
        high = max(parts.pod_size(room)[1] for room in small)
        columns = max(2, int((self.budget - 2 * PAD) // (wide + 36)), math.ceil(math.sqrt(_SQUARE * len(small))))
        rows = math.ceil(len(small) / columns)
        return in_grid([_small(room, wide, high) for room in small], math.ceil(len(small) / rows), 6)

    def _has_bridged_uplink(self) -> bool:
        return any(jack.master for jack in self.bottom_row)

    def _inner_width(self) -> float:
        bays = sum(bay.width + GAP for bay in self.bays) - GAP if self.bays else 0
        row = self._row_width()
        table = parts.routing_size(self.room, 0)[0] + 12 if self.has_table else 0
        return max(64.0, bays, row, table, self._title_width() - 2 * PAD)

    @staticmethod
    def _column(jack: Jack) -> float:
        """A cable is straight: its two ends get the same width."""
        far = jack.peer if jack.peer and jack.peer.room is jack.room.parent else jack
        return max(parts.jack_size(jack)[0], parts.jack_size(far)[0])

    # where it goes

    def _place_bays(self, inner: float, top: float, children: float, bars: float, tallest: float, floor: float) -> None:
        total = sum(bay.width + GAP for bay in self.bays) - GAP
        x = PAD + (inner - total) / 2
        for number, bay in enumerate(self.bays):
            if number == 0 and len(self.bays) == 1 and bay.bridge:
                x, bay.width = PAD, inner
            bay.left = x
            shift = bay.left + (bay.width - self._needed(bay)) / 2
            self.block.put(bay.children, shift, top + children - bay.children.height)
            drops = bay.children.moved_drops(shift, top + children - bay.children.height)
            self._land(bay, drops, bars - tallest, tallest, floor)
            self._spare(
                bay, shift + bay.children.width + (6 if bay.children.width else 0), bars - tallest, tallest, floor
            )
            if bay.bridge:
                self.block.boxes.append(parts.bar(bay.bridge, bay.left, bars, bay.width))
                if self.has_table and bay.bridge in self.networks:
                    centre = bay.left + bay.width / 2
                    self._way((centre, bars + parts.BAR), (centre, floor), bay.bridge.id, f"{self.room.id} routing")
            x += bay.width + GAP

    def _needed(self, bay: _Bay) -> float:
        return bay.children.width + sum(self._spare_width(jack) + 6 for jack in bay.spare)

    def _spare_width(self, jack: Jack) -> float:
        return max(parts.jack_size(one)[0] for one in (jack, self.loose.get(jack, jack)))

    def _land(self, bay: _Bay, drops: Mapping[str, Drop], ports_y: float, high: float, floor: float) -> None:
        landing = ports_y + high if bay.bridge else floor
        for child in self.room.children:
            for jack in child.uplinks:
                if jack.id not in drops or jack.peer is None:
                    continue
                drop = drops[jack.id]
                x = drop[-1][0]
                has_box = jack.peer in bay.ports
                self._cable(jack, (*drop, (x, ports_y if has_box else landing)))
                if has_box:
                    self.block.boxes.append(parts.jack_box(jack.peer, x, ports_y, high))
                    if not jack.peer.master and self.has_table:
                        # behind the bridge, where another interface of the same pod is the bridge's port
                        self._way((x, ports_y + high), (x, floor), jack.peer.id, f"{self.room.id} routing")

    def _spare(self, bay: _Bay, x: float, y: float, high: float, floor: float) -> None:
        for jack in bay.spare:
            wide = self._spare_width(jack)
            centre = x + wide / 2
            self.block.boxes.append(parts.jack_box(jack, centre, y, high))
            if end := self.loose.get(jack):
                tall = parts.jack_size(end)[1]
                self.block.boxes.append(parts.jack_box(end, centre, y - _CABLE - tall, tall))
                self._cable(end, ((centre, y - _CABLE), (centre, y)))
            x += wide + 6

    def _cable(self, jack: Jack, points: Drop) -> None:
        assert jack.peer
        kind = "underlay" if self.room.state.role == "underlay" else "veth"
        down = bool(jack.status or jack.peer.status)
        self.block.wires.append(Wire(kind, points, jack.id, jack.peer.id, down))

    def _way(self, start: Point, end: Point, a: str, b: str) -> None:
        """How a packet gets from one box to the next inside the namespace."""
        self.block.wires.append(Wire("inner", (start, end), a, b))

    def _place_bottom_row(self, frame_width: float, y: float, table: Box | None, bars: float) -> float:
        high = max(parts.jack_size(jack)[1] for jack in self.bottom_row)
        x = (frame_width - self._row_width()) / 2
        order = self._in_order()
        for jack, following in zip(order, [*order[1:], None], strict=True):
            centre = x + self._column(jack) / 2
            self.block.boxes.append(parts.jack_box(jack, centre, y, high))
            if jack in self.room.uplinks:
                self.block.drops[jack.id] = ((centre, y + high),)
            if bridge := jack.master:
                bay = next(bay for bay in self.bays if bay.bridge is bridge)
                start = min(max(PAD + 5 if table else centre, bay.left + 8), bay.left + bay.width - 8)
                lane = PAD + 5 if table else start  # beside the routing table: a bridge does not ask it
                turn, bend = bars + parts.BAR + _WAY / 2, y - _WAY / 2
                points = (
                    (start, bars + parts.BAR),
                    (start, turn),
                    (lane, turn),
                    (lane, bend),
                    (centre, bend),
                    (centre, y),
                )
                self.block.wires.append(Wire("port", points, bridge.id, jack.id, bool(jack.status)))
            elif table and jack in self.networks:
                self._way((centre, table.bottom), (centre, y), table.id, jack.id)
            x += self._column(jack) + (_ACROSS if following and following is jack.peer else GAP)
        for a, b in pairwise(order):
            if a.peer is b:
                near, far = (next(box for box in self.block.boxes if box.id == one.id) for one in (a, b))
                self._cable(a, ((near.right, y + high / 2), (far.x, y + high / 2)))
        return y + high

    def _row_width(self) -> float:
        order = self._in_order()
        gaps = sum(_ACROSS if a.peer is b else GAP for a, b in pairwise(order))
        return sum(self._column(jack) for jack in order) + gaps

    def _in_order(self) -> list[Jack]:
        """A device that sends through another stands beside it, and so do both ends of a cable."""
        order: list[Jack] = []
        for jack in self.bottom_row:
            if jack not in self.room.uplinks and jack not in order:
                order += [jack, jack.peer] if jack.peer in self.bottom_row else [jack]
        return order + [jack for jack in self.bottom_row if jack in self.room.uplinks]

    def _frame(self, top: float, wide: float, bottom: float, title_y: float) -> None:
        room = self.room
        parent = room.parent.id if room.parent and room in room.parent.inside else ""
        spoken, texts = parts.spoken_room(room), self._title(wide, title_y)
        box = Box(room.id, room.state.role, 0, top, wide, bottom - top, spoken, texts, parent)
        self.block.boxes.insert(0, box)
        self.block.drops = {id: (*drop, (drop[0][0], bottom)) for id, drop in self.block.drops.items()}

    def _name(self) -> str:
        return shortened(printable(self.room.state.name), 28)

    def _title_width(self) -> float:
        role = parts.role_words(self.room)
        extra = 0.0 if self.room.state.role == "pod" else 10 + width(role, 10.5)
        return 2 * PAD + width(self._name(), 13) + extra

    def _title(self, frame_width: float, y: float) -> tuple[Text, ...]:
        """The name at the left; at the right what kind of namespace it is, where there is room for it."""
        name = Text(PAD, y + 17, self._name(), 13, bold=True)
        words = parts.role_words(self.room)
        role = Text(frame_width - PAD, y + 17, words, 10.5, tone="muted", anchor="end")
        return (name,) if role.left < name.right + 6 else (name, role)


def _small(room: Room, wide: float, high: float) -> Block:
    box = parts.pod_box(room, wide, high)
    uplinks = room.uplinks
    drops: dict[str, Drop] = {
        jack.id: ((0.0, high / 2 + 6 * (i - (len(uplinks) - 1) / 2)),) for i, jack in enumerate(uplinks)
    }
    return Block(wide, high, [box], [], drops)
