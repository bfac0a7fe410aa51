"""IPIP: a packet in a packet, by the kernel or by a program, and the way the kernel's routes say."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from labhelpers.errors import KernelFeatureMissing
from labhelpers.lab import Lab, Node, checkpoint
from labhelpers.networks.route import IpInIp
from tests.netns.carriers import node_of, state, three_nodes
from tests.netns.everything import Everything
from tests.netns.kernel import eventually, ip, links, shell
from tests.netns.wire import Outer, outer_of_packet, recorded


def _is_ipip(packet: Outer) -> bool:
    return packet.protocol == 4


def test_calicos_device_and_one_route_for_each_node(lab: Lab) -> None:
    lab = three_nodes()
    with IpInIp(lab) as carrier:
        device = links("node-1")["tunl0"]
        kind = device["linkinfo"]["info_kind"]
        assert {"ipip": "the kernel's ipip device", "tun": "a TUN device and a program"}[kind] in carrier.way
        assert (device["mtu"], "UP" in device["flags"]) == (1480, True)
        assert [(one["local"], one["prefixlen"]) for one in device["addr_info"]] == [("10.0.1.0", 32)]
        routes = ip("route", "show", "dev", "tunl0", namespace="node-1")
        assert {(one["dst"], one["gateway"], *one["flags"]) for one in routes} == {
            ("10.0.2.0/24", "192.168.1.11", "onlink"),
            ("10.0.3.0/24", "192.168.1.12", "onlink"),
        }


def test_a_packet_travels_in_a_packet_of_the_nodes(lab: Lab) -> None:
    lab = checkpoint("06")
    with IpInIp(lab), recorded(lab["node-2"]) as wire:
        assert lab["pod-a"].ping("pod-c")
        seen = wire.wait_for(lambda packet: packet.source == "192.168.1.11")
    assert [(one.source, one.destination, one.protocol, one.ttl, one.length) for one in seen] == [
        ("192.168.1.10", "192.168.1.11", 4, 63, 84 + 20),
        ("192.168.1.11", "192.168.1.10", 4, 63, 84 + 20),
    ], "the outer TTL is that of the inner packet, which node-1 has forwarded"
    inside = [outer_of_packet(packet.payload) for packet in seen]
    assert [(one.source, one.destination, one.protocol, one.ttl, one.length) for one in inside] == [
        ("10.0.1.10", "10.0.2.10", 1, 63, 84),
        ("10.0.2.10", "10.0.1.10", 1, 63, 84),
    ]


def test_the_outer_packet_follows_the_kernels_route(lab: Lab) -> None:
    lab = three_nodes()
    with IpInIp(lab), recorded(lab["node-1"]) as wire:
        assert lab["pod-a"].ping("pod-c")
        # somebody teaches the node another way to one of the pods
        shell("ip route add 10.0.2.10/32 via 192.168.1.12 dev tunl0 onlink", "node-1")
        assert lab["pod-a"].ping("pod-c"), "by node-3, which knows the way too"
        assert lab["pod-a"].ping("pod-d")
        shell("ip route delete 10.0.2.10/32", "node-1")
        assert lab["pod-a"].ping("pod-c")
        out = [packet for packet in wire.packets() if _is_ipip(packet) and packet.source == "192.168.1.10"]
    assert [packet.destination[-2:] for packet in out] == ["11", "12", "11", "11"]


@pytest.mark.parametrize("ttl", [2, 3, 255])
def test_the_outer_ttl_is_the_inner_one(lab: Lab, ttl: int) -> None:
    lab = checkpoint("06")
    with IpInIp(lab), recorded(lab["node-2"]) as wire:
        said = lab["pod-a"].run(f"ping -c 1 -W 1 -t {ttl} 10.0.2.10")
        seen = [one for one in wire.packets() if one.source == "192.168.1.10" and _is_ipip(one)]
        assert [(one.ttl, outer_of_packet(one.payload).ttl) for one in seen] == [(ttl - 1, ttl - 1)]
    assert said.ok == (ttl > 2), "a TTL of 2 ends on node-2"


def test_a_packet_that_is_too_long_is_answered_and_not_lost(lab: Lab) -> None:
    lab = checkpoint("06")
    with IpInIp(lab), recorded(lab["pod-a"]) as wire:
        said = lab["pod-a"].run("ping -M do -s 1472 -c 1 -W 1 10.0.2.10")
        assert "mtu = 1480" in str(said)
        (answer,) = (one for one in wire.packets() if one.source == "10.0.1.1")
        assert (answer.protocol, answer.payload[0], answer.payload[1]) == (1, 3, 4), "fragmentation needed"
        assert lab["pod-a"].run("ping -M do -s 1452 -c 1 -W 1 10.0.2.10").ok


def test_strange_packets_do_not_end_it(lab: Lab) -> None:
    """Protocol 4 with nothing, rubbish, or half a header inside; a packet without a router; half a packet."""
    lab = checkpoint("06")
    with IpInIp(lab) as carrier:
        with lab["node-2"]._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 4)) as raw:
            for rubbish in (b"", b"\x45", b"\x00" * 40, b"\xff" * 1400, b"\x45\x00\x00\x14" + bytes(16)):
                raw.sendto(rubbish, ("192.168.1.10", 0))
        with lab["node-1"]._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)) as raw:
            raw.bind(("10.0.1.0", 0))
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"tunl0")
            raw.sendto(b"nobody", ("10.77.0.1", 0))
        with lab["node-1"]._kernel.visit(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)) as inject:
            for rubbish in (b"\x45", b"\x45" * 19, b"\x60" * 60):
                inject.sendto(rubbish, ("tunl0", 0x0800))
        assert all(one.ok for one in carrier.status())
        assert lab["pod-a"].ping("pod-c")


def _needs_program(carrier: IpInIp) -> None:
    if "program" not in carrier.way:
        pytest.skip("this kernel has its own IPIP")


def _programs(node: Node) -> list[int]:
    found = []
    for pid in shell(f"ip netns pids {node.name}").split():
        with suppress(OSError):  # it has ended since
            if b"ipip_tunnel" in Path("/proc", pid, "cmdline").read_bytes():
                found.append(int(pid))
    return found


def test_a_program_that_dies_is_noticed_and_started_again(lab: Lab) -> None:
    lab = checkpoint("06")
    before = state()
    with IpInIp(lab) as carrier:
        _needs_program(carrier)
        node = node_of(lab, "node-1")
        (pid,) = _programs(node)
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: "tunl0" not in links("node-1"))
        (broken,) = (one for one in carrier.status() if not one.ok)
        assert (broken.node, broken.missing) == ("node-1", "the device tunl0: its program has ended")
        assert not lab["pod-a"].ping("pod-c", timeout=0.3)
        carrier.node_added(node)
        assert lab["pod-a"].ping("pod-c")
        (pid,) = _programs(node_of(lab, "node-2"))
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not _programs(node_of(lab, "node-1")))
    assert state() == before


def test_the_programs_end_with_their_nodes(lab: Lab) -> None:
    lab = checkpoint("06")
    with IpInIp(lab) as carrier:
        _needs_program(carrier)
        (pid,) = _programs(node_of(lab, "node-2"))
        lab["node-2"].delete()
        assert eventually(lambda: not os.path.exists(f"/proc/{pid}"))


def test_without_module_and_tun_it_is_said(lab: Lab) -> None:
    lab = checkpoint("06")
    with IpInIp(lab) as carrier:
        _needs_program(carrier)
    before = Everything.now(lab)
    lab["node-2"].run("mount --bind /dev/null /dev/net/tun", check=True)
    try:
        with pytest.raises(KernelFeatureMissing, match=r"There is no IPIP in this kernel, and no TUN device"):
            IpInIp(lab)
    finally:
        lab["node-2"].run("umount /dev/net/tun", check=True)
    assert Everything.now(lab) == before
