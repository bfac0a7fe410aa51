"""VXLAN: what Flannel programs, what is on the wire, and what happens where an entry is missing."""

from __future__ import annotations

import struct

from labhelpers.lab import Lab, checkpoint
from labhelpers.networks.route import Vxlan, VxlanLearning
from tests.netns.carriers import node_of, three_nodes
from tests.netns.kernel import bridge, ip, links, shell
from tests.netns.wire import Outer, outer, recorded


def _inner(packet: Outer) -> tuple[int, int, int, bytes]:
    """UDP destination port, VXLAN flags, network identifier, and the Ethernet frame (RFC 7348, section 5)."""
    _, port, _, _ = struct.unpack_from("!HHHH", packet.payload)
    flags, vni = struct.unpack_from("!B3xI", packet.payload, 8)
    return port, flags, vni >> 8, packet.payload[16:]


def _is_vxlan(packet: Outer) -> bool:
    return packet.protocol == 17


def test_flannels_device_and_its_three_entries_for_each_node(lab: Lab) -> None:
    lab = three_nodes()
    with Vxlan(lab):
        there = {node.name: links(node.name)["flannel.1"] for node in lab.nodes}
        device = there["node-1"]
        assert device["linkinfo"]["info_kind"] == "vxlan"
        data = device["linkinfo"]["info_data"]
        wanted = {"id": 1, "local": "192.168.1.10", "link": "eth0", "port": 8472, "learning": False}
        assert {key: data[key] for key in wanted} == wanted
        assert (device["mtu"], "UP" in device["flags"]) == (1450, True)
        assert [(one["local"], one["prefixlen"]) for one in device["addr_info"]] == [("10.0.1.0", 32)]
        neighbours = ip("neighbour", "show", "dev", "flannel.1", namespace="node-1")
        assert {(one["dst"], one["lladdr"], *one["state"]) for one in neighbours} == {
            ("10.0.2.0", there["node-2"]["address"], "PERMANENT"),
            ("10.0.3.0", there["node-3"]["address"], "PERMANENT"),
        }
        entries = bridge("fdb", "show", "dev", "flannel.1", namespace="node-1")
        assert {(one["mac"], one["dst"], one["state"], *one["flags"]) for one in entries} == {
            (there["node-2"]["address"], "192.168.1.11", "permanent", "self"),
            (there["node-3"]["address"], "192.168.1.12", "permanent", "self"),
        }
        routes = ip("route", "show", "dev", "flannel.1", namespace="node-1")
        assert {(one["dst"], one["gateway"], *one["flags"]) for one in routes} == {
            ("10.0.2.0/24", "10.0.2.0", "onlink"),
            ("10.0.3.0/24", "10.0.3.0", "onlink"),
        }


def test_a_packet_travels_in_a_frame_in_a_packet_of_the_nodes(lab: Lab) -> None:
    lab = checkpoint("06")
    with Vxlan(lab), recorded(lab["node-2"]) as wire:
        assert lab["pod-a"].ping("pod-c")
        seen = wire.wait_for(lambda packet: packet.source == "192.168.1.11" and _is_vxlan(packet))
        macs = {node.name: links(node.name)["flannel.1"]["address"] for node in lab.nodes}
    assert [(one.source, one.destination, one.protocol, one.ttl, one.length) for one in seen] == [
        ("192.168.1.10", "192.168.1.11", 17, 64, 84 + 50),
        ("192.168.1.11", "192.168.1.10", 17, 64, 84 + 50),
    ]
    ends = []
    for packet in seen:
        port, flags, vni, frame = _inner(packet)
        assert (port, flags, vni) == (8472, 0x08, 1)
        inside = outer(frame)
        assert inside
        ends.append((frame[6:12].hex(":"), frame[0:6].hex(":"), inside.source, inside.destination, inside.ttl))
    assert ends == [
        (macs["node-1"], macs["node-2"], "10.0.1.10", "10.0.2.10", 63),
        (macs["node-2"], macs["node-1"], "10.0.2.10", "10.0.1.10", 63),
    ]


def test_nobody_is_asked_for_a_mac_address_inside_the_tunnel(lab: Lab) -> None:
    lab = checkpoint("06")
    with Vxlan(lab), recorded(lab["node-1"], "flannel.1") as wire:
        assert lab["pod-a"].ping("pod-c")
        wire.wait_for(lambda packet: packet.source == "10.0.2.10")
    assert {frame[12:14] for frame in wire.frames} == {b"\x08\x00"}, "IPv4 only, no ARP"


def test_without_its_fdb_entry_a_packet_does_not_leave_the_node(lab: Lab) -> None:
    lab = checkpoint("06")
    with Vxlan(lab) as carrier:
        mac = links("node-2")["flannel.1"]["address"]
        shell(f"bridge fdb delete {mac} dev flannel.1 dst 192.168.1.11 self", "node-1")
        with recorded(lab["node-1"], "flannel.1") as inside, recorded(lab["node-1"]) as outside:
            assert not lab["pod-a"].ping("pod-c", timeout=0.3)
            assert [packet.destination for packet in inside.packets()] == ["10.0.2.10"]
            assert outside.packets() == []
        (broken,) = (one for one in carrier.status() if not one.ok)
        assert (broken.node, broken.peer, broken.block) == ("node-1", "node-2", "10.0.2.0/24")
        assert broken.missing == f"fdb {mac} is behind 192.168.1.11"
        carrier.node_added(node_of(lab, "node-1"))
        assert lab["pod-a"].ping("pod-c")


def test_an_entry_that_points_elsewhere_is_said_and_put_right(lab: Lab) -> None:
    lab = three_nodes()
    with Vxlan(lab) as carrier:
        mac = links("node-2")["flannel.1"]["address"]
        shell(f"bridge fdb replace {mac} dev flannel.1 dst 192.168.1.12 self permanent", "node-1")
        shell("ip neighbour replace 10.0.3.0 lladdr 02:00:00:00:00:01 dev flannel.1 nud permanent", "node-1")
        assert not lab["pod-a"].ping("pod-c", timeout=0.3)
        assert [(one.peer, one.missing.split()[0]) for one in carrier.status() if not one.ok] == [
            ("node-2", "fdb"),
            ("node-3", "neighbour"),
        ]
        carrier.node_added(node_of(lab, "node-1"))
        assert all(one.ok for one in carrier.status())
        assert lab["pod-a"].ping("pod-c") and lab["pod-a"].ping("pod-e")


# --- flood and learn ------------------------------------------------------------------------------------------------


def test_nothing_is_written_down_and_everything_is_learned(lab: Lab) -> None:
    lab = three_nodes()
    with VxlanLearning(lab) as carrier:
        data = links("node-1")["vxlan.2"]["linkinfo"]["info_data"]
        wanted = {"id": 2, "group": "239.1.1.1", "link": "eth0", "port": 8472, "learning": True}
        assert {key: data[key] for key in wanted} == wanted
        assert ip("neighbour", "show", "dev", "vxlan.2", namespace="node-1") == []
        assert [one["mac"] for one in bridge("fdb", "show", "dev", "vxlan.2", namespace="node-1")] == [
            "00:00:00:00:00:00"
        ]
        assert carrier.status()[0].by == "route via 10.0.2.0 dev vxlan.2; asks all at 239.1.1.1"
        assert lab["pod-a"].ping("pod-c")
        mac = links("node-2")["vxlan.2"]["address"]
        entries = bridge("fdb", "show", "dev", "vxlan.2", namespace="node-1")
        assert {(one["mac"], one["dst"]) for one in entries} == {
            ("00:00:00:00:00:00", "239.1.1.1"),
            (mac, "192.168.1.11"),
        }
        assert f"learned that {mac} is behind 192.168.1.11" in carrier.status()[0].by


def test_the_first_question_goes_to_every_node_and_the_packet_to_one(lab: Lab) -> None:
    lab = three_nodes()
    with VxlanLearning(lab), recorded(lab["node-2"]) as asked, recorded(lab["node-3"]) as bystander:
        assert lab["pod-a"].ping("pod-c")
        seen = [packet for packet in asked.wait_for(lambda p: p.source == "192.168.1.11") if _is_vxlan(packet)]
        others = [packet for packet in bystander.packets() if _is_vxlan(packet)]
    question = seen[0]
    assert (question.source, question.destination) == ("192.168.1.10", "239.1.1.1")
    _, _, vni, frame = _inner(question)
    assert (vni, frame[0:6], frame[12:14]) == (2, b"\xff" * 6, b"\x08\x06"), "an ARP question to all"
    assert [packet.destination for packet in seen[1:]] == ["192.168.1.10", "192.168.1.11", "192.168.1.10"]
    assert others == [question], "who was not meant heard the question too, and nothing else"


def test_an_underlay_without_multicast_carries_nothing(lab: Lab) -> None:
    """That is why Flannel does not flood."""
    lab = checkpoint("06")
    with VxlanLearning(lab):
        shell(
            "nft add table bridge f; nft add chain bridge f x '{ type filter hook forward priority 0; }';"
            "nft add rule bridge f x ether daddr 01:00:5e:01:01:01 drop",
            "underlay",
        )
        assert not lab["pod-a"].ping("pod-c", timeout=0.3)
    with Vxlan(lab):
        assert lab["pod-a"].ping("pod-c")
