"""From what a trial came to, to the right word and the right advice."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from labhelpers.doctor.features import FEATURES
from labhelpers.doctor.machine import Machine
from labhelpers.doctor.probe import Feature, Outcome, Program, chapters
from labhelpers.doctor.programs import PROGRAMS
from labhelpers.doctor.verdict import ANOTHER_WAY, MISSING, NOT_TRIED, PROBES, WORKS, Row, rows

DEBIAN = Machine("6.1.0-13-amd64", "x86_64", "Debian GNU/Linux 12 (bookworm)", ("debian",))
EVERYTHING = {probe.id: Outcome(True) for probe in PROBES}
NOT_BUILT = Outcome(False, "Unknown device type", errno.EOPNOTSUPP)
NOT_ALLOWED = Outcome(False, "Operation not permitted", errno.EPERM)
ABSENT = Outcome(False, "not in /usr/bin")


def row(id: str, machine: Machine | None = None, /, **outcomes: Outcome) -> Row:
    """The row of ``id`` where everything works but these."""
    given = {name.replace("_", "-"): outcome for name, outcome in outcomes.items()}
    return next(one for one in rows({**EVERYTHING, **given}, machine or DEBIAN) if one.id == id)


def test_what_works_needs_no_advice() -> None:
    assert {(one.status, one.to_do) for one in rows(EVERYTHING, DEBIAN)} == {(WORKS, "")}


def test_what_nobody_answered_was_not_tried() -> None:
    assert {one.status for one in rows({}, DEBIAN)} == {NOT_TRIED}


def test_a_kernel_without_a_feature_goes_another_way_if_that_one_works() -> None:
    found = row("ipip", ipip=NOT_BUILT)
    assert found.status == ANOTHER_WAY
    assert found.to_do == (
        "this kernel was built without it; the course takes another way: a program with a TUN device"
    )
    assert found.said == "Unknown device type"
    assert found


def test_another_way_that_lacks_something_is_none() -> None:
    found = row("ipip", ipip=NOT_BUILT, tun=NOT_ALLOWED)
    assert found.status == MISSING
    assert found.to_do == (
        "this kernel was built without it, and the other way, a program with a TUN device, lacks TUN"
    )
    assert not found


def test_two_ways_stand_in_for_each_other_but_not_both_for_nothing() -> None:
    assert row("bridge-isolation", bridge_isolation=NOT_BUILT).status == ANOTHER_WAY
    assert row("br-netfilter", br_netfilter=NOT_BUILT).status == ANOTHER_WAY
    both = {"bridge_isolation": NOT_BUILT, "br_netfilter": NOT_BUILT}
    assert row("bridge-isolation", **both).status == row("br-netfilter", **both).status == MISSING


def test_a_feature_without_another_way_is_missing() -> None:
    found = row("veth", veth=NOT_BUILT)
    assert (found.status, found.to_do) == (MISSING, "this kernel was built without it")


def test_a_kernel_of_modules_that_has_none_for_it_says_so() -> None:
    found = row("netkit", replace(DEBIAN, modular=True), netkit=NOT_BUILT)
    assert found.to_do == "this kernel has no module for it; the course takes another way: a veth"


@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES])
def test_what_is_for_root_is_told_to_others_and_not_to_root(code: int) -> None:
    denied = Outcome(False, "no", code)
    assert row("bpf", bpf=denied).to_do == (
        "not permitted here; the course takes another way: nf_tables where packets enter. "
        "To have it all the same: start the notebook as root"
    )
    assert row("bpf", replace(DEBIAN, root=True), bpf=denied).to_do == (
        "not permitted here; the course takes another way: nf_tables where packets enter"
    )


def test_a_device_file_that_may_not_be_opened_can_be_opened_up() -> None:
    found = row("tun", tun=NOT_ALLOWED, ipip=NOT_BUILT)
    assert found.to_do == "not permitted here: sudo chmod 666 /dev/net/tun"


@pytest.mark.parametrize("kind", ["net", "mnt", "pid", "uts", "ipc"])
def test_a_limit_of_zero_is_named(kind: str) -> None:
    found = row("namespaces", namespaces=Outcome(False, "No space left on device", errno.ENOSPC, kind))
    assert (found.status, found.to_do) == (
        MISSING,
        f"a limit forbids it: sudo sysctl -w user.max_{kind}_namespaces=10000",
    )


def test_a_sandbox_that_is_there_needs_no_further_user_namespace() -> None:
    assert row("user-namespaces", user_namespaces=NOT_ALLOWED).status == ANOTHER_WAY
    limit = Outcome(False, "No space left on device", errno.ENOSPC, "net")
    assert row("user-namespaces", user_namespaces=NOT_ALLOWED, namespaces=limit).status == MISSING


def test_a_refusal_the_course_does_not_know_is_shown_in_the_kernels_words() -> None:
    assert row("veth", veth=Outcome(False, "Argument list too long", errno.E2BIG)).to_do == (
        "it did not work: Argument list too long"
    )


@pytest.mark.parametrize(
    ("program", "package"),
    [
        ("ip", "iproute2"),
        ("nft", "nftables"),
        ("ping-program", "iputils-ping"),
        ("kubectl", "kubernetes-client"),
        ("cni-plugins", "containernetworking-plugins"),
        ("bird", "bird2"),
    ],
)
def test_a_missing_program_names_its_package(program: str, package: str) -> None:
    found = row(program, **{program.replace("-", "_"): ABSENT})
    assert (found.status, found.to_do) == (MISSING, f"not installed: sudo apt-get install {package}")
    fedora = row(program, replace(DEBIAN, family=("fedora",)), **{program.replace("-", "_"): ABSENT})
    assert fedora.to_do == f"not installed: install what Debian calls {package}"


def test_a_program_with_another_way_says_both() -> None:
    found = row("tcpdump", tcpdump=ABSENT)
    assert found.status == ANOTHER_WAY
    assert found.to_do == (
        "not installed; the course takes another way: the course's own captures. "
        "To have it all the same: sudo apt-get install tcpdump"
    )
    assert row("tcpdump", tcpdump=ABSENT, packet_sockets=NOT_ALLOWED).status == MISSING


def test_an_outcome_that_is_not_known_is_not_called_missing() -> None:
    found = row("ipip", ipip=Outcome(None, "the module ipip is not loaded"))
    assert (found.status, found.to_do) == (NOT_TRIED, "the module ipip is not loaded")
    assert not found


# ---- the declarations


def test_ids_are_given_once() -> None:
    ids = [probe.id for probe in PROBES]
    assert len(ids) == len(set(ids))


def test_another_way_needs_probes_that_there_are_and_never_itself() -> None:
    ids = {probe.id for probe in PROBES}
    for probe in PROBES:
        if probe.instead:
            assert set(probe.instead.needs) <= ids - {probe.id}


def test_every_probe_touches_a_chapter_and_names_differ_within_a_kind() -> None:
    found = rows(EVERYTHING, DEBIAN)
    assert all(one.chapters for one in found)
    names = [(one.kind, one.name) for one in found]
    assert len(names) == len(set(names))


def test_what_the_issue_of_a_preflight_is_about_is_all_there() -> None:
    kinds = "veth bridge vxlan macvlan dummy ipvlan vlan vrf ipip gre geneve wireguard netkit tun"
    others = "user-namespaces namespaces mounts overlay packet-sockets raw-sockets ping ipv6 bpf clsact tracepoints"
    nft = "nft-tables nft-nat nft-trace nft-log nft-tproxy nft-netdev nft-bridge bridge-isolation br-netfilter"
    assert {feature.id for feature in FEATURES} == set(f"{kinds} {others} {nft} raw-tracepoints forwarding".split())
    assert all(isinstance(one, Feature) for one in FEATURES)
    assert all(isinstance(one, Program) for one in PROGRAMS)


def test_ranges_of_chapters_are_written_out() -> None:
    assert chapters("00-02", "06", "09-10") == ("00", "01", "02", "06", "09", "10")
