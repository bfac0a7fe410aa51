"""Each verb of the linux layer does what its shell command does, and nothing else, as other programs see it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from labhelpers.linux import address, bridge, fdb, link, namespace, neighbour, route, rule, veth, vxlan
from labhelpers.linux.changes import Changes
from tests.netns.kernel import eventually, shell, state

QUIET = "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.addr_gen_mode=1;"
CABLE = (
    "ip link add d0 address 02:00:00:00:00:01 type veth peer name d1 address 02:00:00:00:00:02;"
    "ip link set d0 up; ip link set d1 up;"
)
ADDRESS = CABLE + "ip address add 10.0.0.1/24 brd + dev d0;"
SWITCH = "ip link add br0 up address 02:00:00:00:00:03 type bridge;" + CABLE
SIX = "sysctl -qw net.ipv6.conf.all.disable_ipv6=0;" + CABLE
TUNNEL = ADDRESS + "ip link add t0 address 02:00:00:00:00:06 type vxlan id 1 local 10.0.0.1 dev d0 dstport 8472;"
MAC, OTHER = "02:00:00:00:00:04", "02:00:00:00:00:05"

Verb = Callable[[Changes], None]
CASES: dict[str, tuple[str, Verb]] = {
    "link up": ("ip link add d0 address 02:00:00:00:00:03 type bridge", lambda do: link.up(do, "d0")),
    "lo up": ("", lambda do: link.up(do, "lo")),
    "link up, of a link called up": (
        "ip link add name up address 02:00:00:00:00:03 type bridge",
        lambda do: link.up(do, "up"),
    ),
    "link down": (ADDRESS, lambda do: link.down(do, "d0")),
    "mtu": (CABLE, lambda do: link.set_mtu(do, "d0", 1400)),
    "mac": (CABLE, lambda do: link.set_mac(do, "d0", MAC)),
    "alias": (CABLE, lambda do: link.set_alias(do, "d0", "it's role=pod $HOME")),
    "master": (SWITCH, lambda do: link.set_master(do, "d0", "br0")),
    "no master": (SWITCH + "ip link set d0 master br0", lambda do: link.set_master(do, "d0", "")),
    "isolated": (SWITCH + "ip link set d0 master br0", lambda do: link.set_isolated(do, "d0", True)),
    "not isolated": (
        SWITCH + "ip link set d0 master br0; bridge link set dev d0 isolated on",
        lambda do: link.set_isolated(do, "d0", False),
    ),
    "link delete": (SWITCH, lambda do: link.delete(do, "br0")),
    "link delete, both ends": (CABLE, lambda do: link.delete(do, "d1")),
    "links delete together": (SWITCH, lambda do: link.delete_together(do, ["br0", "d0"])),
    "links delete together, both ends": (SWITCH, lambda do: link.delete_together(do, ["d0", "d1"])),
    "links delete together, only one": (SWITCH, lambda do: link.delete_together(do, ["d0"])),
    "bridge": ("", lambda do: bridge.add(do, "br0", mac=MAC)),
    "bridge called br": ("", lambda do: bridge.add(do, "br", mac=MAC)),
    "bridge with an mtu": ("", lambda do: bridge.add(do, "br0", mac=MAC, mtu=9000)),
    "veth": ("", lambda do: veth.add(do, veth.Plug("a", MAC), veth.Plug("b", OTHER))),
    "veth with an mtu": ("", lambda do: veth.add(do, veth.Plug("a", MAC), veth.Plug("b", OTHER), mtu=68)),
    "veth up": ("", lambda do: veth.add(do, veth.Plug("a", MAC), veth.Plug("b", OTHER), up=True)),
    "veth on a bridge": (SWITCH, lambda do: veth.add(do, veth.Plug("a", MAC), veth.Plug("b", OTHER), master="br0")),
    "veth on a bridge, up": (
        SWITCH,
        lambda do: veth.add(do, veth.Plug("a", MAC), veth.Plug("b", OTHER), master="br0", up=True),
    ),
    "address": (CABLE, lambda do: address.add(do, "d0", "10.0.0.1/24")),
    "address with an odd block": (CABLE, lambda do: address.add(do, "d0", "10.0.3.7/22")),
    "address of a host": (CABLE, lambda do: address.add(do, "d0", "10.0.0.1/32")),
    "address of a point to point link": (CABLE, lambda do: address.add(do, "d0", "10.0.0.1/31")),
    "second address": (ADDRESS, lambda do: address.add(do, "d0", "10.0.0.2/24")),
    "address on lo": ("", lambda do: address.add(do, "lo", "127.0.0.53/8")),
    "IPv6 address": (SIX, lambda do: address.add(do, "d0", "fd00::1/64")),
    "address delete": (ADDRESS, lambda do: address.delete(do, "d0", "10.0.0.1/24")),
    "IPv6 address delete": (
        SIX + "ip address add fd00::1/64 dev d0",
        lambda do: address.delete(do, "d0", "fd00::1/64"),
    ),
    "default route": (ADDRESS, lambda do: route.add(do, "default", via="10.0.0.9")),
    "route by a router": (ADDRESS, lambda do: route.add(do, "10.1.0.0/16", via="10.0.0.9")),
    "route by a router and an interface": (
        ADDRESS,
        lambda do: route.add(do, "10.1.0.0/16", via="10.0.0.9", device="d0"),
    ),
    "route by an interface": (ADDRESS, lambda do: route.add(do, "10.1.0.0/16", device="d0")),
    "route to a host": (ADDRESS, lambda do: route.add(do, "10.1.2.3/32", device="d0")),
    "default route by an interface": (ADDRESS, lambda do: route.add(do, "default", device="d0")),
    "IPv6 route": (
        SIX + "ip address add fd00::1/64 dev d0",
        lambda do: route.add(do, "fd01::/64", via="fd00::9"),
    ),
    "IPv6 default route": (
        SIX + "ip address add fd00::1/64 dev d0",
        lambda do: route.add(do, "default", via="fd00::9"),
    ),
    "route delete": (ADDRESS + "ip route add 10.1.0.0/16 via 10.0.0.9", lambda do: route.delete(do, "10.1.0.0/16")),
    "route delete, one of two": (
        ADDRESS + "ip route add 10.1.0.0/16 via 10.0.0.9; ip route append 10.1.0.0/16 via 10.0.0.8",
        lambda do: route.delete(do, "10.1.0.0/16", via="10.0.0.8"),
    ),
    "route delete, by interface": (
        ADDRESS + "ip route add 10.1.0.0/16 dev d1; ip route append 10.1.0.0/16 dev d0",
        lambda do: route.delete(do, "10.1.0.0/16", device="d0"),
    ),
    "route by a router that no subnet has": (
        ADDRESS,
        lambda do: route.add(do, "10.1.0.0/16", via="10.7.0.9", device="d0", onlink=True),
    ),
    "route for smaller packets": (ADDRESS, lambda do: route.add(do, "10.1.0.0/16", via="10.0.0.9", mtu=1400)),
    "IPv6 route for smaller packets": (
        SIX + "ip address add fd00::1/64 dev d0",
        lambda do: route.add(do, "fd01::/64", via="fd00::9", mtu=1400),
    ),
    "route in another table": (ADDRESS, lambda do: route.add(do, "10.1.0.0/16", device="d0", table=1)),
    "route in a table of a large number": (
        ADDRESS,
        lambda do: route.add(do, "10.1.0.0/16", via="10.0.0.9", table=1000),
    ),
    "route delete, in another table": (
        ADDRESS + "ip route add 10.1.0.0/16 dev d0; ip route add 10.1.0.0/16 dev d0 table 1",
        lambda do: route.delete(do, "10.1.0.0/16", device="d0", table=1),
    ),
    "route delete, by who made it": (
        ADDRESS + "ip route add 10.1.0.0/16 dev d0; ip route add blackhole 10.1.0.0/16 metric 32 proto bird",
        lambda do: route.delete(do, "10.1.0.0/16", protocol="bird"),
    ),
    "rule": ("", lambda do: rule.add(do, 99, 1)),
    "rule by mark": ("", lambda do: rule.add(do, 99, 1000, mark=7)),
    "rule by all but a mark": (
        "",
        lambda do: rule.add(do, 99, 1, mark=0x200000, mask=0x200000, inverted=True),
    ),
    "rule delete": (
        "ip rule add priority 99 lookup 1; ip rule add priority 99 not fwmark 0x200000/0x200000 lookup 1",
        lambda do: rule.delete(do, 99, 1, mark=0x200000, mask=0x200000, inverted=True),
    ),
    "default route delete": (ADDRESS + "ip route add default via 10.0.0.9", lambda do: route.delete(do, "default")),
    "neighbour": (ADDRESS, lambda do: neighbour.add(do, "10.0.0.9", MAC, "d0")),
    "neighbour again": (
        ADDRESS + f"ip neighbour add 10.0.0.9 lladdr {OTHER} dev d0",
        lambda do: neighbour.add(do, "10.0.0.9", MAC, "d0"),
    ),
    "IPv6 neighbour": (SIX, lambda do: neighbour.add(do, "fd00::9", MAC, "d0")),
    "neighbour delete": (
        ADDRESS + f"ip neighbour add 10.0.0.9 lladdr {MAC} dev d0",
        lambda do: neighbour.delete(do, "10.0.0.9", "d0"),
    ),
    "fdb": (SWITCH + "ip link set d0 master br0", lambda do: fdb.add(do, MAC, "d0")),
    "fdb delete": (
        SWITCH + f"ip link set d0 master br0; bridge fdb add {MAC} dev d0 master static",
        lambda do: fdb.delete(do, MAC, "d0"),
    ),
    "VXLAN": (ADDRESS, lambda do: vxlan.add(do, "t0", vni=1, mac=MAC, device="d0", local="10.0.0.1")),
    "VXLAN that learns from a group": (
        ADDRESS,
        lambda do: vxlan.add(
            do, "t0", vni=16777215, mac=MAC, device="d0", local="10.0.0.1", port=4789, group="239.1.1.1", learning=True
        ),
    ),
    "VXLAN fdb": (TUNNEL, lambda do: fdb.set_remote(do, MAC, "t0", "10.0.0.9")),
    "VXLAN fdb again": (
        TUNNEL + f"bridge fdb add {MAC} dev t0 dst 10.0.0.8 self permanent",
        lambda do: fdb.set_remote(do, MAC, "t0", "10.0.0.9"),
    ),
    "VXLAN fdb of everybody, a second time": (
        TUNNEL + f"bridge fdb add {fdb.EVERYBODY} dev t0 dst 10.0.0.8 self permanent",
        lambda do: fdb.set_remote(do, fdb.EVERYBODY, "t0", "10.0.0.9"),
    ),
    "VXLAN fdb delete": (
        TUNNEL + f"bridge fdb add {MAC} dev t0 dst 10.0.0.9 self permanent",
        lambda do: fdb.delete_remote(do, MAC, "t0", "10.0.0.9"),
    ),
    "VXLAN fdb delete, one of everybody's two": (
        TUNNEL
        + f"bridge fdb add {fdb.EVERYBODY} dev t0 dst 10.0.0.8 self permanent;"
        + f"bridge fdb append {fdb.EVERYBODY} dev t0 dst 10.0.0.9 self permanent",
        lambda do: fdb.delete_remote(do, fdb.EVERYBODY, "t0", "10.0.0.8"),
    ),
}


@pytest.fixture
def twins() -> Iterator[tuple[str, str]]:
    """Two namespaces, alike."""
    shell("ip netns add by-helper; ip netns add by-shell")
    yield "by-helper", "by-shell"
    shell("ip netns delete by-helper; ip netns delete by-shell")


@pytest.mark.parametrize("case", CASES)
def test_a_verb_does_what_its_command_does(twins: tuple[str, str], case: str) -> None:
    prepare, verb = CASES[case]
    helped, typed = twins
    if case.startswith("VXLAN") and not _has_vxlan(helped):
        pytest.skip("this kernel has no vxlan")
    for name in twins:
        shell(QUIET + prepare, name)
    _wait_until_alike(helped, typed)
    before = state(helped)
    with namespace.attach(helped).changes() as changes:
        verb(changes)
    for command in changes.done:
        assert command.split()[1:3] == ["-n", helped]
        shell(command.replace(f"-n {helped} ", f"-n {typed} "))
    _wait_until_alike(helped, typed)
    assert state(helped) != before


def _has_vxlan(name: str) -> bool:
    script = "if ip link add t0 type vxlan id 1 dstport 8472; then ip link delete t0; echo yes; fi"
    return shell(script, name) == "yes"


def _wait_until_alike(one: str, other: str) -> None:
    """The kernel notices a little later which interfaces have a signal."""
    if not eventually(lambda: state(one) == state(other)):
        assert state(one) == state(other)


def test_a_cable_to_another_namespace_is_born_there(twins: tuple[str, str]) -> None:
    here, there = (namespace.attach(name) for name in twins)
    fd = there.open()
    try:
        with here.changes() as changes:
            far = veth.Plug("eth0", OTHER, there.name, fd, index=42)
            veth.add(changes, veth.Plug("out", MAC, index=7), far, mtu=1300)
    finally:
        os.close(fd)
    helped = state(here.name), state(there.name)
    (command,) = changes.done
    shell(f"ip -n {here.name} link delete out")
    shell(command)
    assert eventually(lambda: (state(here.name), state(there.name)) == helped)
