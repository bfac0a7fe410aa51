"""Faults in the network of a lab, from the cable up.  Names, MACs and addresses are the same in every lab."""

from __future__ import annotations

from labhelpers.course.clinic.fault import Fault, Step

__all__ = ["FAULTS"]


def _at(place: str, *commands: str) -> tuple[Step, ...]:
    return tuple(Step(place, command) for command in commands)


_SERVE = "busybox httpd -h / -p {}"
#: a process that was told to end may listen a moment longer, and the next one could not have its port
_KILL = (
    "kill $(ss -Hltnp 'sport = :8080' | grep -o 'pid=[0-9]*' | cut -d= -f2);"
    " while ss -Hltn 'sport = :8080' | grep -q 8080; do sleep 0.1; done"
)
_FORWARD = "add chain ip {0} {0} {{ type filter hook forward priority 0; }}; add rule ip {0} {0} {1}"
_PEER = "wg set wireguard.cali peer"
_ITS_KEY, _OTHER_KEY = "0cByzgiOflMAtAsIJs8wbqpOFr59kx79uoYZKlGB3zE=", "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
_ALLOWED = "endpoint 192.168.1.10:51820 allowed-ips 10.0.1.0/24"

FAULTS = (
    # --- level 1: the first look at the right place shows it -------------------------------------------------------
    Fault(
        "link-down", 1, "cable", "pod-b", "routes",
        "Nobody reaches pod-b, and it reaches nobody.", ("pod-a", "pod-b"),
        _at("pod-b", "ip link set eth0 down"),
        _at("pod-b", "ip link set eth0 up", "ip route add default via 10.0.1.1"),
        "pod-b's end of its cable is set down. When an interface goes down, its routes go too.",
        ("Begin at pod-b. Is its own end of its cable up?", "`ip -br link` in pod-b."),
        "ip -br link show eth0", also=("node-1",),
    ),
    Fault(
        "host-end-down", 1, "cable", "node-1", "routes",
        "Nobody reaches pod-b. Inside, its eth0 is set up and has its address.", ("pod-a", "pod-b"),
        _at("node-1", "ip link set veth-pod-b down"), _at("node-1", "ip link set veth-pod-b up"),
        "The node's end of pod-b's cable is set down. The pod's end is up, and has no carrier.",
        ("A cable has two ends.",
         "Which interface of node-1 is the other end of pod-b's eth0? `ip -br link` on node-1."),
        "ip -br link show veth-pod-b", also=("pod-b",), or_layer="bridge",
    ),
    Fault(
        "unplugged", 1, "bridge", "node-1", "routes",
        "pod-a reaches nobody, not even its gateway 10.0.1.1.", ("pod-a", "pod-b"),
        _at("node-1", "ip link set veth-pod-a nomaster"), _at("node-1", "ip link set veth-pod-a master cni0"),
        "pod-a's cable is whole, and its end on the node is no port of cni0 any more. Frames end at the node's door.",
        ("The cable is fine. Where does it lead?", "`bridge link` lists the ports of a node's bridges."),
        "bridge link", or_layer="cable",
    ),
    Fault(
        "no-address", 1, "address", "pod-d", "routes",
        "Nobody reaches pod-d.", ("pod-a", "pod-d"),
        _at("pod-d", "ip address delete 10.0.2.11/24 dev eth0"),
        _at("pod-d", "ip address add 10.0.2.11/24 brd + dev eth0", "ip route add default via 10.0.2.1"),
        "pod-d has no address, so it answers no ARP request for it. Its routes went with the address.",
        ("Who should answer for 10.0.2.11?", "`ip -br address` in pod-d, and in pod-c."),
        "ip -br address show eth0",
    ),
    Fault(
        "no-default-route", 1, "route", "pod-c", "routes",
        "pod-c reaches pod-d beside it, and nobody else.", ("pod-c", "pod-a"),
        _at("pod-c", "ip route delete default"), _at("pod-c", "ip route add default via 10.0.2.1"),
        "pod-c knows its own segment and has no route for anything else.",
        ("Read what `ping` says in pod-c. Who says that?",
         "What does pod-c do with a packet for 10.0.1.10? Ask it: `ip route get 10.0.1.10`."),
        "ip route",
    ),
    Fault(
        "no-way-across", 1, "route", "node-1", "routes",
        "Pods of one node reach each other. Pods of different nodes do not.", ("pod-a", "pod-c"),
        _at("node-1", "ip route delete 10.0.2.0/24 via 192.168.1.11"),
        _at("node-1", "ip route add 10.0.2.0/24 via 192.168.1.11"),
        "node-1 has no route for node-2's pods. What is for them goes to its default gateway, which has none either.",
        ("Follow a packet from pod-a to pod-c: `walk(pod_a, pod_c)`.", "Compare `ip route` of the two nodes."),
        "ip route",
    ),
    Fault(
        "nobody-listens", 1, "process", "pod-d", "routes",
        "pod-d answers a ping, and its page on port 8080 is not there: connection refused.", ("pod-a", "pod-d"),
        _at("pod-d", _KILL), _at("pod-d", _SERVE.format("8080")),
        "The network is fine. In pod-d no process listens on port 8080, so its kernel answers with a reset.",
        ("Refused means that the packet arrived.", "`ss -ltn` lists who listens."),
        "ss -ltn", tcp=8080,
    ),
    Fault(
        "no-forwarding", 1, "forwarding", "node-2", "routes",
        "Since somebody tidied up on node-2, its pods reach nobody outside of it.", ("pod-a", "pod-c"),
        _at("node-2", "sysctl -qw net.ipv4.ip_forward=0"), _at("node-2", "sysctl -qw net.ipv4.ip_forward=1"),
        "node-2 takes what is for itself, and drops what is for its pods: it is no router.",
        ("Where does a walk from pod-a to pod-c end?",
         "What makes a Linux machine a router? `sysctl net.ipv4.ip_forward`."),
        "sysctl net.ipv4.ip_forward",
    ),
    # --- level 2: one has to compare -------------------------------------------------------------------------------
    Fault(
        "only-localhost", 2, "process", "pod-b", "routes",
        "pod-b's page on port 8080 is there when asked from pod-b itself. From outside: connection refused.",
        ("pod-a", "pod-b"),
        _at("pod-b", _KILL, _SERVE.format("127.0.0.1:8080")), _at("pod-b", _KILL, _SERVE.format("8080")),
        "The server listens on 127.0.0.1 only, which is another localhost in every namespace.",
        ("Somebody listens. On which address?", "`ss -ltn` in pod-b, and in pod-a."),
        "ss -ltn", tcp=8080,
    ),
    Fault(
        "wrong-gateway", 2, "route", "pod-a", "routes",
        "pod-a reaches pod-b, and no pod of node-2.", ("pod-a", "pod-c"),
        _at("pod-a", "ip route replace default via 10.0.1.254"), _at("pod-a", "ip route replace default via 10.0.1.1"),
        "pod-a's default route leads to 10.0.1.254, which nobody has: its ARP requests are not answered.",
        ("pod-a has a default route. Does anybody have the gateway's address?", "Compare `ip route` with pod-b's."),
        "ip route",
    ),
    Fault(
        "wrong-next-hop", 2, "route", "node-2", "routes",
        "Pods of different nodes get no answer from each other. pod-c does see the requests of pod-a.",
        ("pod-a", "pod-c"),
        _at("node-2", "ip route replace 10.0.1.0/24 via 192.168.1.1"),
        _at("node-2", "ip route replace 10.0.1.0/24 via 192.168.1.10"),
        "The reply is sent to the router 192.168.1.1, which knows no pods, instead of node-1. Both ways must be right.",
        ("The request arrives. Where does the reply end?", "Who is 192.168.1.1? `ip route` on node-2."),
        "ip route",
    ),
    Fault(
        "bridge-down", 2, "bridge", "node-2", "routes",
        "pod-c and pod-d reach nobody, each other included. Their own interfaces have addresses.", ("pod-c", "pod-d"),
        _at("node-2", "ip link set cni0 down"), _at("node-2", "ip link set cni0 up"),
        "The bridge that both are plugged into is set down. A bridge that is down forwards nothing.",
        ("What do pod-c and pod-d have in common?", "`ip -br link` on node-2."),
        "ip -br link show cni0", or_layer="cable",
    ),
    Fault(
        "twin-address", 2, "address", "pod-b", "routes",
        "Nobody reaches pod-b at 10.0.1.11. And pod-a, which has 10.0.1.10, behaves oddly.", ("pod-c", "pod-b"),
        _at("pod-b", "ip address delete 10.0.1.11/24 dev eth0", "ip address add 10.0.1.10/24 brd + dev eth0",
            "ip route add default via 10.0.1.1"),
        _at("pod-b", "ip address delete 10.0.1.10/24 dev eth0", "ip address add 10.0.1.11/24 brd + dev eth0",
            "ip route add default via 10.0.1.1")
        + _at("node-1", "ip neigh flush dev cni0") + _at("pod-a", "ip neigh flush dev eth0"),
        "Two pods have 10.0.1.10. Who answers ARP last has the connection, and 10.0.1.11 belongs to nobody.",
        ("Who answers for 10.0.1.10, and who for 10.0.1.11?", "`ip -br address` in every pod."),
        "ip -br address show eth0",
    ),
    Fault(
        "wide-prefix", 2, "address", "pod-c", "routes",
        "pod-c reaches pod-d and the nodes, and neither pod-a nor pod-b.", ("pod-c", "pod-a"),
        _at("pod-c", "ip address delete 10.0.2.10/24 dev eth0", "ip address add 10.0.2.10/16 brd + dev eth0",
            "ip route add default via 10.0.2.1"),
        _at("pod-c", "ip address delete 10.0.2.10/16 dev eth0", "ip address add 10.0.2.10/24 brd + dev eth0",
            "ip route add default via 10.0.2.1"),
        "With /16 pod-c takes 10.0.1.10 for a neighbour and asks for its MAC, instead of sending to the gateway.",
        ("Ask pod-c what it would do: `ip route get 10.0.1.10`. And pod-d?",
         "Whom does pod-c take for a neighbour? `ip -br address`."),
        "ip -br address show eth0", or_layer="route",
    ),
    Fault(
        "firewall-on-node", 2, "firewall", "node-2", "routes",
        "A ping to pod-c and pod-d is answered. Their pages on port 8080 are not: timeout.", ("pod-a", "pod-c"),
        _at("node-2", f"nft 'add table ip guard; {_FORWARD.format('guard', 'tcp dport 8080 drop')}'"),
        _at("node-2", "nft delete table ip guard"),
        "A rule of nftables on node-2 drops forwarded TCP to port 8080. A drop is silent, so the client waits.",
        ("Silence, not refusal: somebody drops.", "`nft list ruleset` on each namespace of the way."),
        "nft list ruleset", tcp=8080,
    ),
    Fault(
        "underlay-port-down", 2, "cable", "underlay", "routes",
        "Between the nodes nothing passes. Both nodes have their addresses and routes.", ("node-1", "node-2"),
        _at("underlay", "ip link set node-2 down"), _at("underlay", "ip link set node-2 up"),
        "The switch between the nodes has node-2's port set down. node-2's eth0 has no carrier.",
        ("The nodes' own routes are fine. What lies between them?", "`ip -br link` in underlay."),
        "ip -br link show node-2", also=("node-2",), or_layer="bridge",
    ),
    Fault(
        "tunnel-to-nobody", 2, "fdb", "node-1", "vxlan",
        "Pods of node-1 get no answer from pods of node-2. The nodes themselves reach each other.", ("pod-a", "pod-c"),
        _at("node-1", "bridge fdb replace $(ip neigh show 10.0.2.0 dev flannel.1 | grep -o '..:..:..:..:..:..')"
            " dev flannel.1 dst 192.168.1.99"),
        _at("node-1", "bridge fdb replace $(ip neigh show 10.0.2.0 dev flannel.1 | grep -o '..:..:..:..:..:..')"
            " dev flannel.1 dst 192.168.1.11"),
        "The forwarding database of flannel.1 puts the other tunnel end behind 192.168.1.99, and nobody has that.",
        ("To which machine does node-1 send its VXLAN packets? A walk shows the outer header.",
         "`bridge fdb show dev flannel.1`."),
        "bridge fdb show dev flannel.1",
    ),
    # --- level 3: everything looks right at first ------------------------------------------------------------------
    Fault(
        "wrong-neighbour", 3, "neighbour", "pod-a", "routes",
        "pod-a gets no answer from pod-b. Everybody else does.", ("pod-a", "pod-b"),
        _at("pod-a", "ip neigh replace 10.0.1.11 lladdr 02:00:00:00:00:99 dev eth0 nud permanent"),
        _at("pod-a", "ip neigh delete 10.0.1.11 dev eth0"),
        "pod-a has a permanent entry with a MAC that nobody has, and so never asks.",
        ("Capture in pod-b: does anything arrive?", "Which MAC does pod-a send to? `ip neighbour`."),
        "ip neigh show nud permanent",
    ),
    Fault(
        "no-arp", 3, "neighbour", "pod-d", "routes",
        "Nobody reaches pod-d. It is up, and has its address, its route and a carrier.", ("pod-c", "pod-d"),
        _at("pod-d", "ip link set eth0 arp off"), _at("pod-d", "ip link set eth0 arp on"),
        "ARP is switched off on pod-d's eth0: it answers nobody's question for its MAC, and asks none: "
        "what it sends goes to its own MAC.",
        ("Requests for its MAC arrive in pod-d. Is there an answer?", "`ip link show eth0`: read every word in <…>."),
        "ip link show eth0",
    ),
    Fault(
        "port-of-another", 3, "fdb", "node-1", "routes",
        "Nobody reaches pod-b, and it reaches nobody. Its interface, address and routes are in order.",
        ("pod-c", "pod-b"),
        _at("node-1", "bridge fdb replace 0a:58:0a:00:01:0b dev veth-pod-a master static sticky"),
        _at("node-1", "bridge fdb delete 0a:58:0a:00:01:0b dev veth-pod-a master static"),
        "A sticky entry of the bridge puts pod-b's MAC behind pod-a's port, and the bridge learns nothing better.",
        ("Capture in pod-a while somebody pings pod-b.", "`bridge fdb show br cni0`: which port is a MAC behind?"),
        "bridge fdb show br cni0",
    ),
    Fault(
        "black-hole-back", 3, "route", "node-2", "routes",
        "pod-a gets no answer from node-2's pods. pod-b does.", ("pod-a", "pod-c"),
        _at("node-2", "ip route add blackhole 10.0.1.10"), _at("node-2", "ip route delete blackhole 10.0.1.10"),
        "node-2 throws away what is for pod-a, by a route of its own. A longer prefix beats the right route beside it.",
        ("Requests arrive, replies do not.", "Which of node-2's routes fits 10.0.1.10 best? `ip route`."),
        "ip route",
    ),
    Fault(
        "firewall-in-pod", 3, "firewall", "pod-b", "routes",
        "pod-b's page on port 8080 is not answered: timeout. Its server runs and listens.", ("pod-a", "pod-b"),
        _at("pod-b", "nft 'add table ip own; add chain ip own in { type filter hook input priority 0; };"
            " add rule ip own in tcp dport 8080 drop'"),
        _at("pod-b", "nft delete table ip own"),
        "A pod has a firewall of its own, as it has a network stack of its own. This one drops port 8080.",
        ("The packet arrives in pod-b's namespace. What happens between there and the server?",
         "A pod can have rules of its own: `nft list ruleset`."),
        "nft list ruleset", tcp=8080,
    ),
    Fault(
        "masqueraded", 3, "nat", "node-1", "routes",
        "Everything is answered. But in the logs of pod-c, pod-a and pod-b have the same address.", ("pod-a", "pod-c"),
        _at("node-1", "nft 'add table ip nat; add chain ip nat out { type nat hook postrouting priority 100; };"
            " add rule ip nat out ip saddr 10.0.1.0/24 oifname eth0 masquerade'"),
        _at("node-1", "nft delete table ip nat"),
        "node-1 gives what leaves it its own address, also what is for other pods. The model allows no NAT there.",
        ("Which source address arrives at pod-c?", "Where in a walk does it change? `nft list ruleset` there."),
        "nft list ruleset",
    ),
    Fault(
        "small-underlay", 3, "mtu", "underlay", "vxlan",
        "Pings and small pages pass between the nodes. Large answers never end.", ("pod-a", "pod-c"),
        _at("underlay", "ip link set node-1 mtu 1400", "ip link set node-2 mtu 1400"),
        _at("underlay", "ip link set node-1 mtu 1500", "ip link set node-2 mtu 1500"),
        "The switch takes 1400 bytes, and the nodes believe in 1500. A switch sends no ICMP; the frame just dies.",
        ("Which size passes, and which does not? `walk(pod_a, pod_c, size=1400)`, and others.",
         "Read the MTU of every interface on the way: `ip link`."),
        "ip link show node-1", size=1400,
    ),
    Fault(
        "own-table", 3, "route", "node-1", "routes",
        "pod-b reaches pod-a, and no pod of node-2. node-1's routes are all there.", ("pod-b", "pod-c"),
        _at("node-1", "ip route add unreachable default table 99", "ip rule add from 10.0.1.11 lookup 99 priority 90"),
        _at("node-1", "ip rule delete priority 90", "ip route flush table 99"),
        "A rule sends pod-b's packets to a routing table of their own, and there everything is unreachable.",
        ("`ip route` shows one table of several.", "Which rules choose the table? `ip rule`."),
        "ip rule",
    ),
    Fault(
        "isolated-ports", 3, "bridge", "node-1", "routes",
        "pod-a and pod-b do not reach each other. Both reach the pods of node-2.", ("pod-a", "pod-b"),
        _at("node-1", "bridge link set dev veth-pod-a isolated on", "bridge link set dev veth-pod-b isolated on"),
        _at("node-1", "bridge link set dev veth-pod-a isolated off", "bridge link set dev veth-pod-b isolated off"),
        "Both ports are isolated: a bridge passes nothing from one isolated port to another.",
        ("What does a bridge's port have, besides being up?", "`bridge -d link` shows the settings of each port."),
        "bridge -d link show dev veth-pod-a",
    ),
    # --- level 4: two things together ------------------------------------------------------------------------------
    Fault(
        "way-back-elsewhere", 4, "rp_filter", "node-2", "vxlan",
        "Pods of node-1 get no answer from pods of node-2. Packets do come out of node-2's tunnel.", ("pod-a", "pod-c"),
        _at("node-2", "sysctl -qw net.ipv4.conf.all.rp_filter=1",
            "ip route replace 10.0.1.0/24 via 192.168.1.10 dev eth0"),
        _at("node-2", "ip route replace 10.0.1.0/24 via 10.0.1.0 dev flannel.1 onlink",
            "sysctl -qw net.ipv4.conf.all.rp_filter=0"),
        "The way back leads by eth0, the packet came by flannel.1: the strict reverse path filter drops that. "
        "Without the filter the odd way back would do no harm.",
        ("The kernel of node-2 drops it after the tunnel. Its counters say why: `nstat -az TcpExtIPReversePathFilter`.",
         "By which interface would node-2 answer? `ip route`, and `sysctl net.ipv4.conf.all.rp_filter`."),
        "sysctl net.ipv4.conf.all.rp_filter", or_layer="route",
    ),
    Fault(
        "session-off", 4, "bgp", "node-2", "bgp",
        "Pods of different nodes do not reach each other. The routes between the nodes were there yesterday.",
        ("pod-a", "pod-c"),
        _at("node-2", "birdc disable '\"Mesh_*\"'"), _at("node-2", "birdc enable '\"Mesh_*\"'"),
        "The BGP session is disabled on node-2. Both sides withdraw what they had learned from each other.",
        ("Who puts the routes between the nodes there? `ip route` says `proto`.", "`birdc show protocols`."),
        "birdc show protocols", also=("node-1",), lag=10.0,
    ),
    Fault(
        "somebody-elses-key", 4, "key", "node-2", "wireguard",
        "Pods of different nodes do not reach each other. The nodes do, and packets to UDP port 51820 arrive.",
        ("pod-a", "pod-c"),
        _at("node-2", f"{_PEER} {_ITS_KEY} remove", f"{_PEER} {_OTHER_KEY} {_ALLOWED}"),
        _at("node-2", f"{_PEER} {_OTHER_KEY} remove", f"{_PEER} {_ITS_KEY} {_ALLOWED}"),
        "node-2 has another public key for node-1. What node-1 sends is from nobody it knows, and WireGuard answers "
        "only whom it knows.",
        ("When was the last handshake? `wg show` on both nodes.",
         "Whose key is the peer's? Compare the public keys: `wg show`."),
        "wg show wireguard.cali peers",
    ),
)  # fmt: skip
