"""Ways to break a network, each told: where the packet was last, and why it went no further."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from labhelpers.lab import Lab, checkpoint
from labhelpers.linux import bpf, probe
from labhelpers.networks.route import Vxlan
from labhelpers.trace import Walk, walk
from tests.netns.kernel import shell

DROP_ICMP_ERRORS = (
    "nft add table ip hole; nft add chain ip hole output '{ type filter hook output priority 0; }';"
    "nft add rule ip hole output icmp type destination-unreachable drop"
)


@pytest.fixture
def two_nodes() -> Iterator[Lab]:
    """Two nodes with two pods each, and plain routes between the nodes."""
    lab = checkpoint("03")
    for target in ("pod-b", "pod-c"):  # ARP is not part of the lesson
        assert walk("pod-a", target)
    yield lab
    lab.reset()


def node(command: str, where: str = "node-1") -> Callable[[Lab], object]:
    return lambda lab: shell(command, where)


#: what is done, how it is walked, and the kind, the last place and the words that are expected
BROKEN: dict[str, tuple[Callable[[Lab], object], dict[str, Any], str, str, str]] = {
    "the pod has no default route": (
        node("ip route delete default", "pod-a"), {}, "no route", "pod-a", "pod-a has no route to 10.0.2.10.",
    ),
    "no node has a route": (
        node("ip route delete 10.0.2.0/24; ip route delete default"), {},
        "no route", "node-1/cni0", "node-1 has no route to 10.0.2.10.",
    ),
    "the default route leads elsewhere": (
        node("ip route delete 10.0.2.0/24"), {}, "no route", "underlay/br0", "underlay has no route to 10.0.2.10.",
    ),
    "no route back": (
        node("ip route delete default", "pod-c"), {}, "no route", "pod-c/eth0", "pod-c has no route back to 10.0.1.10.",
    ),
    "no route back on the other node": (
        node("ip route delete 10.0.1.0/24; ip route delete default", "node-2"), {},
        "no route", "node-2/cni0", "node-2 has no route to 10.0.1.10.",
    ),
    "the cable's other end is no port of the bridge": (
        node("ip link set veth-pod-a address 0a:00:00:00:00:01; ip link set veth-pod-a nomaster"), {},
        "mac", "node-1/veth-pod-a",
        "node-1/veth-pod-a is no port of a bridge, and takes only what is for its own MAC address, 0a:00:00:00:00:01. "
        "The packet is for 02:cf:c5:b6:29:8b.",
    ),
    "ARP of the sender is not answered, and it waits until its kernel gives up": (
        node("ip route replace default via 10.0.1.254", "pod-a"), {"timeout": 5},
        "arp", "pod-a/lo", "pod-a asked on eth0 who has 10.0.1.254, and nobody answered.",
    ),
    "ARP is not answered": (
        node("ip route replace 10.0.2.0/24 via 192.168.1.99"), {},
        "arp", "node-1/cni0", "node-1 asked on eth0 who has 192.168.1.99, and nobody answered.",
    ),
    "ARP is not answered, and somebody says so": (
        node("ip route replace 10.0.2.0/24 via 192.168.1.99"), {"timeout": 5},
        "arp", "node-1/cni0", "node-1 asked on eth0 who has 192.168.1.99, and nobody answered.",
    ),
    "a rule in forward": (
        node("nft add table ip f; nft add chain ip f x '{ type filter hook forward priority 0; }';"
             "nft add rule ip f x ip saddr 10.0.1.10 counter drop", "node-2"), {},
        "rule", "node-2/eth0", "The rule `ip saddr 10.0.1.10 counter drop` of the chain ip f x dropped it in node-2.",
    ),
    "a rule in the pod": (
        node("nft add table inet f; nft add chain inet f x '{ type filter hook input priority 0; }';"
             "nft add rule inet f x tcp dport 80 reject", "pod-c"), {"tcp": 80},
        "rule", "pod-c/eth0", "The rule `tcp dport 80 reject` of the chain inet f x dropped it in pod-c.",
    ),
    "a rule where it starts": (
        node("nft add table ip f; nft add chain ip f x '{ type filter hook output priority 0; }';"
             "nft add rule ip f x udp dport 53 drop", "pod-a"), {"udp": 53},
        "rule", "pod-a", "The rule `udp dport 53 drop` of the chain ip f x dropped it in pod-a.",
    ),
    "a chain's policy": (
        node("nft add table ip f; nft add chain ip f x '{ type filter hook forward priority 0; policy drop; }'"), {},
        "rule", "node-1/cni0", "The policy of the chain ip f x dropped it in node-1.",
    ),
    "the answer is dropped": (
        node("nft add table ip f; nft add chain ip f x '{ type filter hook forward priority 0; }';"
             "nft add rule ip f x icmp type echo-reply drop"), {},
        "rule", "node-1/eth0", "The rule `icmp type echo-reply drop` of the chain ip f x dropped it in node-1.",
    ),
    "rp_filter": (
        node("sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.eth0.rp_filter=1;"
             "ip route replace 10.0.1.0/24 dev cni0", "node-2"), {},
        "rp_filter", "node-2/eth0",
        "node-2 dropped it on eth0: its own route to 10.0.1.10 does not lead there (rp_filter).",
    ),
    "too large for a router, which says so": (
        node("ip link set eth0 mtu 1400"), {"size": 1450},
        "mtu", "node-1/cni0", "The packet has 1478 bytes and may not be cut, and node-1 sends at most 1400.",
    ),
    "too large for a router, which may not say so": (
        node(f"ip link set eth0 mtu 1400; {DROP_ICMP_ERRORS}"), {"size": 1450},
        "mtu", "node-1/cni0", "The packet is larger than node-1 may send on.",
    ),
    "too large for a router, which may not say so, in a connection": (
        node(f"ip link set eth0 mtu 1400; {DROP_ICMP_ERRORS}"), {"tcp": 80, "size": 5000, "timeout": 1},
        "mtu", "node-1/cni0", "The packet is larger than node-1 may send on.",
    ),
    "too large for the other end of a cable": (
        node("ip link set node-1 mtu 1400", "underlay"), {"size": 1450},
        "mtu", "node-1/eth0", "The packet has 1478 bytes, and underlay/node-1 takes at most 1400.",
    ),
    "too large for a switch": (
        node("ip link set node-2 mtu 1400", "underlay"), {"size": 1450},
        "mtu", "underlay/node-1",
        "The packet has 1478 bytes, and underlay/node-2 sends at most 1400: a switch does not cut packets.",
    ),
    "a switch has it noted behind the wrong port": (
        node("bridge fdb replace 0a:58:c0:a8:01:0b dev node-1 master static", "underlay"), {},
        "fdb", "underlay/node-1",
        "The switch underlay/br0 has 0a:58:c0:a8:01:0b noted behind node-1, where the packet came in, and sends "
        "nothing back there.",
    ),
    "a node has a MAC noted behind another pod's port": (
        node("bridge fdb replace 0a:58:0a:00:02:0a dev veth-pod-d master static sticky", "node-2"), {},
        "fdb", "node-2/cni0",
        "The switch node-2/cni0 has 0a:58:0a:00:02:0a noted behind veth-pod-d. pod-c/eth0, whose address that is, is "
        "behind veth-pod-c.",
    ),
    "nobody listens on a TCP port": (
        lambda lab: None, {"tcp": 81}, "nobody listens", "pod-c/eth0", "Nobody listens on TCP port 81 of pod-c.",
    ),
    "nobody listens on a UDP port": (
        lambda lab: None, {"udp": 53}, "nobody listens", "pod-c/eth0", "Nobody listens on UDP port 53 of pod-c.",
    ),
    "the other end of the pod's cable is down": (
        node("ip link set veth-pod-a down"), {}, "down", "pod-a/eth0",
        "pod-a/eth0 has no signal: the other end of its cable, node-1/veth-pod-a, is down.",
    ),
    "the bridge is down": (
        node("ip link set cni0 down"), {}, "down", "node-1/cni0", "node-1/cni0 is down.",
    ),
    "the other node is unplugged": (
        node("ip link set eth0 down", "node-2"), {}, "down", "underlay/node-2",
        "underlay/node-2 has no signal: the other end of its cable, node-2/eth0, is down.",
    ),
    "a node is no router": (
        node("sysctl -qw net.ipv4.ip_forward=0"), {},
        "forwarding", "node-1/cni0", "node-1 does not forward packets: net.ipv4.ip_forward is 0.",
    ),
    "a black hole": (
        node("ip route replace blackhole 10.0.2.0/24"), {},
        "route", "node-1/cni0", "node-1 has a route of the kind blackhole to 10.0.2.10: 10.0.2.0/24.",
    ),
    "a route that says no": (
        node("ip route replace unreachable 10.0.2.0/24"), {},
        "route", "node-1/cni0", "node-1 has a route of the kind unreachable to 10.0.2.10: 10.0.2.0/24.",
    ),
    "a loop": (
        node("ip route delete 10.0.2.0/24; ip route add 10.0.2.0/24 via 192.168.1.10", "node-2"), {},
        "loop", "", "It goes round between node-1 and node-2 until its time to live is used up.",
    ),
    "a wrong neighbour entry": (
        node("ip neighbour replace 192.168.1.11 lladdr 02:00:00:00:99:99 dev eth0 nud permanent"), {},
        "mac", "underlay/node-1",
        "No interface that the switch underlay/br0 reaches has the MAC address 02:00:00:00:99:99.",
    ),
    "the target lost its address": (
        node("ip address delete 10.0.2.10/24 dev eth0", "pod-c"), {"to": "10.0.2.10", "anywhere": True},
        "address", "pod-c/eth0", "It reached pod-c, which does not have the address 10.0.2.10.",
    ),
    "the target answers no echo": (
        node("sysctl -qw net.ipv4.icmp_echo_ignore_all=1", "pod-c"), {},
        "setting", "pod-c/eth0", "It reached pod-c, which answers no echo: net.ipv4.icmp_echo_ignore_all is 1.",
    ),
    "one interface forwards nothing": (
        node("sysctl -qw net.ipv4.conf.cni0.forwarding=0"), {}, "forwarding", "node-1/cni0",
        "node-1 does not forward packets: net.ipv4.conf.cni0.forwarding is 0.",
    ),
    "a rule of the routing": (
        node("ip rule add priority 7 to 10.0.2.0/24 blackhole"), {}, "route", "node-1/cni0",
        "node-1 has a rule of the kind blackhole: 7, from all to 10.0.2.0/24.",
    ),
    "a time to live that is too short": (
        node("sysctl -qw net.ipv4.ip_default_ttl=1", "pod-a"), {}, "ttl", "node-1/cni0",
        "Its time to live was used up: it was sent with 1.",
    ),
    "nobody listens, and the error is lost": (
        node(DROP_ICMP_ERRORS, "pod-c"), {"udp": 53}, "nobody listens", "pod-c/eth0",
        "Nobody listens on UDP port 53 of pod-c, and the ICMP error that says so was lost.",
    ),
    "nobody listens behind an address that is translated": (
        node("nft add table ip s; nft add chain ip s x '{ type nat hook prerouting priority dstnat; }';"
             "nft add rule ip s x tcp dport 80 dnat to 10.0.2.10:8080"), {"tcp": 80},
        "nobody listens", "pod-c/eth0", "Nobody listens on TCP port 8080 of pod-c.",
    ),
    "the source may not send there": (
        node("ip rule add priority 7 to 10.0.2.0/24 prohibit", "pod-a"), {}, "route", "pod-a",
        "pod-a has a rule of the kind prohibit: 7, from all to 10.0.2.0/24.",
    ),
    "ports that are isolated": (
        node("bridge link set dev veth-pod-a isolated on; bridge link set dev veth-pod-b isolated on"),
        {"to": "pod-b"}, "isolated", "node-1/veth-pod-a",
        "The ports veth-pod-a and veth-pod-b of node-1 are isolated from each other.",
    ),
}  # fmt: skip


def died(lab: Lab, options: dict[str, Any]) -> Walk:
    options = {"timeout": 0.4, **options}
    with lab["pod-c"].listen(80) if options.get("size") and "tcp" in options else nullcontext():
        return walk("pod-a", options.pop("to", "pod-c"), **options)


@pytest.mark.parametrize("how", BROKEN)
def test_where_and_why_it_died_is_told(two_nodes: Lab, how: str) -> None:
    break_it, options, kind, place, words = BROKEN[how]
    break_it(two_nodes)
    seen = died(two_nodes, dict(options))
    assert not seen.ok
    assert seen.why
    assert (seen.why.what, seen.why.kind) == (words, kind)
    assert seen.why.place == place or not place


@pytest.mark.parametrize("how", BROKEN)
def test_nothing_is_said_where_nothing_is_broken(two_nodes: Lab, how: str) -> None:
    """The same walk before the network is broken arrives, but where the port is the reason."""
    _, options, kind, *_ = BROKEN[how]
    seen = died(two_nodes, dict(options))
    if kind != "mtu" and ("tcp" in options or "udp" in options):
        assert seen.why
        assert seen.why.kind == "nobody listens"
    else:
        assert seen.ok, kind
        assert seen.why is None


#: for real root besides: the kernel's own word
WORDS = {
    "a rule in forward": "netfilter drop",
    "a rule in the pod": "netfilter drop",
    "rp_filter": "ip rpfilter",
    "nobody listens on a TCP port": "no socket",
    "no node has a route": "ip innoroutes",
    "a node is no router": "ip inaddrerrors",
}


@pytest.mark.parametrize("how", WORDS)
def test_the_kernels_own_word_is_told_to_root(two_nodes: Lab, how: str) -> None:
    break_it, options, *_ = BROKEN[how]
    break_it(two_nodes)
    seen = died(two_nodes, dict(options))
    assert seen.why
    assert seen.why.kernel_says == (WORDS[how] if _may_load_programs() else "")


def _may_load_programs() -> bool:
    try:
        os.close(bpf.load(bpf.RAW_TRACEPOINT))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("change", "words", "evidence"),
    [
        ("delete {mac} dev flannel.1 dst {remote} self", "node-1 does not know behind which node {mac} is", ""),
        (
            "replace {mac} dev flannel.1 dst 192.168.1.99 self permanent",
            "flannel.1 of node-1 has {mac} noted behind 192.168.1.99, and no interface of the lab has that address.",
            "node-1 asked on eth0 who has 192.168.1.99, and nobody answered",
        ),
    ],
    ids=["is missing", "leads to nobody"],
)
def test_a_forwarding_entry(change: str, words: str, evidence: str) -> None:
    lab = checkpoint("06")
    try:
        with Vxlan(lab):
            assert walk("pod-a", "pod-c")
            entry = next(one for one in lab["node-1"].fdb() if one.device == "flannel.1" and one.destination)
            shell(f"bridge fdb {change.format(mac=entry.mac, remote=entry.destination)}", "node-1")
            seen = walk("pod-a", "pod-c", timeout=0.4)
    finally:
        lab.reset()
    assert seen.why
    assert (seen.why.kind, seen.why.place) == ("fdb", "node-1/flannel.1")
    assert words.format(mac=entry.mac) in seen.why.what
    assert not evidence or evidence in seen.why.evidence


VXLAN_DEATHS: dict[str, tuple[str, str, str, str, str]] = {
    "another network identifier": (
        "ip link delete flannel.1;"
        "ip link add flannel.1 type vxlan id 7 dev eth0 dstport 8472; ip link set flannel.1 up",
        "node-2", "tunnel", "node-2/eth0",
        "node-2 got the tunnel's packet and did not take out what is inside: it has no tunnel end for vni 1, "
        "but flannel.1 with vni 7.",
    ),
    "no tunnel end": (
        "ip link delete flannel.1", "node-2", "tunnel", "node-2/eth0",
        "node-2 got the tunnel's packet and did not take out what is inside: it has no tunnel end for vni 1.",
    ),
    "a tunnel end that is down": (
        "ip link set flannel.1 down", "node-2", "tunnel", "node-2/eth0",
        "node-2 got the tunnel's packet and did not take out what is inside: flannel.1 is down.",
    ),
    "a firewall against the tunnel": (
        "nft add table ip f; nft add chain ip f x '{ type filter hook input priority 0; }';"
        "nft add rule ip f x udp dport 8472 drop",
        "node-2", "rule", "node-2/eth0",
        "The rule `udp dport 8472 drop` of the chain ip f x dropped the tunnel's packet in node-2.",
    ),
    "a firewall where the tunnel begins": (
        "nft add table ip f; nft add chain ip f x '{ type filter hook output priority 0; }';"
        "nft add rule ip f x udp dport 8472 drop",
        "node-1", "rule", "node-1/flannel.1",
        "The rule `udp dport 8472 drop` of the chain ip f x dropped the tunnel's packet in node-1.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", VXLAN_DEATHS)
@pytest.mark.parametrize("options", [{}, {"udp": 53}])
def test_the_end_of_a_tunnel_is_not_taken_for_the_target(how: str, options: dict[str, int]) -> None:
    command, where, kind, place, words = VXLAN_DEATHS[how]
    lab = checkpoint("06")
    try:
        with Vxlan(lab):
            assert walk("pod-a", "pod-c")
            shell(command, where)
            seen = walk("pod-a", "pod-c", timeout=0.4, **options)  # type: ignore[arg-type]
    finally:
        lab.reset()
    assert seen.why
    assert (seen.why.what, seen.why.kind, seen.why.place) == (words, kind, place)


def test_what_another_flow_counts_is_not_taken_for_this_one(two_nodes: Lab) -> None:
    """While the walk is on, pod-b's packets find no route, and are too large, on node-1."""
    shell("ip route delete default; ip link set eth0 mtu 1400", "node-1")
    two_nodes["pod-c"].sysctl("net.ipv4.icmp_echo_ignore_all", 1)
    stop = threading.Event()

    def others() -> None:
        while not stop.is_set():
            two_nodes["pod-b"].ping("203.0.113.1", timeout=0.05)
            probe.send(probe.Probe.make("ICMP", "10.0.2.11", size=1450), two_nodes["pod-b"]._kernel, timeout=0.05)

    thread = threading.Thread(target=others)
    thread.start()
    try:
        seen = [died(two_nodes, {}) for _ in range(3)]
    finally:
        stop.set()
        thread.join()
    assert {one.why.kind for one in seen if one.why} == {"setting"}


def test_a_port_that_somebody_has_is_not_in_the_way(two_nodes: Lab) -> None:
    number = probe.Probe.make("UDP", "10.0.2.10", 53).number + 1
    taken = two_nodes["pod-a"]._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with taken:
        taken.bind(("", number))
        seen = walk("pod-a", "pod-c", udp=53)
    assert seen.why
    assert seen.why.kind == "nobody listens"


def test_a_program_that_takes_a_datagram_and_says_nothing_is_told(two_nodes: Lab) -> None:
    server = (
        "import socket; s = socket.socket(2, 2); s.bind(('', 53)); print('ready', flush=True); s.recv(10); s.recv(10)"
    )
    with two_nodes["pod-c"].spawn(["python3", "-c", server]) as program:
        program.stdout.readline()
        seen = walk("pod-a", "pod-c", udp=53, timeout=0.3)
    assert seen.why
    assert seen.why.kind == "no answer"
    assert seen.why.what.startswith("It reached pod-c, and no answer came")


def test_where_nobody_tells_nothing_is_made_up(two_nodes: Lab) -> None:
    """A rule before all that is traced: the packet is in a switch, so no routing table is to blame."""
    shell(
        "nft add table netdev f; nft add chain netdev f x '{ type filter hook ingress device node-1 priority 0; }';"
        "nft add rule netdev f x ip saddr 10.0.1.10 drop", "underlay",
    )  # fmt: skip
    seen = died(two_nodes, {})
    assert seen.why
    assert (seen.why.kind, seen.why.place) == ("unknown", "underlay/node-1")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (
            "ip route replace 10.0.2.0/24 via 192.168.1.1",
            "node-1 sent it there by its route 10.0.2.0/24 via 192.168.1.1",
        ),
        (
            "ip route delete 10.0.2.0/24",
            "node-1 has no route of its own to 10.0.2.10, and sent it there by its default",
        ),
    ],
)
def test_it_is_told_by_which_route_it_came_to_a_machine_that_knows_none(
    two_nodes: Lab, command: str, says: str
) -> None:
    shell(command, "node-1")
    seen = died(two_nodes, {})
    assert seen.why
    assert seen.why.what == "underlay has no route to 10.0.2.10."
    assert any(line.startswith(says) for line in seen.why.evidence)


def test_the_tables_that_trace_are_gone_afterwards(two_nodes: Lab) -> None:
    shell("ip route replace blackhole 10.0.2.0/24", "node-1")
    assert not walk("pod-a", "pod-c", timeout=0.2)
    assert [one.name for one in two_nodes.namespaces() if "walk_trace" in one.ruleset()] == []


def test_a_black_hole_for_large_packets_is_found_and_cured(two_nodes: Lab) -> None:
    for name in ("node-1", "node-2"):
        shell(f"ip route delete 10.0.{3 - int(name[-1])}.0/24; {DROP_ICMP_ERRORS}", name)
    with Vxlan(two_nodes):
        assert walk("pod-a", "pod-c", size=56)
        seen = walk("pod-a", "pod-c", size=1472, timeout=0.4)
        assert seen.why
        assert (seen.why.kind, seen.why.place) == ("mtu", "node-1/cni0")
        for pod in ("pod-a", "pod-c"):
            shell("ip link set eth0 mtu 1450", pod)
        assert walk("pod-a", "pod-c", size=1472)
