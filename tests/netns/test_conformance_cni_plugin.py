"""The suite for plugins: ours meet all of it, how the reference ones differ is a table, broken ones are found out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labhelpers.cni import Runtime
from labhelpers.cni.programs import install
from labhelpers.conformance import cni
from labhelpers.conformance.cni import plugin_suite
from labhelpers.conformance.cni.check import Check
from labhelpers.errors import BadInput, ToolMissing
from labhelpers.lab import Lab, Node
from tests.netns.broken_plugins import BROKEN, HEAD, IPAM, SERVE, SERVE_IPAM
from tests.netns.cni import addresses, names, network
from tests.netns.everything import Everything

pytestmark = pytest.mark.once

OURS: dict[str, dict[str, Any]] = {
    "lab-bridge": {"type": "lab-bridge", "isGateway": True, "ipam": {"type": "lab-host-local"}},
    "lab-ptp": {"type": "lab-ptp", "ipam": {"type": "lab-host-local"}},
    "lab-calico": {"type": "lab-calico", "ipam": {"type": "lab-host-local"}},
    "lab-cilium": {"type": "lab-cilium", "ipam": {"type": "lab-host-local"}},
    "lab-bridge with host-local": {"type": "lab-bridge", "isGateway": True, "ipam": {"type": "host-local"}},
}
THEIRS: dict[str, dict[str, Any]] = {
    "bridge": {"type": "bridge", "isGateway": True, "ipam": {"type": "host-local"}},
    "ptp": {"type": "ptp", "ipam": {"type": "host-local"}},
}
#: by version of the reference plugins: what each does otherwise than the suite asks
_BOTH = {
    "errors.echoes": "asked in 0.4.0, its error has the version None",
    "errors.no-command": "its exit status says that it worked",
    "add.previous-result": "the interface and the address of an earlier plugin are not in the result",
    "add.half-way": "half a cable was left",
    "ipam.undone": "it was asked for ADD",
}
DIFFERENCES: dict[str, dict[str, dict[str, str]]] = {
    "1.1.1": {
        "bridge": {**_BOTH, "add.leaves-nothing": "half a cable was left"},
        "ptp": {**_BOTH, "add.other-name": "ADD failed: code 999: failed to add route (…): file exists"},
    }
}
#: what it does not speak: the verbs of CNI 1.1.0
NOT_SPOKEN = {
    "ipam.status",
    "ipam.gc",
    "status.ready",
    "status.delegates",
    "gc.frees",
    "gc.removes",
    "gc.spares",
    "gc.spares-networks",
}
NEEDS_A_BRIDGE = {"add.bridge", "add.bridge-mac"}
#: the gateway of Cilium's pods is an address of its agent's, and here is no agent
NEEDS_AN_AGENT = {"lab-cilium": {"add.gateway", "del.spares-others", "gc.spares", "gc.spares-networks"}}


@pytest.fixture
def node(lab: Lab) -> Node:
    made = lab.node("node-1")
    install(made)
    return made


@pytest.mark.parametrize("plugin", OURS)
def test_ours_meet_every_requirement(lab: Lab, node: Node, plugin: str) -> None:
    before = Everything.now(lab)
    rows = cni.plugin(node, OURS[plugin])
    speaks_all = OURS[plugin]["ipam"]["type"] == "lab-host-local"
    failed = {row.id: row.seen for row in rows if row.ok is False}
    assert failed.keys() == NEEDS_AN_AGENT.get(plugin, set())
    assert all(seen.startswith("no answer from the gateway") for seen in failed.values())
    not_asked = NEEDS_A_BRIDGE if plugin in ("lab-ptp", "lab-calico", "lab-cilium") else set()
    assert {row.id for row in rows if row.ok is None} == not_asked | (set() if speaks_all else NOT_SPOKEN)
    assert len(rows) == len({row.id for row in rows}) > 60
    assert all(re.match("section [1-5]|with care|the course", row.source) and row.why.endswith(".") for row in rows)
    assert rows.title == f"CNI {'1.1.0' if speaks_all else '1.0.0'}: {OURS[plugin]['type']}"
    assert Everything.now(lab) == before
    assert names(node) == []
    assert "cni-trial" not in os.listdir(f"{node.root}/run")


@pytest.mark.parametrize("plugin", THEIRS)
def test_how_the_reference_plugins_differ(node: Node, plugin: str) -> None:
    """A change is noticed here: in the suite, or in another version of the package."""
    version = _version_of_the_reference_plugins()
    assert version in DIFFERENCES, "look at what this version does, and write it down"
    rows = cni.plugin(node, THEIRS[plugin])
    seen = {row.id: re.sub(r"\{.*\}", "(…)", row.seen) for row in rows if row.ok is False}
    assert seen == DIFFERENCES[version][plugin]
    not_asked = {row.id: row.seen for row in rows if row.ok is None}
    assert {id for id, why in not_asked.items() if why == "it speaks 1.0.0; this came with 1.1.0"} == NOT_SPOKEN
    rest = {id: why for id, why in not_asked.items() if id not in NOT_SPOKEN}
    needs_a_bridge = dict.fromkeys(NEEDS_A_BRIDGE, "its configuration does not say isGateway")
    assert rest == (needs_a_bridge if plugin == "ptp" else {})


def _version_of_the_reference_plugins() -> str:
    command = ["dpkg-query", "--show", "--showformat=${Version}", "containernetworking-plugins"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return re.split(r"[+-]", done.stdout)[0]


def test_only_some_may_be_tried_and_progress_is_told(node: Node) -> None:
    told: list[str] = []
    rows = cni.plugin(node, OURS["lab-ptp"], only="version.", progress=told.append)
    assert told == [row.id for row in rows] == ["version.answers", "version.echoes"]


def test_what_is_seen_does_not_depend_on_what_was_tried_before(node: Node) -> None:
    """Addresses of a trial follow from its place in the suite, so that a notebook's output is the same each time."""
    first, again = (cni.plugin(node, OURS["lab-ptp"], only="add.true") for _ in range(2))
    assert first == again
    assert first[0].seen in [row.seen for row in cni.plugin(node, OURS["lab-ptp"], only="add.")]


def test_what_is_on_the_node_is_not_touched(node: Node) -> None:
    mine = Runtime(node, observe=False)
    mine.configure(network(version="1.1.0"))
    mine.add("web")
    assert all(row.ok for row in cni.plugin(node, OURS["lab-bridge"], only="gc."))
    assert addresses(node, "web") == ["10.0.1.2/24"]
    assert mine.check("web").ok


@pytest.mark.parametrize("config", [{}, {"type": 7}, {"ipam": {"type": "host-local"}}])
def test_a_configuration_without_a_plugin_is_refused(node: Node, config: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="The configuration names no plugin"):
        cni.plugin(node, config)


def test_a_plugin_that_is_not_there_is_said(node: Node) -> None:
    with pytest.raises(ToolMissing, match="There is no plugin 'nobody'"):
        cni.plugin(node, {"type": "nobody", "ipam": {"type": "lab-host-local"}})


# --- broken plugins ---------------------------------------------------------------------------------------------------


def _broken(node: Node, text: str) -> dict[str, Any]:
    """The configuration of a network whose plugin, or IPAM plugin, begins with a mistake."""
    folder = Path(f"{node.root}/run/broken")
    folder.mkdir(exist_ok=True)
    is_ipam = text.startswith(IPAM)
    program = folder / "broken"
    program.write_text(f"#!{sys.executable} -IS\n{HEAD}{text}{SERVE_IPAM if is_ipam else SERVE}")
    program.chmod(0o755)
    if is_ipam:
        return {"type": "lab-bridge", "isGateway": True, "ipam": {"type": "broken"}}
    return {"type": "broken", "isGateway": True, "ipam": {"type": "lab-host-local"}}


#: what a first try of one's own does wrong: the words with which it is told
TOLD = {
    ("ADD makes nothing", "add.used-up"): "its exit status says that it worked",
    ("ADD makes nothing", "add.interface"): "it said that it worked, and there is no eth0 in the container",
    ("ADD makes nothing", "del.frees"): "it said that it worked, and there is no eth0 in the container",
    ("ADD makes nothing", "add.result"): "The plugin's result has the cniVersion None.",
    ("the result has what is not there", "add.true"): "it said that it worked, and there is no eth0 in the container",
    ("the result has what is not there", "crowd.together"): (
        "round 1 of 8: it said that it worked, and there is no eth0 in the container"
    ),
    ("the node's end is down", "add.up"): "the node's end of the cable is down",
    ("the container's end is down", "add.up"): "eth0 is down",
    ("the cable leads to no bridge", "add.bridge"): "the node's end of the cable is a port of no bridge",
    ("the result has no MAC address", "add.names-mac"): "the result has no mac for eth0; the kernel has 02:…",
    ("a route's gateway is not looked at", "add.half-way"): (
        "its route had the gateway 203.0.113.1, which cannot be reached, and ADD said that it worked"
    ),
    ("DEL works on the node", "del.no-netns"): "it deleted trial-eth of the node, which has only …",
    ("DEL takes the node's interface", "del.netns-gone"): "it deleted eth0 of the node",
    ("DEL takes the bridge too", "del.spares-others"): "the other container is no longer plugged into trial…",
    ("the bridge has no MAC address of its own", "add.bridge-mac"): (
        "the bridge has no MAC address of its own: it took that of a cable that came later"
    ),
    ("the bridge has no MAC address of its own", "del.spares-others"): (
        "the other container no longer reaches its gateway 10.… has changed"
    ),
    ("DEL takes the gateway's address", "del.spares-others"): (
        "the other container no longer reaches its gateway 10.250.…"
    ),
    ("GC takes the other networks", "gc.spares-networks"): "the other container lost eth0",
    ("GC empties all books", "gc.spares-networks"): "an address of another network was given to a second container",
    ("the bridge is made if it is not there", "crowd.together"): "round … failed, the first with code 100: no bridge",
}  # fmt: skip


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_plugin_is_found_out(node: Node, how: str) -> None:
    text, found_out = BROKEN[how]
    told = {id: words for (whose, id), words in TOLD.items() if whose == how}
    ids = tuple(sorted(found_out | told.keys()))
    rows = cni.plugin(node, _broken(node, text), folders=("/run/broken", "/opt/cni/bin"), only=ids)
    for id in ids:
        assert rows[id].ok is False, f"{id}: {rows[id].seen}"
    for id, words in told.items():
        begin, _, end = words.partition("…")
        assert rows[id].seen.startswith(begin)
        assert rows[id].seen.endswith(end)


def test_who_works_in_the_wrong_place_does_not_cut_the_node_off(node: Node) -> None:
    before = names(node), [one.name for one in node.links()]
    config = _broken(node, BROKEN["DEL works on the node"][0])
    rows = cni.plugin(node, config, folders=("/run/broken", "/opt/cni/bin"), only="del.")
    assert {row.id for row in rows if row.ok is False} == {"del.netns-gone", "del.no-netns"}
    assert (names(node), [one.name for one in node.links()]) == before


def test_after_a_call_that_does_not_end_nothing_more_is_tried(node: Node) -> None:
    config = _broken(node, "import time\nif os.environ.get('CNI_COMMAND') == 'CHECK': time.sleep(60)\n")
    told: list[str] = []
    rows = cni.plugin(
        node, config, folders=("/run/broken", "/opt/cni/bin"), only="check.", timeout=3, progress=told.append
    )
    did_not_end = "CHECK did not end within 3 s and was killed"
    assert rows["check.well"].seen == f"CHECK failed: {did_not_end[6:]}"
    assert told == ["check.well"]
    assert {row.seen for row in rows[1:]} == {f"not tried, because {did_not_end}"}
    assert not any(row.ok for row in rows)


def test_a_plugin_that_does_not_even_say_its_version_is_not_tried(node: Node) -> None:
    config = _broken(node, "import time\ntime.sleep(60)\n")
    rows = cni.plugin(node, config, folders=("/run/broken", "/opt/cni/bin"), only="del.", timeout=1)
    assert {(row.ok, row.seen) for row in rows} == {
        (False, "not tried, because VERSION did not end within 1 s and was killed (broken)")
    }


@pytest.mark.parametrize(("answer", "key"), [([], 0), ({}, "eth0"), (None, "ips"), ("", "links")])
def test_what_the_suite_does_not_understand_is_a_row_and_no_traceback(
    node: Node, monkeypatch: pytest.MonkeyPatch, answer: Any, key: Any
) -> None:
    check = Check("one.only", "section 2", "A net.", lambda trial: str(answer[key]))
    monkeypatch.setattr(plugin_suite, "_CHECKS", (check,))
    (row,) = cni.plugin(node, OURS["lab-ptp"])
    assert row.ok is False
    assert re.fullmatch(
        r"the suite did not understand what it saw: \w+Error .+ in test_conformance_cni_plugin.py, line \d+", row.seen
    )


def test_every_requirement_has_a_plugin_that_breaks_it() -> None:
    assert {check.id for check in plugin_suite._CHECKS} == set().union(*(found_out for _, found_out in BROKEN.values()))
    assert {how for how, _ in TOLD} <= BROKEN.keys()
