"""A packet walk: exactly the interfaces that the packet passes, in order, and what each changed."""

from __future__ import annotations

import itertools
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from labhelpers.cni import Runtime
from labhelpers.errors import BadInput, NotFound, Vanished
from labhelpers.lab import Lab, checkpoint
from labhelpers.linux import probe
from labhelpers.networks.route import HostGateway, IpInIp, Vxlan, WireGuard
from labhelpers.trace import Walk, walk
from tests.netns.kernel import shell

SAME_NODE = "pod-a/eth0 node-1/veth-pod-a node-1/veth-pod-b pod-b/eth0"
START = "pod-a/eth0 node-1/veth-pod-a node-1/cni0"
END = "node-2/cni0 node-2/veth-pod-c pod-c/eth0"
UNDERLAY = "node-1/eth0 underlay/node-1 underlay/node-2 node-2/eth0"
CARRIERS: dict[str, tuple[Callable[[Lab], Any], str]] = {
    "host-gw": (HostGateway, f"{START} {UNDERLAY} {END}"),
    "VXLAN": (Vxlan, f"{START} node-1/flannel.1 {UNDERLAY} node-2/flannel.1 {END}"),
    "IPIP": (IpInIp, f"{START} node-1/tunl0 {UNDERLAY} node-2/tunl0 {END}"),
    "WireGuard": (WireGuard, f"{START} node-1/wireguard.cali {UNDERLAY} node-2/wireguard.cali {END}"),
}
CLEAR_TEXT = ["host-gw", "VXLAN", "IPIP"]
WALKS = 1000


@pytest.fixture
def two_nodes() -> Iterator[Lab]:
    """Two nodes with two pods each, and no way between the nodes."""
    lab = checkpoint("06")
    yield lab
    lab.reset()


def places(hops: Any) -> str:
    return " ".join(hop.place for hop in hops)


def back(way: str) -> str:
    return " ".join(reversed(way.split()))


def ready(source: str, target: str) -> None:
    """ARP, forwarding entries and a tunnel's handshake are not part of the lesson: let them happen before."""
    for _ in range(50):
        if walk(source, target, timeout=0.5):
            return
    pytest.fail(f"{source} does not reach {target}")


def test_on_the_same_node_the_switch_alone_carries_it(two_nodes: Lab) -> None:
    ready("pod-a", "pod-b")
    seen = walk("pod-a", "pod-b")
    assert places(seen.request) == SAME_NODE
    assert places(seen.reply) == back(SAME_NODE)
    assert [hop.by for hop in seen.request] == ["sent", "cable", "switched", "cable"]
    assert [hop.direction for hop in seen.request] == ["out", "other host", "out", "in"]
    assert all(hop.changed == () for hop in seen.hops)
    assert all(hop.headers == seen.request[0].headers for hop in seen.request)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_every_interface_on_the_way_is_there(two_nodes: Lab, carrier: str) -> None:
    make, way = CARRIERS[carrier]
    with make(two_nodes):
        ready("pod-a", "pod-c")
        seen = walk(two_nodes["pod-a"], two_nodes["pod-c"])
        assert places(seen.request) == way
        assert places(seen.reply) == back(way)
        assert (seen.packets, seen.lost, seen.ok, seen.why) == (("request", "reply"), 0, True, None)
        stamps = [hop.stamp for hop in seen.hops]
        assert stamps == sorted(stamps)
        inferred = {hop.place for hop in seen.request if hop.inferred}
        assert inferred == (set(UNDERLAY.split()) if carrier == "WireGuard" else set())


@pytest.mark.parametrize("carrier", CLEAR_TEXT)
def test_a_thousand_walks_are_exact(two_nodes: Lab, carrier: str) -> None:
    """No hop is missing, none is too many, none is out of order.  (A third of the thousand for each carrier.)"""
    make, way = CARRIERS[carrier]
    with make(two_nodes):
        ready("pod-a", "pod-c")
        wrong = []
        for number in range(WALKS // len(CLEAR_TEXT) + 1):
            seen = walk("pod-a", "pod-c")
            if (places(seen.hops), seen.lost) != (f"{way} {back(way)}", 0):
                wrong.append((number, places(seen.hops), seen.lost))
        assert wrong == []


def test_what_each_hop_changes_is_said_and_is_so(two_nodes: Lab) -> None:
    with Vxlan(two_nodes):
        ready("pod-a", "pod-c")
        with two_nodes["underlay"].capture("node-1") as wire:
            seen = walk("pod-a", "pod-c")
        by_place = {hop.place: hop for hop in seen.request}
    assert by_place["node-1/flannel.1"].changed[-1] == "TTL 64 → 63"
    assert by_place["node-1/eth0"].changed == (
        "encapsulated in VXLAN vni 1, UDP port 8472, 192.168.1.10 → 192.168.1.11",
    )
    assert by_place["node-2/flannel.1"].changed == ("taken out of VXLAN vni 1, UDP port 8472",)
    assert by_place["node-2/cni0"].changed[-1] == "TTL 63 → 62"
    # a node may ask anew for the other one's MAC at any time, and its switch for members of groups (IGMP)
    crossed = [packet for packet in wire.packets if packet.protocol not in ("ARP", "IP protocol 2")]
    assert [packet.protocol for packet in crossed] == ["VXLAN", "VXLAN"]
    outer = by_place["underlay/node-1"].header("IPv4")
    inner = by_place["underlay/node-1"].header("IPv4", inner=True)
    assert outer and inner
    assert (outer["source"], outer["destination"]) == (crossed[0].source, crossed[0].destination)
    assert (inner["source"], inner["destination"], inner["ttl"]) == ("10.0.1.10", "10.0.2.10", 63)


def test_source_nat_is_told_and_undone_on_the_way_back(two_nodes: Lab) -> None:
    two_nodes["node-1"].masquerade()  # type: ignore[attr-defined]
    with HostGateway(two_nodes):
        ready("pod-a", "pod-c")
        seen = walk("pod-a", "pod-c")
    words = [word for hop in seen.hops for word in hop.changed if "translated" in word]
    assert words == [
        "source address translated: 10.0.1.10 → 192.168.1.10",
        "destination address translated: 192.168.1.10 → 10.0.1.10",
    ]


def test_destination_nat_is_followed(two_nodes: Lab) -> None:
    two_nodes["node-1"].nft(
        "add table ip service\n"
        "add chain ip service prerouting { type nat hook prerouting priority dstnat; }\n"
        "add rule ip service prerouting ip daddr 10.96.0.1 dnat to 10.0.2.10"
    )
    with HostGateway(two_nodes):
        ready("pod-a", "pod-c")
        for options in ({"size": 0}, {"size": 56}, {"udp": 53}, {"tcp": 80}):
            seen = walk("pod-a", "10.96.0.1", anywhere=True, **options)
            assert places(seen.request) == f"{START} {UNDERLAY} {END}", options
            words = [word for hop in seen.request for word in hop.changed if "translated" in word]
            assert words == ["destination address translated: 10.96.0.1 → 10.0.2.10"], options


def test_a_connection_is_followed_packet_by_packet(two_nodes: Lab) -> None:
    way = f"{START} {UNDERLAY} {END}"
    with HostGateway(two_nodes), two_nodes["pod-c"].listen(80):
        ready("pod-a", "pod-c")
        seen = walk("pod-a", "pod-c", tcp=80)
    assert seen.ok
    assert seen.packets == ("SYN", "SYN ACK", "ACK")
    for packet in seen.packets:
        hops = [hop for hop in seen.hops if hop.packet == packet]
        assert places(hops) == (back(way) if packet == "SYN ACK" else way)


def test_what_a_connection_carries_is_followed_too(two_nodes: Lab) -> None:
    with HostGateway(two_nodes), two_nodes["pod-c"].listen(80):
        ready("pod-a", "pod-c")
        seen = walk("pod-a", "pod-c", tcp=80, size=100_000)
    assert seen.ok
    assert seen.lost == 0
    data = [hop for hop in seen.hops if hop.packet.startswith("data ")]
    arrived = {hop.packet for hop in data if hop.place == "pod-c/eth0"}
    assert arrived == {hop.packet for hop in data}
    assert "ACK 100000" in seen.packets


@pytest.mark.parametrize("size", [0, 1, 5, 8, 1472, 1473, 4000, 65507])
def test_any_size_is_followed(two_nodes: Lab, size: int) -> None:
    way = f"{START} {UNDERLAY} {END}"
    with HostGateway(two_nodes):
        ready("pod-a", "pod-c")
        for options in ({}, {"udp": 53}):
            seen = walk("pod-a", "pod-c", size=size, **options)  # type: ignore[arg-type]
            fragments = -(-(size + 8) // 1480)
            assert seen.lost == 0
            parts = {hop.part for hop in seen.request}
            expected = {f"{n} of {fragments}" for n in range(1, fragments + 1)} if fragments > 1 else {""}
            assert parts == expected
            for part in parts:
                assert places(hop for hop in seen.request if hop.part == part) == way


def test_strangers_packets_are_not_taken_for_ours(two_nodes: Lab) -> None:
    way = f"{START} {UNDERLAY} {END}"
    stop = threading.Event()

    def talk() -> None:
        while not stop.is_set():
            two_nodes["pod-a"].ping("10.0.2.10", timeout=0.2)
            two_nodes["pod-b"].ping("10.0.2.10", timeout=0.2)

    with HostGateway(two_nodes):
        ready("pod-a", "pod-c")
        threads = [threading.Thread(target=talk) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            seen = [walk("pod-a", "pod-c") for _ in range(30)]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert {places(one.hops) for one in seen} == {f"{way} {back(way)}"}


def test_a_storm_of_other_traffic_costs_no_hop(two_nodes: Lab) -> None:
    way = f"{START} node-1/flannel.1 {UNDERLAY} node-2/flannel.1 {END}"
    flood = "import socket; s = socket.socket(2, 2)\nwhile True: s.sendto(bytes(1000), ('10.0.2.11', 9))"
    with Vxlan(two_nodes):
        ready("pod-b", "pod-d")
        ready("pod-a", "pod-c")
        two_nodes["pod-d"].nft(
            "add table ip quiet\nadd chain ip quiet input { type filter hook input priority 0; }\n"
            "add rule ip quiet input udp dport 9 drop"
        )
        with two_nodes["pod-b"].spawn(["python3", "-c", flood]), two_nodes["underlay"].capture("node-1") as wire:
            assert wire.wait_for(lambda packet: "10.0.2.11" in packet.summary)
            seen = [walk("pod-a", "pod-c") for _ in range(20)]
    # a storm that fills the kernel's queues takes some probes with it
    answered = [one for one in seen if one.ok]
    assert len(answered) >= 5
    assert {places(one.hops) for one in answered} == {f"{way} {back(way)}"}
    assert {one.lost for one in seen} == {0}


def test_a_copy_that_a_switch_sends_to_all_is_marked(two_nodes: Lab) -> None:
    two_nodes.nodes[0].pod("pod-x")
    ready("pod-a", "pod-b")
    shell("ip -n node-1 link set cni0 type bridge ageing_time 0")  # it forgets at once: a hub
    seen = walk("pod-a", "pod-b")
    assert places(seen.request) == SAME_NODE
    astray = {hop.place for hop in seen.hops if hop.astray}
    assert "pod-x/eth0" in astray
    assert all(hop.astray for hop in seen.hops if hop.namespace == "pod-x")


def test_to_itself_it_goes_by_lo(two_nodes: Lab) -> None:
    seen = walk("pod-a", "pod-a")
    assert [(hop.device, hop.direction) for hop in seen.request] == [("lo", "out"), ("lo", "in")]


def test_it_is_read_by_tshark_as_we_read_it(two_nodes: Lab, tmp_path: Any) -> None:
    with Vxlan(two_nodes):
        ready("pod-a", "pod-c")
        seen = walk("pod-a", "pod-c")
    file = seen.save(tmp_path / "walk.pcapng")
    fields = ["frame.interface_name", "frame.comment", "ip.src", "ip.ttl", "vxlan.vni", "icmp.type"]
    shown = itertools.chain(*(("-e", one) for one in fields))
    command = ["tshark", "-r", str(file), "-d", "udp.port==8472,vxlan", "-T", "fields", *shown]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    read = [line.split("\t") for line in done.stdout.splitlines()]
    ours = []
    for hop in seen.hops:
        ip = [header for header in hop.headers if header.protocol == "IPv4"]
        vxlan, icmp = hop.header("VXLAN"), hop.header("ICMP")
        assert icmp
        ours.append([
            hop.place,
            ", ".join([f"{hop.packet}: {hop.by}", *hop.changed]),
            ",".join(header["source"] for header in ip),
            ",".join(str(header["ttl"]) for header in ip),
            str(vxlan["vni"]) if vxlan else "",
            str(icmp["type"]),
        ])  # fmt: skip
    assert read == ours


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (("nobody", "pod-a"), {}, NotFound, "nobody"),
        (("pod-a", "nobody"), {}, NotFound, "nobody"),
        (("pod-a", "10.0.2.99"), {}, NotFound, "No interface of the lab has the address 10.0.2.99"),
        (("pod-a", "10.0.2"), {}, BadInput, "10.0.2"),
        (("pod-a", "fd00::1"), {}, BadInput, "a walk follows IPv4"),
        (("pod-a", "pod-b"), {"size": 65508}, BadInput, "ICMP cannot carry 65508 bytes"),
        (("pod-a", "pod-b"), {"size": -1}, BadInput, "ICMP cannot carry -1 bytes"),
        (("pod-a", "pod-b"), {"size": "big"}, BadInput, "cannot carry 'big' bytes"),
        (("pod-a", "pod-b"), {"tcp": 0}, BadInput, "0 is not a port"),
        (("pod-a", "pod-b"), {"udp": 70000}, BadInput, "70000 is not a port"),
        (("pod-a", "pod-b"), {"tcp": 80, "udp": 80}, BadInput, "TCP or UDP, not both"),
        (("pod-a", "pod-b"), {"timeout": 0}, BadInput, "A walk of 0 seconds"),
        (("pod-a", "pod-b"), {"timeout": 1e9}, BadInput, "is not possible"),
    ],
)
def test_bad_input_is_explained(
    two_nodes: Lab, arguments: tuple[str, str], options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words.replace(".", r"\.")):
        walk(*arguments, **options)


def test_a_pod_that_is_deleted_meanwhile_is_told(two_nodes: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    send, pod_b = probe.send, two_nodes["pod-b"]

    def and_then_delete(sent: probe.Probe, *rest: Any, **options: Any) -> probe.Answer:
        if pod_b.exists:
            pod_b.delete()
        return send(sent, *rest, **options)

    monkeypatch.setattr(probe, "send", and_then_delete)
    seen = walk("pod-a", "pod-b", timeout=0.2)
    assert seen.why
    assert seen.why.what == "pod-b was deleted while the packet was on its way."


def test_a_source_that_is_deleted_meanwhile_is_told(two_nodes: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    send = probe.send

    def and_then_delete(*arguments: Any, **options: Any) -> probe.Answer:
        answer = send(*arguments, **options)
        two_nodes["pod-a"].delete()
        return answer

    monkeypatch.setattr(probe, "send", and_then_delete)
    with pytest.raises(Vanished, match="pod-a was deleted while its packet was on its way"):
        walk("pod-a", "pod-b")


def test_a_node_that_is_killed_meanwhile_is_told(two_nodes: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    send = probe.send
    node_2, pod_c = two_nodes["node-2"], two_nodes["pod-c"]
    with HostGateway(two_nodes):
        ready("pod-a", "pod-c")

        def and_then_kill(sent: probe.Probe, *rest: Any, **options: Any) -> probe.Answer:
            if node_2.exists:
                node_2.delete()
            return send(sent, *rest, **options)

        monkeypatch.setattr(probe, "send", and_then_kill)
        seen = walk("pod-a", pod_c, timeout=0.2)
    assert seen.why
    assert "was deleted while the packet was on its way" in seen.why.what


def test_a_pod_that_a_cni_runtime_made_has_its_name(two_nodes: Lab) -> None:
    runtime = Runtime(two_nodes.nodes[0], observe=False)
    ipam = {"type": "lab-host-local", "subnet": "10.0.1.0/24", "rangeStart": "10.0.1.100"}
    plugin = {"type": "lab-bridge", "bridge": "cni0", "ipam": ipam}
    runtime.configure({"cniVersion": "1.0.0", "name": "pods", "plugins": [plugin]})
    runtime.add("web")
    try:
        for source, target in (("web", "pod-a"), ("pod-a", "web"), (runtime["web"], "10.0.1.10"), ("10.0.1.10", "web")):
            seen = walk(source, target)
            assert seen
            assert {seen.request[0].namespace, seen.request[-1].namespace} == {"pod-a", "web"}
    finally:
        runtime.delete("web")


def test_a_walk_knows_whether_it_arrived(two_nodes: Lab) -> None:
    assert isinstance(walk("pod-a", "pod-b"), Walk)
    assert walk("pod-a", "pod-b")
    assert not walk("pod-a", "pod-c", timeout=0.2)
