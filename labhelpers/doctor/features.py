"""What the course needs of the kernel."""

from __future__ import annotations

from functools import partial

from labhelpers.doctor.probe import Feature, Instead, chapters
from labhelpers.linux import trial_namespaces as own
from labhelpers.linux import trial_network as net

__all__ = ["AS_ROOT", "FEATURES"]

_ALL = chapters("00-11")
AS_ROOT = "start the notebook as root"
#: the case of the clinic that is about WireGuard; all others do without
_CASE = (("11", "case 29"),)
_OTHER_PLUGINS = Instead("the bridge plugin, which shows the same steps", ("bridge",))


def _device(
    kind: str,
    what: str,
    where: tuple[str, ...],
    instead: Instead | None = None,
    module: str | None = None,
    seen_outside: bool = False,
    parts: tuple[tuple[str, str], ...] = (),
) -> Feature:
    """An interface of a kind; its module has the kind's name unless told otherwise."""
    return Feature(
        id=kind,
        what=what,
        chapters=where,
        parts=parts,
        instead=instead,
        trial=partial(net.device, kind),
        module=kind if module is None else module,
        seen_outside=seen_outside,
    )


FEATURES = (
    # ---- rooms of one's own
    Feature(
        id="user-namespaces",
        what="user namespaces: a sandbox without root",
        chapters=_ALL,
        trial=own.user_namespace,
        in_namespace=False,
        instead=Instead("the sandbox that is there already", ("namespaces",)),
    ),
    Feature(
        id="namespaces",
        what="network, mount, pid, uts and ipc namespaces",
        chapters=_ALL,
        trial=own.namespaces,
        in_namespace=False,
    ),
    Feature(id="mounts", what="mounts of one's own", chapters=_ALL, trial=own.mounts, in_namespace=False),
    Feature(
        id="overlay",
        what="overlay mounts: a writable layer over a folder",
        chapters=_ALL,
        trial=own.overlay,
        in_namespace=False,
        module="overlay",
        instead=Instead("bind mounts, one for each file", ("mounts",)),
    ),
    # ---- interfaces
    _device("veth", "veth: a cable with two ends", _ALL),
    _device("bridge", "bridge: a switch", _ALL),
    _device("vxlan", "VXLAN: Flannel's overlay", chapters("06-09", "11")),
    _device(
        "ipip",
        "IP in IP: Calico's tunnel",
        chapters("06-07", "09"),
        seen_outside=True,
        instead=Instead("a program with a TUN device", ("tun", "raw-sockets")),
    ),
    _device(
        "wireguard",
        "WireGuard: an encrypted tunnel",
        chapters("06-07", "11"),
        parts=_CASE,
        instead=Instead("wireguard-go in user space", ("tun", "wireguard-go")),
    ),
    Feature(
        id="tun",
        what="TUN: an interface that ends in a program",
        chapters=chapters("06-07", "09", "11"),
        parts=(("09", ""), ("11", "")),  # the rows of IPIP and WireGuard say whether they work, with it or without
        trial=net.tun_device,
        module="tun",
        permit="sudo chmod 666 /dev/net/tun",
        instead=Instead("the kernel's own IPIP and WireGuard", ("ipip", "wireguard")),
    ),
    _device(
        "gre",
        "GRE: a tunnel of some CNI plugins",
        chapters("07"),
        module="ip_gre",
        seen_outside=True,
        instead=Instead("VXLAN, which shows the same", ("vxlan",)),
    ),
    _device(
        "geneve",
        "Geneve: Cilium's other overlay",
        chapters("07"),
        instead=Instead("VXLAN, which shows the same", ("vxlan",)),
    ),
    _device(
        "netkit",
        "netkit: Cilium's other cable",
        chapters("07"),
        module="",
        instead=Instead("a veth", ("veth",)),
    ),
    _device("macvlan", "macvlan: on top of another, with its own MAC", chapters("04", "07"), instead=_OTHER_PLUGINS),
    _device("ipvlan", "ipvlan: on top of another, with the same MAC", chapters("04", "07"), instead=_OTHER_PLUGINS),
    _device("vlan", "VLAN: tagged frames", chapters("04", "07"), module="8021q", instead=_OTHER_PLUGINS),
    _device("vrf", "VRF: routing tables by interface", chapters("04", "07"), instead=_OTHER_PLUGINS),
    _device(
        "dummy",
        "dummy: an interface without a cable",
        chapters("04", "07"),
        seen_outside=True,
        instead=Instead("one end of a veth", ("veth",)),
    ),
    # ---- packets
    Feature(id="ping", what="ICMP: an echo is answered", chapters=_ALL, trial=net.echo),
    Feature(
        id="packet-sockets",
        what="packet sockets: frames are seen as they pass",
        chapters=chapters("02-03", "06-09", "11"),
        trial=net.packet_socket,
    ),
    Feature(
        id="raw-sockets",
        what="raw sockets of any protocol",
        chapters=chapters("06-07", "09"),
        trial=net.raw_socket,
    ),
    Feature(
        id="forwarding",
        what="forwarding: a namespace becomes a router",
        chapters=_ALL,
        trial=net.forwarding,
    ),
    Feature(
        id="ipv6",
        what="IPv6",
        chapters=chapters("07"),
        trial=net.ipv6,
        module="ipv6",
        instead=Instead("IPv4"),
    ),
    # ---- the firewall
    Feature(
        id="nft-tables",
        what="nf_tables: firewall rules",
        chapters=chapters("01", "03-04", "06-09", "11"),
        trial=net.nft_chain,
        module="nf_tables",
    ),
    Feature(
        id="nft-nat",
        what="nf_tables with NAT",
        chapters=chapters("03-04", "07-09", "11"),
        trial=net.nft_masquerade,
        module="nft_masq",
    ),
    Feature(
        id="nft-trace",
        what="nftrace: which rule dropped a packet",
        chapters=chapters("06-07"),
        trial=net.nft_trace,
        module="nf_tables",
    ),
    Feature(
        id="nft-log",
        what="NFLOG: rules that tell a program of packets",
        chapters=chapters("07"),
        trial=net.nft_log,
        module="nfnetlink_log",
    ),
    Feature(
        id="nft-tproxy",
        what="tproxy: rules that hand connections to a proxy",
        chapters=chapters("07"),
        trial=net.nft_tproxy,
        module="nft_tproxy",
    ),
    Feature(
        id="nft-netdev",
        what="nf_tables where packets enter an interface",
        chapters=chapters("07-08"),
        trial=net.nft_netdev,
        module="nf_tables",
        instead=Instead("an eBPF program", ("bpf", "clsact")),
    ),
    Feature(
        id="nft-bridge",
        what="nf_tables where a switch forwards",
        chapters=chapters("06-07"),
        trial=net.nft_bridge,
        module="nf_tables",
    ),
    Feature(
        id="bridge-isolation",
        what="isolated ports of a bridge",
        chapters=chapters("07"),
        trial=net.isolation,
        module="bridge",
        instead=Instead("br_netfilter", ("br-netfilter",)),
    ),
    Feature(
        id="br-netfilter",
        what="br_netfilter: bridged frames pass the firewall",
        chapters=chapters("07"),
        trial=net.bridge_netfilter,
        module="br_netfilter",
        instead=Instead("isolated ports", ("bridge-isolation",)),
    ),
    # ---- programs inside the kernel
    Feature(
        id="bpf",
        what="eBPF: programs inside the kernel",
        chapters=chapters("07-08"),
        trial=net.bpf_program,
        permit=AS_ROOT,
        instead=Instead("nf_tables where packets enter", ("nft-netdev",)),
    ),
    Feature(
        id="clsact",
        what="clsact: where eBPF programs are attached",
        chapters=chapters("07-08"),
        trial=net.clsact,
        module="sch_ingress",
        instead=Instead("nf_tables where packets enter", ("nft-netdev",)),
    ),
    Feature(
        id="raw-tracepoints",
        what="raw tracepoints: a program where packets are dropped",
        chapters=chapters("06", "08"),
        trial=net.raw_tracepoint,
        permit=AS_ROOT,
        instead=Instead("nftrace and the kernel's counters", ("nft-trace",)),
    ),
    Feature(
        id="tracepoints",
        what="tracepoints: the kernel's reason for a drop",
        chapters=chapters("06", "08"),
        trial=net.tracepoint_at_drops,
        permit=AS_ROOT,
        instead=Instead("nftrace and the kernel's counters", ("nft-trace",)),
    ),
)
