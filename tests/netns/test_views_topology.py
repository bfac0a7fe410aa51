"""``Topology`` shows the kernel: it follows changes however they are made, and marks what a step changed."""

from __future__ import annotations

import base64
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labhelpers import views
from labhelpers.lab import Lab, checkpoint
from labhelpers.topology import Snapshot
from labhelpers.views import Topology
from labhelpers.views.topology import _follower


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = checkpoint("03")
    yield lab
    if _follower.picture:
        _follower.picture.close()
    lab.reset()


def until(question: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not question():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def marked(picture: Topology) -> set[str]:
    return set(re.findall(r'data-id="([^"]+)"[^>]*><rect [^>]*stroke-width="3"', picture.picture))


def test_a_change_from_outside_is_seen(lab: Lab) -> None:
    picture = Topology()
    assert "pod-a/eth0" in picture.details
    ip("-n", "node-1", "link", "set", "cni0", "down")
    until(lambda: "DOWN" in picture.picture)
    assert "node-1/cni0" in marked(picture)
    assert "cni0" in picture.status
    subprocess.run("ip netns add stranger && ip -n stranger link set lo up", shell=True, check=True)
    until(lambda: "stranger" in picture.details)
    ip("netns", "delete", "stranger")
    until(lambda: "stranger" not in picture.details)


def test_a_route_made_by_hand_is_drawn_in_its_table(lab: Lab) -> None:
    picture = Topology()
    ip("-n", "node-1", "route", "add", "10.9.0.0/16", "via", "192.168.1.11")
    until(lambda: "10.9.0.0/16 via 192.168.1.11" in picture.picture)
    assert "node-1 routing" in marked(picture)


def test_the_next_picture_marks_what_the_last_step_changed_and_names_its_commands(lab: Lab) -> None:
    Topology()
    lab["node-1"].pod("pod-e")  # type: ignore[attr-defined]
    picture = Topology()
    assert {"pod-e", "node-1/veth-pod-e"} <= marked(picture)
    assert "pod-a" not in marked(picture)
    assert picture.commands.splitlines()[0] == "ip netns add pod-e"


def test_what_is_learned_meanwhile_takes_no_mark_away(lab: Lab) -> None:
    picture = Topology()
    ip("-n", "node-1", "link", "set", "cni0", "mtu", "1400")
    until(lambda: "node-1/cni0" in marked(picture))
    ip("-n", "pod-b", "neighbour", "add", "10.0.1.99", "lladdr", "02:00:00:00:00:99", "dev", "eth0")
    until(lambda: "10.0.1.99" in str(picture.details["pod-b"]))
    assert "node-1/cni0" in marked(picture)


def test_a_picture_of_a_snapshot_stays(lab: Lab) -> None:
    picture = Topology(Snapshot.take())
    follower = Topology()
    ip("-n", "node-1", "link", "set", "cni0", "down")
    until(lambda: "DOWN" in follower.picture)
    assert "DOWN" not in picture.picture


def test_only_the_newest_picture_follows_and_the_others_show_again_what_they_showed_at_first(lab: Lab) -> None:
    older = Topology()
    at_first = older.picture
    ip("-n", "node-1", "link", "set", "cni0", "down")
    until(lambda: "DOWN" in older.picture)
    newer = Topology()
    assert older.picture == at_first
    assert "newer picture" in older.status
    assert "DOWN" in newer.picture
    ip("-n", "node-1", "link", "set", "cni0", "up")
    until(lambda: "DOWN" not in newer.picture)
    assert older.picture == at_first


def test_a_closed_picture_is_left_alone(lab: Lab) -> None:
    closed = Topology()
    closed.close()
    ip("-n", "node-1", "link", "set", "cni0", "down")
    until(lambda: not Snapshot.take()["node-1"].links["cni0"].up)
    assert "DOWN" not in closed.picture
    follower = Topology()
    assert "DOWN" in follower.picture


def test_what_is_stored_shows_without_a_kernel(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NETWORKING_STATIC", "1")
    picture = Topology()
    data, _ = picture._repr_mimebundle_()
    assert set(data) == {"text/html", "text/plain"}
    image = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', data["text/html"])
    assert image
    assert base64.b64decode(image[1]).decode() == picture.svg()
    assert "var(" not in picture.svg(), "an image cannot see the page's colours"
    assert "pod-a (pod)" in data["text/plain"]
    assert _follower.picture is None, "a stored picture follows nothing"


def test_live_it_is_a_widget_with_the_stored_form_beside(lab: Lab) -> None:
    data, _ = Topology()._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"} <= set(data)


def test_it_is_saved_to_the_file_that_is_named(lab: Lab, tmp_path: Path) -> None:
    Topology().save(tmp_path / "picture.svg")
    assert (tmp_path / "picture.svg").read_text().startswith("<svg")


def test_the_package_says_what_it_has() -> None:
    assert all(hasattr(views, name) for name in views.__all__)
