"""Faults that are not alone: two at once, and those beside which other things only look wrong."""

from __future__ import annotations

from labhelpers.course.clinic.fault import Disguise, Fault, Step

__all__ = ["HERRINGS", "PAIRS"]

#: two things are wrong, and while one is, the other is hard to see; with what is said of both
PAIRS: dict[str, tuple[tuple[str, str], str]] = {
    "two-cables": (
        ("host-end-down", "no-way-across"),
        "pod-b is dead: it gets no answer from anywhere. And pod-a gets none from node-2.",
    ),
    "two-silences": (
        ("black-hole-back", "firewall-on-node"),
        "The pages of pod-c and pod-d do not come. pod-b says that at least a ping is answered, pod-a says it is not.",
    ),
    "two-at-home": (
        ("nobody-listens", "isolated-ports"),
        "pod-a gets neither pod-b's page nor pod-d's. What pod-c has is there.",
    ),
}

#: one thing is wrong, and others only look as if they were
HERRINGS: dict[str, tuple[Fault, Disguise]] = {
    "old-wires": (
        Fault(
            "way-out-elsewhere", 2, "route", "node-1", "routes",
            "Since somebody made a bridge br-old on node-1, pod-a and pod-b get nothing from pod-c and pod-d.",
            ("pod-a", "pod-c"),
            (Step("node-1", "ip route replace 10.0.2.0/24 via 192.168.1.1"),),
            (Step("node-1", "ip route replace 10.0.2.0/24 via 192.168.1.11"),),
            "node-1 sends what is for node-2's pods to the router 192.168.1.1, which knows no pods. br-old is as old.",
            ("“Since” is no “because”. Follow a packet: on which machine does it end?", "Who is 192.168.1.1?",
             "`ip route` on node-1, and compare with node-2's."),
            "ip route",
        ),
        Disguise(
            (
                Step("node-1", "ip link add br-old type bridge; ip address add 172.17.0.1/16 dev br-old"),
                Step("node-2", "nft 'add table ip old; add chain ip old c { type filter hook forward priority 5; };"
                     " add rule ip old c tcp dport 8080 counter accept'"),
                Step("pod-b", "ip route add blackhole 203.0.113.0/24"),
            ),
            "br-old has no port and an address of its own range. The rule on node-2 accepts, and does not drop. The "
            "black hole in pod-b is for addresses that nobody here has.",
        ),
    ),
    "busy-node": (
        Fault(
            "port-of-pod-c", 3, "fdb", "node-2", "routes",
            "pod-d is silent, also for pod-c beside it. On node-1 there are strange rules; it must be those.",
            ("pod-c", "pod-d"),
            (Step("node-2", "bridge fdb replace 0a:58:0a:00:02:0b dev veth-pod-c master static sticky"),),
            (Step("node-2", "bridge fdb delete 0a:58:0a:00:02:0b dev veth-pod-c master static"),),
            "A sticky entry of node-2's bridge puts pod-d's MAC behind pod-c's port, and the bridge learns nothing "
            "better.",
            ("From pod-c to pod-d no packet meets node-1.", "`bridge fdb show br cni0`: which port is a MAC behind?"),
            "bridge fdb show br cni0",
        ),
        Disguise(
            (
                Step("node-1", "ip route add 10.0.3.0/24 via 192.168.1.12"),
                Step("node-1", "ip rule add from 172.17.0.0/16 lookup 42"),
                Step("node-2", "sysctl -qw net.ipv4.conf.all.rp_filter=2"),
                Step("pod-d", "ip neigh replace 10.0.2.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent"),
            ),
            "The route and the rule on node-1 are about addresses that nobody here has, and so is pod-d's permanent "
            "neighbour. rp_filter=2 drops only what comes from an address to which there is no route at all.",
        ),
    ),
}  # fmt: skip
