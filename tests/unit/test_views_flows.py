"""A flow log to look at: conversations counted once, a map that anybody can draw, a table without times."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from labhelpers.linux.records import Rows
from labhelpers.trace import Flow
from labhelpers.trace.flows.flows import Wanted
from labhelpers.views import table_of
from labhelpers.views.flow_map import map_svg, talks


def flow(source: str, destination: str, port: int = 80, verdict: str = "forwarded", **more: Any) -> Flow:
    given = {"protocol": "TCP", "node": "node-1", "source_port": 40000, **more}
    ends: dict[str, Any] = {
        "source_address": f"address of {source}",
        "destination_address": f"address of {destination}",
    }
    return Flow(1.5, source=source, destination=destination, port=port, verdict=verdict, **ends, **given)


def test_a_conversation_that_two_nodes_saw_is_one_and_dropped_if_either_dropped_it() -> None:
    seen = [
        flow("a", "b"),
        flow("a", "b", node="node-2"),
        flow("a", "b", source_port=40001),
        flow("a", "b", verdict="dropped", node="node-2", source_port=40001),
        flow("a", "b", 53, protocol="UDP"),
    ]
    assert list(map(str, talks(seen))) == ["TCP 80: 1× forwarded, 1× dropped", "UDP 53: 1× forwarded"]


def test_each_request_counts_although_they_share_a_connection() -> None:
    requests = [
        Flow(at, "n", "a", "b", "HTTP", 80, verdict, source_port=40000, status=status)
        for at, verdict, status in ((1.0, "forwarded", 200), (1.1, "dropped", 403), (1.2, "forwarded", 200))
    ]
    assert [(one.forwarded, one.dropped) for one in talks(requests)] == [(2, 1)]


def test_the_map_has_a_card_for_each_end_and_red_lines_for_what_was_dropped() -> None:
    svg = map_svg([flow("web", "api"), flow("api", "db", 5432, "dropped"), flow("db", "web"), flow("web", "web", 81)])
    root = ET.fromstring(svg)
    words = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"web", "api", "db", "TCP 80: 1× forwarded", "TCP 5432: 1× dropped"} <= set(words)
    lines = [one for one in root.iter("{http://www.w3.org/2000/svg}path") if one.get("class") == "pn-talk"]
    assert [bool(one.get("stroke-dasharray")) for one in lines] == [False, True, False, False]
    assert root.get("aria-label", "").startswith("web to api, TCP 80: 1× forwarded; api to db, TCP 5432: 1× dropped")
    assert "no flows yet" in map_svg([])


def test_a_scan_of_every_port_by_many_is_still_a_map_to_look_at() -> None:
    svg = map_svg(flow(f"scanner-{number % 90}", "web", number + 1) for number in range(3000))
    root = ET.fromstring(svg)
    words = [one.text or "" for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "others" in words
    assert any(text.startswith("other ports: ") for text in words)
    assert len(words) < 120
    assert sum(int(text.split(": ")[1].removesuffix("× forwarded")) for text in words if "×" in text) == 3000


@given(st.lists(st.builds(flow, *[st.text(min_size=1, max_size=50)] * 2, st.integers(0, 65535)), max_size=12))
def test_a_map_of_anything_is_a_document_with_all_in_view(flows: list[Flow]) -> None:
    root = ET.fromstring(map_svg(flows, themed=True))
    right, bottom = float(root.attrib["width"]), float(root.attrib["height"])
    for one in root.iter("{http://www.w3.org/2000/svg}rect"):
        if one.get("x"):
            assert float(one.attrib["x"]) + float(one.attrib["width"]) <= right
            assert float(one.attrib["y"]) + float(one.attrib["height"]) <= bottom


def test_the_table_says_who_decided_and_nothing_that_differs_from_run_to_run() -> None:
    rows = Rows(
        [flow("a", "b", policy="shop/db ingress rule 1"), flow("c", "b", verdict="dropped", reason="no")], "flows"
    )
    assert str(table_of(rows)).splitlines() == [
        "flows",
        "from  to  protocol  port  verdict    decided by              reason  seen by",
        "a     b   TCP       80    forwarded  shop/db ingress rule 1          node-1",
        "c     b   TCP       80    dropped                            no      node-1",
    ]


def test_a_pod_of_the_namespace_default_may_be_named_without_it() -> None:
    one = flow("default/web", "10.0.0.9")
    assert Wanted(source="web")(one)
    assert Wanted(source="default/web", destination="address of 10.0.0.9")(one)
    assert not Wanted(source="eb")(one)
    assert not Wanted(destination="web")(one)
    assert str(Wanted("web", "", "dropped", "TCP")) == "from web, dropped, TCP"
