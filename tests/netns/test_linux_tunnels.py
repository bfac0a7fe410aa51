"""Tunnel devices: what cannot be, and what this kernel may not have."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from labhelpers.errors import BadInput, KernelFeatureMissing, LabError
from labhelpers.linux import ipip, namespace, route, vxlan
from labhelpers.linux.netlink import NetlinkRefusal
from tests.netns.kernel import eventually, ip, links, shell


@pytest.fixture
def place() -> Iterator[str]:
    """A namespace with an address on a cable."""
    shell(
        "ip netns add place; ip -n place link add d0 type veth peer name d1;"
        "ip -n place address add 10.0.0.1/24 dev d0; ip -n place link set d0 up; ip -n place link set d1 up"
    )
    yield "place"
    shell("ip netns delete place")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"vni": 1 << 24}, "16777216 is no VXLAN network identifier.*16777215"),
        ({"vni": "1"}, "'1' is no VXLAN"),
        ({"local": "fd00::1"}, "fd00::1 is IPv6"),
        ({"group": "everybody"}, "'everybody' is not an IP address"),
        ({"mac": "everybody"}, "'everybody' is not a MAC address"),
        ({"device": "d7"}, "There is no interface 'd7'"),
    ],
)
def test_a_vxlan_that_cannot_be_is_refused(place: str, options: dict[str, object], words: str) -> None:
    usual = {"vni": 1, "mac": "02:00:00:00:00:01", "device": "d0", "local": "10.0.0.1"}
    before = links(place)
    with pytest.raises(LabError, match=words), namespace.attach(place).changes() as changes:
        vxlan.add(changes, "t0", **{**usual, **options})  # type: ignore[arg-type]
    assert links(place).keys() == before.keys()


def test_ipip_is_made_or_said_to_be_missing(place: str) -> None:
    """Both are fine; which of them is the kernel's matter, and ``ip`` must find the same."""
    if ipip.waits_for_first_use():
        pytest.skip("the module ipip is not loaded, and loading it would be seen on the whole machine")
    by_shell = subprocess.run(
        ["ip", "-n", place, "link", "add", "t1", "type", "ipip", "local", "10.0.0.1"], capture_output=True, text=True
    )
    shell(f"ip -n {place} link delete t1 2>/dev/null || true")
    if by_shell.returncode == 0:
        with namespace.attach(place).changes() as changes:
            ipip.add(changes, "t0", local="10.0.0.1")
        assert links(place)["t0"]["linkinfo"]["info_data"]["local"] == "10.0.0.1"
    else:
        command = r"`ip -n place link add t0 type ipip local 10\.0\.0\.1`"
        with pytest.raises(KernelFeatureMissing, match=command), namespace.attach(place).changes() as changes:
            ipip.add(changes, "t0", local="10.0.0.1")
        assert "t0" not in links(place)


def test_the_kernel_is_asked_for_the_way(place: str) -> None:
    shell("ip route add 10.1.0.0/16 via 10.0.0.9; ip route add 10.1.2.0/24 via 10.7.0.9 dev d0 onlink", place)
    with namespace.attach(place).socket() as socket:
        index = links(place)["d0"]["ifindex"]
        for destination, router in (("10.0.0.7", ""), ("10.1.1.1", "10.0.0.9"), ("10.1.2.1", "10.7.0.9")):
            assert route.get(socket, destination) == (router, index, "unicast")
            (said,) = ip("route", "get", destination, namespace=place)
            assert said.get("gateway", "") == router
        with pytest.raises(NetlinkRefusal, match="unreachable"):
            route.get(socket, "10.200.0.1")
        with pytest.raises(BadInput, match="not an IP address"):
            route.get(socket, "somewhere")


PROGRAM = [sys.executable, "-I", "-m", "labhelpers.linux.ipip_tunnel"]


def _start(place: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ip", "netns", "exec", place, *PROGRAM, *arguments], capture_output=True, text=True, timeout=20
    )


def test_the_tunnel_program_ends_with_its_device(place: str) -> None:
    done = _start(place, "tunl0", "10.0.0.1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert links(place)["tunl0"]["linkinfo"]["info_kind"] == "tun"
    assert len(shell(f"ip netns pids {place}").split()) == 1
    shell(f"ip -n {place} link delete tunl0")
    assert eventually(lambda: shell(f"ip netns pids {place}") == "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tunl0",), "usage: python -m labhelpers.linux.ipip_tunnel DEVICE LOCAL-ADDRESS"),
        (("d0", "10.0.0.1"), "d0: invalid argument"),
        (("tunl0", "10.99.0.1"), "tunl0: cannot assign requested address"),
    ],
)
def test_the_tunnel_program_says_why_it_does_not_start(place: str, arguments: tuple[str, ...], words: str) -> None:
    done = _start(place, *arguments)
    assert (done.returncode, done.stderr.strip()) == (1, words)
    assert "tunl0" not in links(place)
    assert shell(f"ip netns pids {place}") == ""
