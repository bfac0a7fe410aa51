"""Packets that no longer fit once a carrier has wrapped them: what the kernel does, how it is broken, what cures it."""

from __future__ import annotations

import struct

import pytest

from labhelpers.lab import Lab, Pod, checkpoint
from labhelpers.linux.delivery import Receipt, Receivers, deliver
from labhelpers.networks.route import Carrier
from tests.netns.carriers import CARRIERS
from tests.netns.kernel import links, shell
from tests.netns.wire import Outer, recorded

pytestmark = pytest.mark.once

MUCH = bytes(range(256)) * 256  # 64 KiB
TUNNELS = pytest.mark.parametrize(
    "carrier", [one for one in CARRIERS if one.overhead], ids=lambda one: str(one.__name__)
)
#: what a careless administrator writes: "drop all ICMP, it is only ping"
NO_ICMP = (
    "nft add table ip careless; nft add chain ip careless out '{ type filter hook output priority 0; }';"
    "nft add rule ip careless out icmp type destination-unreachable counter drop"
)


def _pod(lab: Lab, name: str) -> Pod:
    pod = lab[name]
    assert isinstance(pod, Pod)
    return pod


def _send(lab: Lab, data: bytes = MUCH, *, timeout: float = 1.5) -> Receipt:
    """From pod-a to pod-c by TCP."""
    target = _pod(lab, "pod-c")
    with Receivers([target._kernel], 7001):
        return deliver(lab["pod-a"]._kernel, target.address, 7001, "TCP", data, timeout=timeout)


def _segments(packets: list[Outer]) -> list[tuple[int, int]]:
    """Sequence number and length of the packets with data that pod-a sent, by TCP (RFC 9293, section 3.1)."""
    found = []
    for one in packets:
        if one.source == "10.0.1.10" and one.protocol == 6:
            (sequence,) = struct.unpack_from("!I", one.payload, 4)
            header = (one.payload[12] >> 4) * 4
            if len(one.payload) > header:
                found.append((sequence, one.length))
    return found


def _no_offload(lab: Lab) -> None:
    """The kernel would hand over one packet of 64 KiB and cut it late; on a real wire it is cut before."""
    for name, device in (("pod-a", "eth0"), ("pod-c", "eth0"), ("node-1", "veth-pod-a"), ("node-2", "veth-pod-c")):
        shell(f"ip link set {device} gso_max_segs 1 gso_max_size 1500", name)


@TUNNELS
def test_a_sender_is_told_and_sends_smaller_packets(lab: Lab, carrier: type[Carrier]) -> None:
    lab = checkpoint("06")
    with carrier(lab) as made, recorded(lab["pod-a"]) as wire:
        assert links("pod-a")["eth0"]["mtu"] == 1500
        assert _send(lab).ok
        told = [one for one in wire.packets() if one.source == "10.0.1.1" and one.payload[0:2] == b"\x03\x04"]
        assert told, "fragmentation needed"
        (mtu,) = struct.unpack_from("!H", told[0].payload, 6)
        assert mtu == made.pod_mtu


@TUNNELS
def test_where_nobody_may_tell_it_a_transfer_stalls_and_a_smaller_mtu_cures_it(
    lab: Lab, carrier: type[Carrier]
) -> None:
    lab = checkpoint("06")
    _no_offload(lab)
    with carrier(lab) as made:
        shell(NO_ICMP, "node-1")
        assert lab["pod-a"].ping("pod-c"), "everything looks well"
        assert _send(lab, b"a few bytes").ok
        with recorded(lab["node-1"], "veth-pod-a") as inside, recorded(lab["node-1"], made.device) as tunnel:
            lost = _send(lab)
            sent, carried = _segments(inside.packets()), _segments(tunnel.packets())
        assert (lost.ok, lost.error) == (False, "no receipt within 1.5 s")
        large = [segment for segment in sent if segment[1] > made.pod_mtu]
        assert {length for _, length in large} == {1500}
        assert not [segment for segment in carried if segment[1] > made.pod_mtu]
        assert len(large) > len(set(large)), "sent again and again"
        made.fit_pods()
        assert {links(pod)["eth0"]["mtu"] for pod in ("pod-a", "pod-b", "pod-c", "pod-d")} == {made.pod_mtu}
        assert links("node-1")["veth-pod-a"]["mtu"] == made.pod_mtu
        assert _send(lab).ok
        # it was the MTU that cured it: with the old one it stalls again
        lab["pod-a"].set_mtu("eth0", 1500)
        lab["node-1"].set_mtu("veth-pod-a", 1500)
        lab["pod-c"].set_mtu("eth0", 1500)
        lab["node-2"].set_mtu("veth-pod-c", 1500)
        assert not _send(lab).ok


@TUNNELS
def test_a_route_with_an_mtu_cures_it_too(lab: Lab, carrier: type[Carrier]) -> None:
    lab = checkpoint("06")
    with carrier(lab) as made:
        shell(NO_ICMP, "node-1")
        assert not _send(lab).ok
        shell(f"ip route change default via 10.0.1.1 mtu {made.pod_mtu}", "pod-a")
        assert _send(lab).ok
        assert lab["pod-a"].routes()["default"].mtu == made.pod_mtu


def test_pods_of_a_node_added_later_are_fitted_when_asked(lab: Lab) -> None:
    lab = checkpoint("06")
    carrier = next(one for one in CARRIERS if one.overhead)
    with carrier(lab) as made:
        late = lab.node("node-3")
        late.pods(["pod-e", "pod-f"])
        made.node_added(late)
        assert links("pod-e")["eth0"]["mtu"] == 1500
        made.fit_pods()
        assert links("pod-e")["eth0"]["mtu"] == links("node-3")["veth-pod-f"]["mtu"] == made.pod_mtu
    assert links("pod-e")["eth0"]["mtu"] == made.pod_mtu, "that stays"
