"""The player's frames: where in the picture the packet is, by which cables it gets there, and what is said."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labhelpers.errors import BadInput
from labhelpers.topology import Snapshot
from labhelpers.trace.hop import Walk, Why
from labhelpers.views import Player, walk_text
from labhelpers.views.layout import layout
from labhelpers.views.plan import plan
from labhelpers.views.scene import Box, Scene
from labhelpers.views.walk_html import walk_html
from labhelpers.views.walk_scenes import Reel, reel
from labhelpers.views.walk_way import Ways
from tests.samples.snapshots import any_snapshot, lo, namespace, two_nodes, veth
from tests.samples.walks import dead, echo, ethernet, hop, ip, looping, through_vxlan, walk_of

HEADERS = (ethernet(), ip(), echo())


def drawn(snapshot: Snapshot) -> tuple[Scene, Ways]:
    found = plan(snapshot)
    scene = layout(found)
    return scene, Ways(found, scene)


def frames(walk: Walk, snapshot: Snapshot | None = None) -> Reel:
    found = plan(snapshot or two_nodes())
    return reel(walk, found, layout(found))


def distance(box: Box, point: tuple[float, float]) -> float:
    x = max(box.x - point[0], 0.0, point[0] - box.right)
    y = max(box.y - point[1], 0.0, point[1] - box.bottom)
    return max(x, y)


def test_a_cable_is_walked_from_end_to_end() -> None:
    scene, ways = drawn(two_nodes())
    way = ways.to("node-1/veth-pod-a", "pod-a/eth0")
    (wire,) = way.wires
    assert {scene.wires[wire].a, scene.wires[wire].b} == {"pod-a/eth0", "node-1/veth-pod-a"}
    back = ways.to("pod-a/eth0", "node-1/veth-pod-a")
    assert back.wires == way.wires
    rounded = [(round(x, 1), round(y, 1)) for x, y in scene.wires[wire].points]
    assert [point for point in way.points if point in rounded] == rounded
    assert [point for point in back.points if point in rounded] == rounded[::-1]


def test_a_router_is_passed_by_its_routing_table() -> None:
    scene, ways = drawn(two_nodes())
    way = ways.to("node-1/eth0", "node-1/cni0")
    ends = [{scene.wires[wire].a, scene.wires[wire].b} for wire in way.wires]
    assert ends == [{"node-1/cni0", "node-1 routing"}, {"node-1 routing", "node-1/eth0"}]


def test_a_switch_is_passed_from_port_to_port() -> None:
    scene, ways = drawn(two_nodes())
    way = ways.to("node-1/veth-pod-b", "node-1/veth-pod-a")
    assert way.wires == ()
    bridge = scene.box("node-1/cni0")
    assert bridge is not None
    assert len([point for point in way.points if distance(bridge, point) == 0 and point[1] > bridge.y]) == 2


def test_between_places_that_nothing_connects_it_jumps() -> None:
    _, ways = drawn(two_nodes())
    way = ways.to("pod-d/eth0", "pod-a/eth0")
    assert (len(way.points), way.wires) == (2, ())


def test_what_is_not_drawn_is_its_namespace_or_nothing() -> None:
    _, ways = drawn(two_nodes())
    assert ways.box("pod-a", "eth0") == "pod-a/eth0"
    assert ways.box("pod-a", "tun0") == "pod-a"
    assert ways.box("nowhere", "eth0") == ""
    assert ways.to("").points == ()


def test_in_a_crowd_the_packet_goes_from_pod_to_pod() -> None:
    """Of fifty pods no interface is drawn."""
    states = [namespace("node-1", "node", lo())]
    states += [
        namespace(f"pod-{number}", "pod", lo(), veth("eth0", 2, f"10.0.1.{number}/24"), node="node-1")
        for number in range(50)
    ]
    found = frames(walk_of(hop("pod-3/eth0", *HEADERS), hop("pod-40/eth0", *HEADERS)), Snapshot(tuple(states)))
    assert [frame["box"] for frame in found.frames] == ["pod-3", "pod-40", ""]


@settings(max_examples=60, deadline=None)
@given(any_snapshot(), st.data())
def test_the_packet_ends_at_its_box_in_every_picture(snapshot: Snapshot, data: st.DataObject) -> None:
    scene, ways = drawn(snapshot)
    places = [(state.name, link.name) for state in snapshot for link in state.links] or [("none", "lo")]
    route = data.draw(st.lists(st.sampled_from(places), max_size=6))
    before, at = "", None
    for place in route:
        id = ways.box(*place)
        way = ways.to(id, before, at)
        box = scene.box(id)
        assert (box is None) == (not way.points)
        if box is not None:
            assert distance(box, way.points[-1]) < 0.1
            assert at is None or before == "" or way.points[0] == at
            assert all(0 <= number < len(scene.wires) for number in way.wires)
            before, at = id, way.points[-1]


def test_every_step_is_a_frame_and_the_last_tells_how_it_ended() -> None:
    found = frames(through_vxlan()).frames
    assert [frame["heading"] for frame in found[:2]] == ["Request, hop 1 of 10", "Request, hop 2 of 10"]
    assert found[4]["where"] == "Out of node-1/eth0"
    assert found[4]["size"] == "148 bytes"
    assert [layer["protocol"] for layer in found[4]["layers"] if layer["new"]] == ["Ethernet", "IPv4", "UDP", "VXLAN"]
    assert found[10]["heading"] == "Reply, hop 1 of 1"
    assert (found[-1]["where"], found[-1]["end"]) == ("Answered by 10.0.2.10", "good")
    assert len(found) == 12


def test_the_reason_is_told_at_the_place() -> None:
    end = frames(dead()).frames[-1]
    assert (end["end"], end["box"]) == ("bad", "node-1/cni0")
    assert end["where"] == "Failed: network is unreachable, last seen at node-1/cni0"
    assert end["words"] == [
        "node-1 has no route to 10.0.2.10.",
        "Evidence: node-1: IpExt.InNoRoutes +1",
        "What to do: `ip -n node-1 route` shows those it has.",
    ]


def test_a_place_that_is_no_interface_can_be_where_it_ended() -> None:
    found = frames(walk_of(hop("pod-a/eth0", *HEADERS), why=Why("node-1 was deleted.", place="node-1")))
    assert found.frames[-1]["box"] == "node-1"


def test_what_is_not_in_the_picture_is_passed_over() -> None:
    hops = (hop(place, *HEADERS) for place in ("pod-a/eth0", "gone/eth0", "node-1/veth-pod-a"))
    first, gone, last, _ = frames(walk_of(*hops)).frames
    assert (gone["box"], gone["way"]) == ("", [])
    assert last["way"][0] == first["way"][-1]
    assert len(last["wires"]) == 1


def test_a_loop_is_one_round_with_a_word_about_the_others() -> None:
    found = frames(looping(64)).frames
    assert len(found) == 8
    assert "Then the same 6 hops 63 times more, up to hop 385, TTL 63 → 1." in found[6]["words"]


def test_frames_are_json() -> None:
    for walk in (through_vxlan(), dead(), walk_of(why=Why("Nothing left pod-a.", place="pod-a"))):
        player = Player(walk, two_nodes())
        assert json.loads(json.dumps(player.frames)) == player.frames
        assert player.title


def test_the_position_stays_within_the_walk() -> None:
    player = Player(through_vxlan(), two_nodes())
    for wanted, found in ((3, 3), (-1, 0), (400, 11)):
        player.position = wanted
        assert player.position == found


def test_the_stored_form_is_the_picture_and_every_hop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NETWORKING_STATIC", "1")
    player = Player(through_vxlan(), two_nodes())
    data, _ = player._repr_mimebundle_()
    assert set(data) == {"text/html", "text/plain"}
    assert data["text/plain"] == walk_text(through_vxlan()) == repr(player)
    assert data["text/html"].endswith(walk_html(through_vxlan()))
    image = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', data["text/html"])
    assert image
    svg = base64.b64decode(image[1]).decode()
    assert svg == player.svg()
    marked = set(re.findall(r'data-id="([^"]+)"[^>]*><rect [^>]*stroke-width="3"', svg))
    assert {"pod-a/eth0", "node-1/cni0", "pod-c/eth0"} <= marked
    assert not marked & {"pod-b/eth0", "pod-d/eth0"}


def test_live_it_is_a_widget_with_the_stored_form_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POD_NETWORKING_STATIC", raising=False)
    data, _ = Player(dead(), two_nodes())._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}


def test_what_is_no_walk_is_refused() -> None:
    with pytest.raises(BadInput, match=r"'pod-a' is no walk.*Write Player\(walk"):
        Player("pod-a", two_nodes())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("thing", "words"),
    [(through_vxlan().hops, "An object of type Rows"), ([dead(), dead()], "An object of type list")],
    ids=["hops", "two walks"],
)
def test_what_is_no_walk_is_named_in_one_line(thing: Any, words: str) -> None:
    with pytest.raises(BadInput) as refused:
        Player(thing, two_nodes())
    assert refused.value.what == f"{words} is no walk."
