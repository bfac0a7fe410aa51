"""What the doctor tries is what README, the packages and the kernel's own headers say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from labhelpers.course.catalogue import CHAPTERS
from labhelpers.course.clinic.admission import FAULTS, NUMBERED
from labhelpers.course.clinic.ward import NEEDS
from labhelpers.doctor.features import FEATURES
from labhelpers.doctor.probe import Probe
from labhelpers.doctor.programs import PROGRAMS
from labhelpers.linux import constants as c
from labhelpers.linux.kinds import KINDS
from labhelpers.linux.netlink import attribute

CLONE = Path(__file__).resolve().parents[2]
#: README's words for what must be there
WORDS = {
    "user namespaces (or root)": {"user-namespaces"},
    "network, mount, pid, uts and ipc namespaces": {"namespaces"},
    "mounts": {"mounts"},
    "veth": {"veth"},
    "bridge": {"bridge"},
    "ICMP": {"ping"},
    "forwarding": {"forwarding"},
    "nf_tables": {"nft-tables"},
    "nf_tables with NAT": {"nft-tables", "nft-nat"},
    "nf_tables with NAT, nftrace, NFLOG and tproxy": {"nft-tables", "nft-nat", "nft-trace", "nft-log", "nft-tproxy"},
    "nf_tables where a switch forwards": {"nft-bridge"},
    "packet sockets": {"packet-sockets"},
    "raw sockets": {"raw-sockets"},
    "VXLAN": {"vxlan"},
    "nf_tables with nftrace, also where a switch forwards": {"nft-tables", "nft-trace", "nft-bridge"},
}
#: what a machine may lack although README names it: root needs no user namespaces
FORGIVEN = {"user-namespaces"}


def required(probes: tuple[Probe, ...], chapter: str) -> set[str]:
    return {one.id for one in probes if chapter in one.chapters and (not one.instead or one.id in FORGIVEN)}


def readme() -> dict[str, tuple[str, str]]:
    """The table of requirements: chapter, what of the kernel, which programs."""
    lines = re.findall(r"^\| (\d\d) [^|]*\| ([^|]*) \| ([^|]*) \|$", (CLONE / "README.md").read_text(), re.MULTILINE)
    return {number: (kernel, programs) for number, kernel, programs in lines}


def test_readme_has_a_line_for_every_chapter_written() -> None:
    assert list(readme()) == [chapter.number for chapter in CHAPTERS]


@pytest.mark.parametrize("chapter", [one.number for one in CHAPTERS])
def test_readme_requires_of_the_kernel_what_the_doctor_tries(chapter: str) -> None:
    terms = readme()[chapter][0].split("; ")
    same = required(FEATURES, "00") if "the same" in terms else set()
    named: set[str] = set().union(*(WORDS[term] for term in terms if term != "the same"))
    assert same | named == required(FEATURES, chapter)


@pytest.mark.parametrize("chapter", [one.number for one in CHAPTERS])
def test_readme_requires_the_programs_that_the_doctor_looks_for(chapter: str) -> None:
    files = {one.files[0] if one.files else one.id for one in PROGRAMS if one.id in required(PROGRAMS, chapter)}
    assert set(re.findall("`([a-z0-9]+)`", readme()[chapter][1])) == files


def test_the_part_of_the_clinic_that_needs_wireguard_is_its_case() -> None:
    wards = {number: FAULTS[id].ward for number, id in enumerate(NUMBERED, 1) if id in FAULTS}
    (case,) = [number for number, ward in wards.items() if ward in NEEDS]
    parts = {one.id: dict(one.parts) for one in (*FEATURES, *PROGRAMS) if "11" in dict(one.parts)}
    assert {id: part["11"] for id, part in parts.items()} == {
        "wireguard": f"case {case}", "tun": "", "wireguard-go": "",
    }  # fmt: skip


def test_the_set_up_installs_the_programs_of_the_chapters_written() -> None:
    numbers = {chapter.number for chapter in CHAPTERS}
    needed = {one.package for one in PROGRAMS if numbers & set(one.chapters)}
    installed = set((CLONE / "binder/apt.txt").read_text().split())
    # every Debian has util-linux; a kubectl is fetched where there is none
    assert needed - installed == {"util-linux", "kubernetes-client"}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("geneve", {"IFLA_GENEVE_ID": 1, "IFLA_GENEVE_REMOTE": "192.0.2.1"}),
        ("gre", {"IFLA_GRE_REMOTE": "192.0.2.1"}),
        ("ipip", {"IFLA_IPIP_REMOTE": "192.0.2.1"}),
        ("macvlan", {"IFLA_MACVLAN_MODE": "bridge"}),
        ("vlan", {"IFLA_VLAN_ID": 1}),
        ("vrf", {"IFLA_VRF_TABLE": 1}),
        ("vxlan", {"IFLA_VXLAN_ID": 1, "IFLA_VXLAN_PORT": 8472}),
    ],
)
def test_what_a_kind_is_made_with_is_what_pyroute2_reads(kind: str, said: dict[str, Any]) -> None:
    """Most kernels lack some kind, and would not notice an option written wrongly."""
    message = ifinfmsg.ifinfo.data_map[kind](attribute(c.IFLA_INFO_DATA, KINDS[kind].options))
    message.decode()
    assert dict(message["attrs"]) == said


def test_kinds_with_options_are_all_compared() -> None:
    assert {kind for kind, needs in KINDS.items() if needs.options} == {
        "geneve", "gre", "ipip", "macvlan", "vlan", "vrf", "vxlan",
    }  # fmt: skip
