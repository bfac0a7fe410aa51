"""Identity and names: written in the kernel, fixed, and within what the kernel allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.errors import NotYours
from labhelpers.lab.fixed import host_link, mac_of_address, mac_of_link
from labhelpers.lab.label import Label
from labhelpers.linux import names
from labhelpers.linux.records import Link

WORD = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9./_-]{0,20}", fullmatch=True)
NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True)


@given(WORD, st.one_of(st.just(""), WORD), st.one_of(st.just(""), WORD), st.sampled_from(["", "lab", "cni", "kubelet"]))
def test_a_label_written_is_the_label_read(role: str, name: str, node: str, owner: str) -> None:
    label = Label(role, name, node, owner)
    assert Label.parse(str(label)) == label


@given(st.text(max_size=60))
def test_any_alias_can_be_read(alias: str) -> None:
    label = Label.parse(alias)
    assert label == Label() or "role=" in alias


def test_somebody_elses_note_is_no_label() -> None:
    assert Label.parse("uplink to the office, owner=me") == Label()


def test_the_label_is_the_alias_of_lo() -> None:
    lo = Link("lo", 1, "loopback", True, "unknown", "", 65536, alias="role=pod name=web owner=cni")
    eth0 = Link("eth0", 2, "veth", True, "up", "", 1500, alias="role=node name=liar owner=lab")
    assert Label.of((eth0, lo)) == Label("pod", "web", owner="cni")
    assert Label.of((eth0,)) == Label()


@pytest.mark.parametrize(("owner", "tool"), [("cni", "DEL"), ("kubelet", "kubectl")])
def test_what_belongs_to_another_is_left_alone_and_the_right_tool_named(owner: str, tool: str) -> None:
    with pytest.raises(NotYours, match=rf"web belongs to the {owner}, not to the lab\..*{tool}"):
        Label("pod", "web", owner=owner).require_lab_owns("web")


@pytest.mark.parametrize("owner", ["", "lab"])
def test_what_was_made_by_the_lab_or_by_hand_may_be_changed(owner: str) -> None:
    Label("pod", "web", owner=owner).require_lab_owns("web")


@given(NAME)
def test_every_pod_has_a_cable_with_a_name_the_kernel_takes(pod: str) -> None:
    link = host_link(pod)
    assert names.link_name(link) == link
    assert link == host_link(pod)
    assert link == f"veth-{pod}" or len(f"veth-{pod}") > 15


def test_long_names_that_begin_alike_have_different_cables() -> None:
    links = {host_link(f"frontend-deployment-{number}") for number in range(1000)}
    assert len(links) == 1000
    assert host_link("web") == "veth-web"
    assert host_link("frontend-deployment-0") == "veth9d2838b0"


@given(st.ip_addresses(v=4), NAME, NAME)
def test_every_mac_address_names_one_interface_and_is_not_a_makers(address: object, place: str, link: str) -> None:
    for mac in (mac_of_address(str(address)), mac_of_link(place, link)):
        assert names.mac(mac)[0] & 3 == 2, "locally administered, not a group (IEEE 802)"


def test_macs_are_readable_and_the_same_for_ever() -> None:
    assert mac_of_address("10.0.1.10") == "0a:58:0a:00:01:0a"
    assert mac_of_link("node-1", "cni0") == "02:cf:c5:b6:29:8b"
    assert mac_of_link("node-1", "cni0") != mac_of_link("node-2", "cni0")
