"""Trials: what does this kernel's network do, and for us?

A trial does the thing once, small, in the network namespace this process is in, and leaves behind what ends with the
namespace: run it in a throw-away one.  It raises ``OSError`` or ``LabError`` where the kernel refuses.
"""

from __future__ import annotations

import os
import socket
import struct

from labhelpers.errors import LabError
from labhelpers.linux import bpf, kinds, libc, link, nfnetlink, qdisc, sysctl, tracepoint, tun
from labhelpers.linux.changes import Changes
from labhelpers.linux.namespace import FOLDER, home
from labhelpers.linux.netlink import NetlinkSocket, attribute, nested
from labhelpers.linux.packet import Capture
from labhelpers.linux.traffic import ping

__all__ = [
    "bpf_program",
    "bridge_netfilter",
    "clsact",
    "device",
    "echo",
    "forwarding",
    "ipv6",
    "isolation",
    "nft_bridge",
    "nft_chain",
    "nft_log",
    "nft_masquerade",
    "nft_netdev",
    "nft_tproxy",
    "nft_trace",
    "packet_socket",
    "raw_socket",
    "raw_tracepoint",
    "tracepoint_at_drops",
    "tun_device",
]

_LOCALHOST = "127.0.0.1"
_INPUT, _POSTROUTING, _INGRESS = 1, 4, 0  # NF_INET_LOCAL_IN, NF_INET_POST_ROUTING, NF_NETDEV_INGRESS
_FORWARD, _PREROUTING = 2, 0  # NF_BR_FORWARD, NF_INET_PRE_ROUTING
_DROPS = "kfree_skb"  # the kernel function that frees a dropped packet, and the tracepoint in it


def device(kind: str) -> None:
    """Create an interface of this kind, see :data:`kinds.KINDS`.  Shell: ``ip link add NAME type KIND``."""
    with NetlinkSocket() as route:
        changes = Changes(route)
        below = f"under-{kind}" if kinds.KINDS[kind].stacked else ""
        if below:
            kinds.add(changes, below, "veth")
            changes.apply()
        kinds.add(changes, f"try-{kind}", kind, on=below)
        changes.apply()


def tun_device() -> None:
    """Create a TUN device and close it.  Shell: ``ip tuntap add NAME mode tun``."""
    os.close(tun.open_tun("try-tun"))


def clsact() -> None:
    """Give lo the hooks for eBPF programs.  Shell: ``tc qdisc add dev lo clsact``."""
    with NetlinkSocket() as route:
        changes = Changes(route)
        qdisc.add_clsact(changes, "lo")
        changes.apply()


def isolation() -> None:
    """Isolate a port of a bridge, and read it back.  Shell: ``bridge link set dev PORT isolated on``."""
    with NetlinkSocket() as route:
        changes = Changes(route)
        kinds.add(changes, "try-switch", "bridge")
        kinds.add(changes, "try-port", "veth")
        link.set_master(changes, "try-port", "try-switch")
        link.set_isolated(changes, "try-port")
        changes.apply()
        # a kernel that does not know the attribute skips it without a word
        if ("isolated", "on") not in link.dump(route)["try-port"].details:
            raise OSError(95, os.strerror(95))  # EOPNOTSUPP


def nft_chain() -> None:
    """Hook a chain with a counting rule into the firewall.  Shell: ``nft add chain inet TABLE NAME '{ … }'``."""
    _nft("inet", "filter", _INPUT, ("counter", b""))


def nft_masquerade() -> None:
    """Rewrite source addresses.  Shell: ``nft add rule ip TABLE CHAIN masquerade``."""
    _nft("ip", "nat", _POSTROUTING, ("masq", b""))


def nft_trace() -> None:
    """Have packets traced through the rules.  Shell: ``nft add rule inet TABLE CHAIN meta nftrace set 1``."""
    one = struct.pack("!I", 1)
    load = attribute(1, one) + nested(2, attribute(1, b"\1"))  # the number 1 into register 1 …
    trace = attribute(2, struct.pack("!I", 12)) + attribute(3, one)  # … and from there to NFT_META_NFTRACE
    _nft("inet", "filter", _INPUT, ("immediate", load), ("meta", trace))


def nft_log() -> None:
    """Have packets told to a program.  Shell: ``nft add rule inet TABLE CHAIN log group 7``."""
    _nft("inet", "filter", _INPUT, ("log", attribute(1, struct.pack("!H", 7))))  # NFTA_LOG_GROUP


def nft_tproxy() -> None:
    """Hand connections to a program of the node.  Shell: ``nft add rule ip TABLE CHAIN tcp dport 80 tproxy to :7``."""
    one = struct.pack("!I", 1)
    # a transport protocol is asked for, into register 1 (NFT_META_L4PROTO), and must be TCP
    protocol = attribute(1, one) + attribute(2, struct.pack("!I", 16))
    tcp = attribute(1, one) + attribute(2, struct.pack("!I", 0)) + nested(3, attribute(1, b"\6"))
    port = attribute(1, one) + nested(2, attribute(1, struct.pack("!H", 7)))
    proxy = attribute(1, struct.pack("!I", 2)) + attribute(3, one)  # NFPROTO_IPV4, the port's register
    expressions = (("meta", protocol), ("cmp", tcp), ("immediate", port), ("tproxy", proxy))
    _nft("ip", "filter", _PREROUTING, *expressions)


def nft_netdev() -> None:
    """Filter packets where they enter an interface.  Shell: ``nft add chain netdev TABLE NAME '{ … ingress … }'``."""
    _nft("netdev", "filter", _INGRESS, ("counter", b""), device="lo")


def nft_bridge() -> None:
    """Filter what a switch forwards.  Shell: ``nft add chain bridge TABLE NAME '{ … hook forward … }'``."""
    _nft("bridge", "filter", _FORWARD, ("counter", b""))


def _nft(family: str, kind: str, hook: int, *expressions: tuple[str, bytes], device: str = "") -> None:
    name = f"try-{kind}-{len(expressions)}"
    nfnetlink.commit(
        [
            nfnetlink.table(family, name),
            nfnetlink.chain(family, name, "chain", kind, hook, device=device),
            nfnetlink.rule(family, name, "chain", *expressions),
        ]
    )


def bridge_netfilter() -> None:
    """Send bridged frames through the firewall.  Shell: ``sysctl -w net.bridge.bridge-nf-call-iptables=1``."""
    _set("net.bridge.bridge-nf-call-iptables")


def forwarding() -> None:
    """Become a router.  Shell: ``sysctl -w net.ipv4.ip_forward=1``."""
    _set("net.ipv4.ip_forward")


def _set(name: str) -> None:
    sysctl.path_of(name).write_text("1\n")


def echo() -> None:
    """Ask this machine for an answer, with a raw socket.  Shell: ``ping -c 1 127.0.0.1``."""
    _lo_up()
    reply = ping(home(), _LOCALHOST)
    if not reply:
        raise LabError(f"No answer from {_LOCALHOST}: {reply.error}.")


def packet_socket() -> None:
    """See the frames of a ping as they pass lo.  Shell: ``tcpdump -i lo``."""
    _lo_up()
    with Capture(home(), "lo") as wire:
        reply = ping(home(), _LOCALHOST)
    if reply and not wire.packets:
        raise LabError("The packet socket saw nothing of a ping.")


def raw_socket() -> None:
    """Open a socket for a protocol of one's own, here IP in IP.  Shell: none."""
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IPIP).close()


def ipv6() -> None:
    """Use the IPv6 address of this machine itself.  Shell: ``ip -6 address show dev lo``."""
    _lo_up()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as here:
        here.bind(("::1", 0))


def _lo_up() -> None:
    with NetlinkSocket() as route:
        changes = Changes(route)
        link.up(changes, "lo")
        changes.apply()


def bpf_program() -> None:
    """Have the kernel check an eBPF program, and drop it.  Shell: ``bpftool prog load``."""
    os.close(bpf.load(bpf.SCHED_CLS))


def raw_tracepoint() -> None:
    """Attach a program that does nothing where packets are dropped, for a moment.  Shell: ``bpftrace``."""
    program = bpf.load(bpf.RAW_TRACEPOINT)
    try:
        os.close(bpf.open_raw_tracepoint(_DROPS, program))
    finally:
        os.close(program)


def tracepoint_at_drops() -> None:
    """Open the tracepoint where packets are dropped, switched off.  Shell: ``perf trace --event skb:kfree_skb``.

    Its number is read from a tracefs, which is mounted in the folder of :func:`enter_throw_away`.
    """
    libc.mount("tracefs", str(FOLDER), "tracefs")
    os.close(tracepoint.open_tracepoint(FOLDER, f"skb:{_DROPS}"))
