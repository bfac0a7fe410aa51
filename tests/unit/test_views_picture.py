"""The picture: everything is drawn once, inside what it belongs to, over nothing else, and can be read."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings

from labhelpers.topology import Snapshot
from labhelpers.views.assets import STATIC
from labhelpers.views.layout import layout
from labhelpers.views.plan import plan
from labhelpers.views.scene import Box, Scene
from labhelpers.views.svg import DARK, LIGHT, render
from tests.samples.snapshots import any_snapshot, bridge, cable, lo, namespace, two_nodes, veth

SVG = "{http://www.w3.org/2000/svg}"


def drawn(snapshot: Snapshot) -> Scene:
    return layout(plan(snapshot))


def overlap(a: Box, b: Box) -> bool:
    return a.x < b.right - 0.01 and b.x < a.right - 0.01 and a.y < b.bottom - 0.01 and b.y < a.bottom - 0.01


def contains(a: Box, b: Box) -> bool:
    return a.x <= b.x + 0.01 and b.right <= a.right + 0.01 and a.y <= b.y + 0.01 and b.bottom <= a.bottom + 0.01


def test_two_nodes_look_as_in_every_chapter() -> None:
    scene = drawn(two_nodes())
    box = {box.id: box for box in scene.boxes}
    assert {"pod-a", "node-1", "node-1/cni0", "node-1/veth-pod-a", "node-1 routing", "pod-a/eth0"} <= box.keys()
    assert "host" not in box, "the notebook's own namespace is empty and would only be in the way"
    for node, pod in (("node-1", "pod-a"), ("node-2", "pod-d")):
        assert contains(box[node], box[pod])
        order = [f"{pod}/eth0", f"{node}/veth-{pod}", f"{node}/cni0", f"{node} routing", f"{node}/eth0"]
        edges = [(box[id].y, box[id].bottom) for id in [*order, f"underlay/{node}", "underlay/br0"]]
        assert all(upper[1] <= lower[0] for upper, lower in itertools.pairwise(edges))
    assert [text.words for text in box["node-1 routing"].texts] == [
        "routing table",
        "10.0.1.0/24 dev cni0",
        "10.0.2.0/24 via 192.168.1.11",
        "192.168.1.0/24 dev eth0",
        "default via 192.168.1.1",
    ]


def test_the_same_snapshot_gives_the_same_picture() -> None:
    assert render(drawn(two_nodes()), title="t") == render(drawn(two_nodes()), title="t")


@settings(max_examples=60, deadline=None)
@given(any_snapshot())
def test_boxes_are_inside_their_parent_and_beside_their_siblings(snapshot: Snapshot) -> None:
    scene = drawn(snapshot)
    box = {one.id: one for one in scene.boxes}
    assert len(box) == len(scene.boxes), "drawn twice"
    page = Box("", "", 0, 0, scene.width, scene.height, "")
    for one in scene.boxes:
        assert contains(box[one.parent] if one.parent else page, one), one.id
    for a, b in itertools.combinations(scene.boxes, 2):
        if a.parent == b.parent:
            assert not overlap(a, b), (a.id, b.id)


@settings(max_examples=60, deadline=None)
@given(any_snapshot())
def test_every_namespace_with_something_in_it_is_drawn(snapshot: Snapshot) -> None:
    rooms = plan(snapshot).rooms
    boxes = {box.id for box in drawn(snapshot).boxes}
    assert {room.id for room in rooms} <= boxes
    assert len(rooms) >= len([state for state in snapshot if state.role != "host"])


@settings(max_examples=60, deadline=None)
@given(any_snapshot())
def test_words_fit_their_box(snapshot: Snapshot) -> None:
    for box in drawn(snapshot).boxes:
        for text in box.texts:
            assert box.x <= text.left + 0.01 and text.right <= box.right + 0.01, (box.id, text.words)
            assert box.y < text.y < box.bottom, (box.id, text.words)


@settings(max_examples=60, deadline=None)
@given(any_snapshot())
def test_wires_end_at_the_boxes_they_connect(snapshot: Snapshot) -> None:
    scene = drawn(snapshot)
    box = {one.id: one for one in scene.boxes}
    for wire in scene.wires:
        for id, (x, y) in ((wire.a, wire.points[0]), (wire.b, wire.points[-1])):
            # a port that is too small to be drawn: the wire ends somewhere in its namespace
            end = box.get(id) or box[id.rpartition("/")[0]]
            assert end.x - 0.01 <= x <= end.right + 0.01 and end.y - 0.01 <= y <= end.bottom + 0.01, wire


@settings(max_examples=60, deadline=None)
@given(any_snapshot())
def test_every_cable_is_drawn_once(snapshot: Snapshot) -> None:
    rooms = {room.state.name: room.id for room in plan(snapshot).rooms}
    wires = [{wire.a, wire.b} for wire in drawn(snapshot).wires if wire.kind in ("veth", "underlay")]
    for one in snapshot.cables:
        if one.a.namespace in rooms and one.b.namespace in rooms:
            assert wires.count({f"{rooms[end.namespace]}/{end.link}" for end in (one.a, one.b)}) == 1, one


@settings(max_examples=100, deadline=None)
@given(any_snapshot())
def test_the_svg_is_well_formed_and_refers_to_nothing(snapshot: Snapshot) -> None:
    for themed in (False, True):
        root = ElementTree.fromstring(render(drawn(snapshot), title="<t>", themed=themed))
        assert {element.tag for element in root.iter()} <= {
            SVG + tag for tag in ("svg", "title", "rect", "path", "g", "text")
        }
        values = [value for element in root.iter() for value in element.attrib.values()]
        assert not any("url(" in value or value.startswith(("http", "data", "javascript")) for value in values)
        assert all("style" not in element.attrib and "href" not in element.attrib for element in root.iter())


def test_of_a_pod_with_a_routed_interface_beside_a_bridged_one_the_way_leads_to_the_routing_table() -> None:
    two = (veth("eth0", 2, "10.0.1.10/24"), veth("net1", 3, "10.5.0.10/24"))
    ports = (bridge("cni0", 3, "10.0.1.1/24"), veth("veth-a", 4, master="cni0"), veth("veth-b", 5, "10.5.0.1/24"))
    states = (namespace("node-1", "node", lo(), *ports), namespace("pod-a", "pod", lo(), *two, node="node-1"))
    cables = (cable("node-1/veth-a", "pod-a/eth0"), cable("node-1/veth-b", "pod-a/net1"))
    scene = drawn(Snapshot(states, cables))
    table = scene.box("node-1 routing")
    ways = [wire for wire in scene.wires if {wire.a, wire.b} == {"node-1/veth-b", "node-1 routing"}]
    assert table
    assert [wire.points[-1][1] for wire in ways] == [table.y]


def test_a_cable_with_both_ends_on_a_node_stays_inside_the_node() -> None:
    pair = (veth("cilium_host", 3, "10.0.1.1/32"), veth("between", 4, "10.9.0.1/24"), veth("cilium_net", 5))
    mesh = (bridge("weave", 6, "10.0.1.1/16"), veth("vethwe-bridge", 7, master="weave"), veth("vethwe-pcap", 8))
    uplink = veth("eth0", 2, "192.168.1.10/24")
    underlay = namespace("underlay", "underlay", lo(), bridge("br0", 2), veth("node-1", 3, master="br0"))
    for links, ends in ((pair, ("cilium_host", "cilium_net")), (mesh, ("vethwe-bridge", "vethwe-pcap"))):
        own = cable(*(f"node-1/{end}" for end in ends))
        states = (namespace("node-1", "node", lo(), uplink, *links), underlay)
        scene = drawn(Snapshot(states, (own, cable("node-1/eth0", "underlay/node-1"))))
        node = scene.box("node-1")
        (wire,) = (wire for wire in scene.wires if {wire.a, wire.b} == {f"node-1/{end}" for end in ends})
        assert node
        assert all(node.x < x < node.right and node.y < y < node.bottom for x, y in wire.points)
        (x, y), (to_x, to_y) = wire.points
        assert x == to_x or y == to_y, "it is straight, so the ends are beside or above each other"
        others = [box for box in scene.boxes if box.kind == "link" and box.id not in (wire.a, wire.b)]
        between = ((x + to_x) / 2, (y + to_y) / 2)
        assert not any(box.x < between[0] < box.right and box.y < between[1] < box.bottom for box in others), (
            "nothing stands between them"
        )


def test_fifty_pods_on_three_nodes_can_be_read() -> None:
    states = [namespace("underlay", "underlay", lo(), veth("node-1", 2))]
    for n in range(3):
        states.append(namespace(f"node-{n}", "node", lo()))
        states += [
            namespace(f"pod-{n}-{i}", "pod", lo(), veth("eth0", 2, f"10.0.{n}.{i + 10}/24"), node=f"node-{n}")
            for i in range(17)
        ]
    scene = drawn(Snapshot(tuple(states)))
    words = {text.words for box in scene.boxes for text in box.texts}
    assert {f"pod-{n}-{i}" for n in range(3) for i in range(17)} <= words
    assert {f"10.0.{n}.{i + 10}/24" for n in range(3) for i in range(17)} <= words
    assert min(text.size for box in scene.boxes for text in box.texts) >= 10
    assert scene.width <= 1400


@pytest.mark.parametrize(
    ("link", "peer_up", "word"),
    [
        (veth("eth0", up=False), True, "DOWN"),
        (veth("eth0"), False, "no carrier"),
        (veth("eth0", state="lowerlayerdown"), True, ""),
    ],
    ids=["down", "other end down", "state not noticed yet"],
)
def test_what_does_not_work_is_said_in_words_and_dashes(link, peer_up: bool, word: str) -> None:  # type: ignore[no-untyped-def]
    states = (namespace("blue", "namespace", lo(), veth("eth0", up=peer_up)), namespace("red", "namespace", lo(), link))
    scene = drawn(Snapshot(states, (cable("red/eth0", "blue/eth0"),)))
    box = scene.box("red/eth0")
    assert box is not None
    assert (word in [text.words for text in box.texts]) == bool(word)
    assert box.down == bool(word)
    assert scene.wires[0].down == bool(word)
    dashed = re.search(r'data-id="red/eth0".*?<rect [^>]*stroke-dasharray', render(scene, title="t"))
    assert bool(dashed) == bool(word)


def test_changed_boxes_have_a_thick_outline() -> None:
    svg = render(drawn(two_nodes()), title="t", changed={"pod-a/eth0"})
    assert re.search(r'data-id="pod-a/eth0"[^>]*><rect [^>]*stroke-width="3"', svg)
    assert svg.count('stroke-width="3"') == 1


def test_names_cannot_break_out_of_the_picture() -> None:
    evil = '"><script>alert(1)</script>'
    svg = render(drawn(Snapshot((namespace(evil, "namespace", lo()),))), title=evil)
    assert "<script" not in svg
    ElementTree.fromstring(svg)


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: str, b: str) -> float:
    light, dark = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_words_and_lines_have_contrast(colours: dict[str, str]) -> None:
    fills = ("background", "node", "underlay", "pod", "namespace", "bridge", "routing", "link")
    for fill in fills:
        for tone in ("text", "muted", "bad"):
            assert _contrast(colours[tone], colours[fill]) >= 4.5, (tone, fill)
    for line in ("line", "cable", "way", "changed", "bad"):
        for fill in ("background", "node", "underlay", "pod", "namespace"):
            assert _contrast(colours[line], colours[fill]) >= 3, (line, fill)


def test_the_style_sheet_has_the_dark_colours() -> None:
    found = dict(re.findall(r"--pn-([a-z]+): (#[0-9a-f]{6})", (STATIC / "topology.css").read_text()))
    assert found == DARK
