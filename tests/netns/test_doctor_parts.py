"""What the trials are made of changes the kernel as the same command of a shell would."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from labhelpers.errors import BadInput, KernelFeatureMissing
from labhelpers.lab import Lab, Namespace
from labhelpers.linux import bpf, kinds, link, nfnetlink, qdisc, tun


@pytest.fixture
def red(lab: Lab) -> Namespace:
    return lab.namespace("red")


def seen(*command: str) -> Any:
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout or "[]")


def names_in_red() -> list[str]:
    return [one["ifname"] for one in seen("ip", "-n", "red", "-json", "link")]


@pytest.mark.parametrize("kind", sorted(kinds.KINDS))
def test_an_interface_of_any_kind_is_made_as_ip_would_make_it(lab: Lab, red: Namespace, kind: str) -> None:
    below = "low" if kinds.KINDS[kind].stacked else ""
    lab.namespace("blue")
    for place in ("red", "blue"):
        subprocess.run(["ip", "-n", place, "link", "add", "low", "type", "veth"], check=True)
    try:
        with red._kernel.changes() as changes:
            kinds.add(changes, "one", kind, on=below)
    except KernelFeatureMissing as error:
        by_ip = subprocess.run(error.command.split(), capture_output=True, text=True)
        assert "Unknown device type" in by_ip.stderr
        return
    (command,) = changes.done
    subprocess.run(command.replace(" -n red ", " -n blue ").split(), check=True)
    (ours,), (theirs,) = (
        seen("ip", "-n", place, "-json", "-details", "link", "show", "dev", "one") for place in ("red", "blue")
    )
    assert ours["linkinfo"]["info_kind"] == kind
    assert _data(ours) == _data(theirs)


def _data(link: dict[str, Any]) -> dict[str, Any]:
    """What is special to the kind, without what differs between any two bridges: a bridge's id is its MAC address."""
    data = link["linkinfo"].get("info_data", {})
    return {key: value for key, value in data.items() if key not in ("bridge_id", "root_id", "gc_timer")}


def test_an_interface_of_an_unknown_kind_is_bad_input(red: Namespace) -> None:
    with pytest.raises(BadInput, match="'token-ring' is no kind"), red._kernel.changes() as changes:
        kinds.add(changes, "one", "token-ring")


@pytest.mark.parametrize(("kind", "on"), [("macvlan", ""), ("bridge", "lo")])
def test_only_stacked_kinds_have_an_interface_below(red: Namespace, kind: str, on: str) -> None:
    with pytest.raises(BadInput, match="on top of another"), red._kernel.changes() as changes:
        kinds.add(changes, "one", kind, on=on)
    assert "one" not in names_in_red()


def test_clsact_is_seen_by_tc(red: Namespace) -> None:
    with red._kernel.changes() as changes:
        qdisc.add_clsact(changes, "lo")
    assert changes.done == ["tc -n red qdisc add dev lo clsact"]
    assert "clsact" in [one["kind"] for one in seen("tc", "-n", "red", "-json", "qdisc", "show", "dev", "lo")]


def test_an_isolated_port_is_seen_by_bridge_and_can_be_set_free(red: Namespace) -> None:
    with red._kernel.changes() as changes:
        kinds.add(changes, "switch", "bridge")
        kinds.add(changes, "port", "veth")
        link.set_master(changes, "port", "switch")
        link.set_isolated(changes, "port")
    show = ("bridge", "-n", "red", "-json", "-details", "link", "show", "dev", "port")
    assert seen(*show)[0]["isolated"] is True
    assert changes.done[-1] == "bridge -n red link set dev port isolated on"
    with red._kernel.changes() as changes:
        link.set_isolated(changes, "port", False)
    assert seen(*show)[0]["isolated"] is False


def test_a_tun_device_is_there_until_it_is_closed(red: Namespace) -> None:
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        with pytest.raises(PermissionError):
            tun.open_tun("mine")
        return
    fd = red._kernel.visit(lambda: tun.open_tun("mine"))
    (mine,) = seen("ip", "-n", "red", "-json", "-details", "link", "show", "dev", "mine")
    assert mine["linkinfo"]["info_data"]["type"] == "tun"
    os.close(fd)
    assert "mine" not in names_in_red()


def test_a_tun_device_needs_a_name_that_fits() -> None:
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises((BadInput, PermissionError)):
        tun.open_tun("a-name-that-is-much-too-long")
    assert set(os.listdir("/proc/self/fd")) == before


def test_rules_made_without_nft_are_seen_by_nft(red: Namespace) -> None:
    batch = [
        nfnetlink.table("inet", "mine"),
        nfnetlink.chain("inet", "mine", "in", "filter", 1, -5),
        nfnetlink.rule("inet", "mine", "in", ("counter", b"")),
    ]
    red._kernel.visit(lambda: nfnetlink.commit(batch))
    text = red.ruleset()
    assert "table inet mine" in text
    assert "type filter hook input priority filter - 5; policy accept;" in text
    assert "\t\tcounter" in text


def test_a_refused_change_takes_the_whole_batch_with_it(red: Namespace) -> None:
    batch = [nfnetlink.table("inet", "mine"), nfnetlink.rule("inet", "mine", "nowhere", ("counter", b""))]
    with pytest.raises(FileNotFoundError):
        red._kernel.visit(lambda: nfnetlink.commit(batch))
    assert red.ruleset() == ""


def test_a_program_that_is_none_is_refused() -> None:
    with pytest.raises(OSError, match=r"Invalid argument|not permitted"):
        bpf.load(bpf.SCHED_CLS, bytes(8))
