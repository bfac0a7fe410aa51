"""What may be said of measurements: intervals, places, tables, pictures, and how far it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell

from labhelpers.errors import NotFound
from labhelpers.lab.progress import Progress
from labhelpers.linux.records import Rows
from labhelpers.measure import QUANTITIES, Comparison, Properties
from labhelpers.measure.entrant import entrants
from labhelpers.measure.standing import Spread, places
from labhelpers.networks import Calico, Flannel
from labhelpers.views.comparison import comparison_html, comparison_table, comparison_text
from labhelpers.views.plots import spreads
from labhelpers.views.progress_bar import show_progress
from labhelpers.views.register import register
from labhelpers.views.tables import table_of

FAST, MIDDLE, ALSO, SLOW = Spread((10, 11)), Spread((6, 8)), Spread((7, 9)), Spread((1, 2))
NETWORKS = {"fast": FAST, "middle": MIDDLE, "also": ALSO, "slow": SLOW}


def comparison() -> Comparison:
    found = {name: {"throughput": one} for name, one in NETWORKS.items()}
    found |= {"bare veth": {"throughput": Spread((20, 20))}, "bare veth, again": {"throughput": Spread((22, 22))}}
    found["fast"]["lines"] = Spread((4,))
    found["slow"]["lines"] = Spread((2,))
    lines = [Properties(name, "9 of 9", "in VXLAN, readable", "4 of 4") for name in NETWORKS]
    return Comparison(found, Rows(lines), {"other": "There is no BIRD."}, {"slow": "user space"}, 2, 1)


def test_an_order_is_claimed_only_where_intervals_do_not_overlap() -> None:
    assert places(NETWORKS, more_is_better=True) == {"fast": "1", "middle": "2–3", "also": "2–3", "slow": "4"}
    assert places(NETWORKS, more_is_better=False) == {"fast": "4", "middle": "2–3", "also": "2–3", "slow": "1"}


def test_a_difference_within_the_noise_orders_nobody() -> None:
    assert places(NETWORKS, more_is_better=True, noise=1.5) == {
        "fast": "1–3", "middle": "1–3", "also": "1–3", "slow": "4"
    }  # fmt: skip


def test_what_the_instrument_cannot_tell_apart_orders_nobody() -> None:
    found = {"six": Spread((6, 6)), "seven": Spread((7, 7)), "nine": Spread((9, 9))}
    assert places(found, more_is_better=False, step=1) == {"six": "1–2", "seven": "1–2", "nine": "3"}


def test_who_is_not_ranked_takes_nobody_a_place() -> None:
    found = places(NETWORKS, more_is_better=True, unranked=["fast"])
    assert found == {"fast": "not ranked", "middle": "1–2", "also": "1–2", "slow": "3"}


@given(st.dictionaries(st.text(max_size=3), st.lists(st.floats(0.1, 9), min_size=1, max_size=4), min_size=1))
def test_places_are_possible_and_agree_with_each_other(values: dict[str, list[float]]) -> None:
    found = {name: Spread(tuple(one)) for name, one in values.items()}
    placed = places(found, more_is_better=False)
    assert placed.keys() == found.keys()
    for name, place in placed.items():
        first, _, last = place.partition("–")
        assert 1 <= int(first) <= int(last or first) <= len(found)
        for other, one in found.items():
            if one.is_below(found[name]):
                assert int(placed[other].partition("–")[0]) < int(last or first)


def test_a_standing_has_the_cable_first_then_the_best_and_what_stands_in_last() -> None:
    standing = comparison().standing("throughput")
    assert [(line.network, line.place) for line in standing] == [
        ("bare veth", "the measure"), ("fast", "1"), ("also", "2–3"), ("middle", "2–3"), ("slow", "not ranked")
    ]  # fmt: skip
    assert [line.ratio for line in standing][:2] == [1, 10.5 / 20]
    assert standing.title == "TCP from node to node, Gbit/s: more is better; A/A 1.10"


def test_of_two_it_is_said_which_is_better_only_where_that_is_known() -> None:
    found = comparison()
    assert found.beats("fast", "middle", "throughput") and not found.beats("middle", "fast", "throughput")
    assert not found.beats("also", "middle", "throughput")
    assert not found.beats("fast", "slow", "throughput")  # it stands in for a product
    assert found.beats("slow", "fast", "lines")  # and its state is the kernel's
    with pytest.raises(NotFound):
        found.beats("fast", "nobody", "throughput")
    with pytest.raises(NotFound):
        found.standing("latency")


def test_a_comparison_is_shown_as_a_table_with_spread_noise_and_what_was_left_out() -> None:
    table = comparison_table(comparison())
    assert table.columns == ("", "bare veth", "fast", "middle", "also", "slow", "A/A")
    assert table.caption == "Measured in one run, 2 rounds of 1 s; other left out: There is no BIRD."
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["TCP from node to node, Gbit/s, more is better"] == (
        "20", "10.5 (10–11)", "7 (6–8)", "8 (7–9)", "1.5 (1–2)", "1.10"
    )  # fmt: skip
    assert rows["state in the kernel, lines/pod, less is better"] == ("–", "4", "–", "–", "2", "")
    assert [QUANTITIES[one].arrow for one in ("throughput", "lines")] == ["↑", "↓"]
    assert rows["on the wire between nodes"][1] == "in VXLAN, readable"
    assert rows["not ranked"] == ("", "", "", "", "user space", "")
    text = comparison_text(comparison())
    assert "  fast       10.5 (10–11)" in text and "–\n" not in text
    assert "<td" in comparison_html(comparison())


def test_a_notebook_shows_a_comparison_and_its_records() -> None:
    shell = InteractiveShell.instance()
    register()
    data, _ = shell.display_formatter.format(comparison())
    assert data["text/html"] == comparison_html(comparison())
    assert data["text/plain"] == comparison_text(comparison())
    standing = str(table_of(comparison().standing("throughput")))
    assert "place        network    median       smallest  largest  × bare veth  note" in standing
    assert "policies as they ought to be: more is better" in str(table_of(comparison().properties))


def test_a_picture_has_a_point_and_an_interval_for_each_and_hollow_ones_stand_in() -> None:
    figure = spreads(comparison(), "throughput")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["bare veth", "fast", "also", "middle", "slow"]
    drawn = [(numbers(line.get_xdata()), line) for line in axes.lines]
    intervals = [values for values, _ in drawn if len(values) == 2]
    assert [10, 11] in intervals and [1, 2] in intervals
    points = {values[0]: line.get_markerfacecolor() for values, line in drawn if line.get_marker() == "o"}
    assert points[1.5] != points[10.5]
    assert len(spreads(comparison()).axes) == 2


def numbers(data: Any) -> list[float]:
    return [float(one) for one in data]


def test_networks_are_called_by_what_is_not_usual_about_them() -> None:
    found = entrants([Flannel(), Calico("bgp"), Calico(wireguard=True), Flannel("host-gw", nat_outgoing=False)])
    names = [one.name for one in found]
    assert names == ["Flannel", "Calico bgp", "Calico wireguard", "Flannel host-gw nat_outgoing=False"]


def test_in_a_notebook_there_is_a_bar_which_goes_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []

    def display(box: Any, **_: object) -> Any:
        shown.append(box)
        return SimpleNamespace(update=lambda content, raw: shown.append(content))

    monkeypatch.delenv("POD_NETWORKING_STATIC", raising=False)
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: SimpleNamespace(kernel=None))
    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr(Progress, "shown_by", staticmethod(show_progress))
    progress = Progress(3)
    (box,) = shown
    bar, words = box.children
    progress.step("first")
    progress.step("second")
    assert (bar.value, bar.max) == (1, 3)
    assert words.value.startswith("1 of 3: second")
    progress.end()
    assert box.comm is None and bar.comm is None
    assert shown[1:] == [{"text/plain": ""}]  # a saved notebook keeps nothing of them


def test_progress_is_told_to_whoever_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, str]] = []
    monkeypatch.setattr(Progress, "shown_by", staticmethod(lambda one: lambda: told.append((one.done, one.doing))))
    progress = Progress(2)
    progress.step("first")
    progress.step("second")
    assert str(progress).startswith("2 of 2: second, about 0 s left")
    progress.end()
    assert told == [(0, "first"), (1, "second"), (2, "")]
