"""host-gw: one route a node, and the pods' packets on the underlay as they are."""

from __future__ import annotations

from labhelpers.lab import Lab, checkpoint
from labhelpers.networks.route import HostGateway
from tests.netns.carriers import three_nodes
from tests.netns.kernel import ip
from tests.netns.wire import recorded


def test_each_node_has_one_route_for_each_other(lab: Lab) -> None:
    lab = three_nodes()
    with HostGateway(lab):
        routes = {
            (node.name, one["dst"]): (one["gateway"], one["dev"])
            for node in lab.nodes
            for one in ip("route", namespace=node.name)
            if one["dst"] != "default" and "gateway" in one
        }
    assert routes == {
        ("node-1", "10.0.2.0/24"): ("192.168.1.11", "eth0"),
        ("node-1", "10.0.3.0/24"): ("192.168.1.12", "eth0"),
        ("node-2", "10.0.1.0/24"): ("192.168.1.10", "eth0"),
        ("node-2", "10.0.3.0/24"): ("192.168.1.12", "eth0"),
        ("node-3", "10.0.1.0/24"): ("192.168.1.10", "eth0"),
        ("node-3", "10.0.2.0/24"): ("192.168.1.11", "eth0"),
    }


def test_packets_travel_as_the_pods_sent_them(lab: Lab) -> None:
    lab = checkpoint("06")
    with HostGateway(lab), recorded(lab["node-2"]) as wire:
        assert lab["pod-a"].ping("pod-c")
        seen = wire.wait_for(lambda packet: packet.source == "10.0.2.10")
    # 84 bytes is a ping of 56; each node that forwards takes one from the TTL of 64
    assert [(one.source, one.destination, one.protocol, one.ttl, one.length) for one in seen] == [
        ("10.0.1.10", "10.0.2.10", 1, 63, 84),
        ("10.0.2.10", "10.0.1.10", 1, 63, 84),
    ]
    # IGMP (protocol 2) comes from the underlay's switch at any time
    macs = {frame[0:12].hex(":") for frame in wire.frames if frame[12:14] == b"\x08\x00" and frame[23] != 2}
    one, two = "0a:58:c0:a8:01:0a", "0a:58:c0:a8:01:0b"
    assert macs == {f"{one}:{two}", f"{two}:{one}"}, "on the underlay the nodes are the ends"
