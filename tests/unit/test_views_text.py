"""The picture in words, the tables, and what a click shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from IPython.core.interactiveshell import InteractiveShell

from labhelpers.conformance import Row
from labhelpers.errors import BadInput
from labhelpers.linux.records import FdbEntry, Neighbour, Route, Rows, Rule
from labhelpers.networks.cilium.datapath import Service
from labhelpers.networks.cilium.ebpf.show import FlowLine, PolicyLine
from labhelpers.topology import NamespaceState, Snapshot, diff
from labhelpers.views import Table, bars, table_of
from labhelpers.views.ascii import describe
from labhelpers.views.inside import packed, unpacked
from labhelpers.views.inspect import details
from labhelpers.views.layout import layout
from labhelpers.views.plan import plan
from labhelpers.views.register import register
from labhelpers.views.topology import _told
from tests.samples.snapshots import any_snapshot, two_nodes

TWO_NODES = """\
node-1 (node)
  cni0  10.0.1.1/24  bridge of veth-pod-a, veth-pod-b
  eth0  192.168.1.10/24  — underlay/node-1
  veth-pod-a  port of cni0  — pod-a/eth0
  veth-pod-b  port of cni0  — pod-b/eth0
  routes: 10.0.1.0/24 dev cni0; 10.0.2.0/24 via 192.168.1.11; 192.168.1.0/24 dev eth0; default via 192.168.1.1
  pod-a (pod)
    eth0  10.0.1.10/24  — node-1/veth-pod-a
  pod-b (pod)
    eth0  10.0.1.11/24  — node-1/veth-pod-b"""


def test_the_picture_in_words() -> None:
    text = describe(plan(two_nodes()))
    assert text.startswith(TWO_NODES)
    assert text.splitlines()[-4:] == [
        "underlay (between the nodes)",
        "  br0  192.168.1.1/24  bridge of node-1, node-2",
        "  node-1  port of br0  — node-1/eth0",
        "  node-2  port of br0  — node-2/eth0",
    ]
    assert describe(plan(Snapshot())) == "no namespaces: the lab is empty"


@settings(max_examples=60, deadline=None)
@given(any_snapshot())
def test_every_box_can_be_looked_into_and_is_in_the_words(snapshot: Snapshot) -> None:
    drawing = plan(snapshot)
    inside, words = details(drawing), describe(drawing)
    for box in layout(drawing).boxes:
        assert box.id in inside
        assert box.spoken
        if box.kind not in ("link", "bridge", "routing"):
            assert f"{box.id} (" in words


@settings(max_examples=60, deadline=None)
@given(any_snapshot())
def test_a_stored_picture_can_be_looked_into_as_a_live_one(snapshot: Snapshot) -> None:
    live, stored = details(plan(snapshot)), unpacked(packed(snapshot))
    assert stored.keys() == live.keys()
    for box, shown in live.items():
        assert stored[box]["heading"] == shown["heading"]
        assert _but_neighbours(stored[box]) == _but_neighbours(shown)


def _but_neighbours(shown: dict[str, Any]) -> list[dict[str, Any]]:
    return [table for table in shown["tables"] if table["caption"] != "Neighbours"]


def test_a_stored_picture_has_neighbours_without_what_changes_by_the_second() -> None:
    state = two_nodes()["pod-a"]
    neighbours = [
        Neighbour("10.0.1.3", "eth0", "02:00:00:00:00:03", "delay"),
        Neighbour("10.0.1.2", "eth0", "02:00:00:00:00:02", "reachable"),
        Neighbour("10.0.1.4", "eth0", "02:00:00:00:00:04", "permanent"),
        Neighbour("10.0.1.5", "eth0", "02:00:00:00:00:05", "failed"),
        Neighbour("10.0.1.6", "eth0", "", "incomplete"),
    ]
    stored = unpacked(packed(Snapshot((replace(state, neighbours=Rows(neighbours)),))))
    (table,) = (table for table in stored["pod-a/eth0"]["tables"] if table["caption"] == "Neighbours")
    assert table["rows"] == [
        ["10.0.1.2", "02:00:00:00:00:02", "eth0", "learned"],
        ["10.0.1.3", "02:00:00:00:00:03", "eth0", "learned"],
        ["10.0.1.4", "02:00:00:00:00:04", "eth0", "permanent"],
    ]


def test_a_click_on_a_pod_shows_its_routes() -> None:
    shown = details(plan(two_nodes()))["pod-a"]
    assert shown["heading"] == "pod pod-a"
    tables = {table["caption"]: table for table in shown["tables"]}
    assert ["default", "10.0.1.1", "eth0"] in tables["Routes"]["rows"]


def test_rules_are_shown_where_there_are_others_than_everywhere() -> None:
    usual = Rule(0, "from all", "local"), Rule(32766, "from all", "main"), Rule(32767, "from all", "default")
    own = Rule(100, "from 10.0.1.0/24", "7")
    for rules, captions in (
        (usual, []),
        ((own, *usual), ["Rules: which table is asked"]),
        (usual[1:], ["Rules: which table is asked"]),
    ):
        state = NamespaceState("red", "namespace", 1, rules=Rows(rules))
        shown = details(plan(Snapshot((state,))))["red routing"]
        assert [table["caption"] for table in shown["tables"]] == captions


def test_a_click_on_a_bridge_shows_its_forwarding_database() -> None:
    shown = details(plan(two_nodes()))["node-1/cni0"]
    tables = {table["caption"]: table for table in shown["tables"]}
    assert tables["Forwarding database (FDB)"]["rows"] == [["0a:58:0a:00:01:0a", "veth-pod-a", "cni0", "learned"]]


def test_what_came_is_named_with_what_went() -> None:
    before = two_nodes()
    anew = Snapshot(tuple(replace(state, inode=state.inode + 100) for state in before), before.cables)
    assert _told(diff(before, anew)) == [f"~ namespace {state.name} made anew" for state in before]
    assert _told(diff(before, Snapshot())) == [f"- namespace {state.name}" for state in before]
    assert _told(diff(Snapshot(), before)) == [f"+ namespace {state.name}" for state in before]


def test_a_change_inside_is_told_when_its_namespace_stayed() -> None:
    before = two_nodes()
    pods = [
        replace(state, routes=state.routes.where(device="none")) if state.name == "pod-a" else state for state in before
    ]
    assert _told(diff(before, Snapshot(tuple(pods), before.cables[1:]))) == [
        "- pod-a: route default via 10.0.1.1 dev eth0",
        "- pod-a: route 10.0.1.0/24 dev eth0",
        f"- cable {before.cables[0]}",
    ]


def test_a_table_leaves_out_what_is_empty_in_every_row() -> None:
    routes = Rows([Route("default", via="10.0.1.1", device="eth0"), Route("10.0.1.0/24", device="eth0")], "routes")
    assert str(table_of(routes)) == (
        "routes\ndestination  via       interface\ndefault      10.0.1.1  eth0\n10.0.1.0/24            eth0"
    )


def test_the_tables_of_ciliums_model_have_words_for_numbers() -> None:
    shop = Service("default/shop", "10.96.0.10", 80, 6, (("10.0.1.3", 80), ("10.0.2.2", 80)))
    assert str(table_of([shop])).endswith("80    TCP       10.0.1.3:80, 10.0.2.2:80")
    anybody = PolicyLine(23671, "ingress", 0, 0, "any", "default/open", 1, 2, 3)
    assert "23671    ingress    any     any       any   default/open" in str(table_of([anybody]))
    flow = FlowLine("10.0.1.3", 5000, "10.0.2.2", 53, 17, 2, 120, "new", 0)
    assert table_of([flow]).columns[:5] == ("source", "source port", "destination", "destination port", "protocol")
    assert table_of([flow]).rows[0][4] == "UDP"


def test_printed_in_a_notebook_records_are_the_same_table() -> None:
    rows = Rows([Row("no-nat", "docs", False, "seen", "why")], "the model")
    InteractiveShell.instance()
    register()
    assert str(rows) == str(table_of(rows))


def test_a_table_without_rows_says_so() -> None:
    empty = table_of(Rows((), "neighbours of pod-a"))
    assert str(empty) == "neighbours of pod-a: none"
    assert "none" in empty._repr_html_()


@pytest.mark.parametrize(
    "rows",
    [
        Rows([FdbEntry("02:00:00:00:00:01", "veth-a", "cni0")], "fdb"),
        Rows([Rule(0, "from all", "local")], "rules"),
        [Row("no-nat", "docs", False, "seen <this> & that", "why")],
    ],
    ids=["fdb", "rules", "conformance"],
)
def test_html_is_well_formed_and_says_what_the_text_says(rows: object) -> None:
    table = table_of(rows)  # type: ignore[arg-type]
    cells = ["".join(cell.itertext()) for cell in ElementTree.fromstring(table._repr_html_()).iter("td")]
    assert cells == [cell for row in table.rows for cell in row]
    for cell in cells:
        assert cell in str(table)


def test_colours_are_left_to_the_theme() -> None:
    html = Table("caption", ("a",), (("b",),))._repr_html_()
    assert "color" not in html
    assert "background" not in html


def test_a_notebook_shows_bars_as_a_picture() -> None:
    """IPython alone would show the words <Figure size …>."""
    shell = InteractiveShell.instance()
    register()
    data, _ = shell.display_formatter.format(bars({"ip": 30.0}, title="A pod", unit="ms"))
    assert data["image/png"].startswith(b"\x89PNG")


def test_bars_are_drawn_with_their_numbers() -> None:
    figure = bars({"ip": 30.0, "helpers": 1.5}, title="A pod", unit="ms")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["30", "1.5"]
    assert axes.get_xlabel() == "ms"
    with pytest.raises(BadInput):
        bars({}, title="Nothing", unit="ms")
