"""Where everything goes: the same plan always gives the same picture."""

from __future__ import annotations

from labhelpers.views.block import GAP, Block
from labhelpers.views.floor import LIMIT, draw_room
from labhelpers.views.plan import Jack, Plan, Room
from labhelpers.views.scene import Box, Scene, Wire

__all__ = ["layout"]

_MARGIN = 12.0
_APART = 44.0  # between two namespaces side by side, with a cable across
_LANE = 14.0  # between two cables that run below everything


def layout(plan: Plan) -> Scene:
    """Place every namespace, interface and cable.  A picture that would be too wide is drawn again with small pods."""
    scene = _draw(plan, compact=False)
    return scene if scene.width <= LIMIT else _draw(plan, compact=True)


def _draw(plan: Plan, *, compact: bool) -> Scene:
    scene = Scene()
    x, y, low = _MARGIN, _MARGIN, _MARGIN
    for block in (_group(group, compact=compact) for group in plan.groups):
        if x > _MARGIN and x + block.width > LIMIT:
            x, y = _MARGIN, low + 2 * GAP
        scene.boxes += [box.moved(x, y) for box in block.boxes]
        scene.wires += [wire.moved(x, y) for wire in block.wires]
        x, low = x + block.width + 2 * GAP, max(low, y + block.height)
    scene.height = _run_below(scene, plan, low) + _MARGIN
    scene.width = max((box.right for box in scene.boxes), default=240.0) + _MARGIN
    return scene


def _group(rooms: tuple[Room, ...], *, compact: bool) -> Block:
    """One tree, or two namespaces side by side with a straight cable between them."""
    blocks = [draw_room(room, compact=compact) for room in rooms]
    if len(blocks) == 1:
        return blocks[0]
    left, right = blocks
    both = Block(left.width + _APART + right.width, max(left.height, right.height))
    both.put(left, 0, both.height - left.height)
    both.put(right, left.width + _APART, both.height - right.height)
    a = next(jack for jack in rooms[0].jacks if jack.peer and jack.peer.room is rooms[1])
    assert a.peer
    near, far = (next(box for box in both.boxes if box.id == jack.id) for jack in (a, a.peer))
    y = near.y + near.height / 2
    both.wires.append(Wire("veth", ((near.right, y), (far.x, y)), a.id, a.peer.id, _is_down(a, a.peer)))
    return both


def _run_below(scene: Scene, plan: Plan, low: float) -> float:
    """Cables and stacked devices that are in no tree: below everything, each in a lane of its own."""
    drawn = {frozenset((wire.a, wire.b)) for wire in scene.wires}
    for a, b in plan.extra:
        near, far = _box_of(scene, a), _box_of(scene, b)
        if near is None or far is None or near is far or frozenset((a.id, b.id)) in drawn:
            continue
        kind = "inner" if a.lower is b else "veth"
        low += _LANE
        start, end = _socket(near, 6), _socket(far, -6)
        points = (start, (start[0], low), (end[0], low), end)
        scene.wires.append(Wire(kind, points, a.id, b.id, _is_down(a, b)))
    return low


def _box_of(scene: Scene, jack: Jack) -> Box | None:
    """The box of an interface, or of its namespace where interfaces are too many to be drawn."""
    return scene.box(jack.id) or scene.box(jack.room.id)


def _socket(box: Box, aside: float) -> tuple[float, float]:
    return box.x + box.width / 2 + aside, box.bottom


def _is_down(*jacks: Jack) -> bool:
    return any(jack.status for jack in jacks)
