"""Send a probe again, and let the kernel tell what becomes of it: which rule dropped it, and in its own words why."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

from labhelpers.errors import LabError
from labhelpers.linux import probe as probes
from labhelpers.linux import process
from labhelpers.linux.drops import Drops
from labhelpers.linux.headers import VXLAN_PORTS, WIREGUARD_PORT
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.linux.nft_trace import Dropped, Trace
from labhelpers.linux.probe import PROTOCOLS, Probe

__all__ = ["Told", "send_again"]

_PATIENCE = 0.2  # seconds; a rule takes microseconds
#: a packet socket that is closed, and a copy for an interface that is not meant
_NO_REASON = ("queue purge", "not specified", "otherhost")

_IN_IP = 4  # IP in IP

Opened = TypeVar("Opened")


@dataclass(frozen=True, slots=True)
class Told:
    """What the kernel tells of a probe that was sent again."""

    #: namespace, and words, of each rule or policy of a chain that dropped it, in the order it met them
    rules: tuple[tuple[str, str], ...] = ()
    #: the same for packets of tunnels, which are perhaps those that carried it
    tunnels: tuple[tuple[str, str], ...] = ()
    #: namespace, and the kernel's own word for it, wherever it was dropped; only real root is told
    drops: tuple[tuple[str, str], ...] = ()


def send_again(
    sent: Probe, sender: NetworkNamespace, namespaces: Sequence[NetworkNamespace], fds: Sequence[int]
) -> Told:
    """Send a probe like the one that got no answer, and ask the kernel what becomes of it.

    Args:
        namespaces: where to look.
        fds: a file descriptor of each.

    Changes, while it runs: a table ``walk_trace`` in each namespace that marks packets to be traced; as root a BPF
    program where the kernel drops packets.
    """
    again = Probe.make(sent.protocol, sent.destination, sent.port, sent.size)
    with ExitStack() as opened:
        trace = opened.enter_context(Trace(fds, [PROTOCOLS[sent.protocol], _IN_IP, PROTOCOLS["UDP"]]))
        drops = _if_allowed(lambda: opened.enter_context(Drops()))
        probes.send(again, sender, timeout=_PATIENCE)
        trace.read(_PATIENCE)
        freed = drops.read() if drops else []
        ended = [one for one in trace.dropped if _is_about(one.transport, again)]
        carried = [one for one in trace.dropped if one not in ended and _is_of_a_tunnel(one)]
        rules, tunnels = (
            tuple((namespaces[one.namespace].name, _words(namespaces[one.namespace], one)) for one in found)
            for found in (ended, carried)
        )
    names = {one.inode: one.name for one in namespaces}
    told = [
        (names[one.inode], one.reason)
        for one in freed
        if one.inode in names and one.reason not in _NO_REASON and _is_about(_transport(one.data), again)
    ]
    return Told(rules, tunnels, tuple(told))


def _if_allowed(open_it: Callable[[], Opened]) -> Opened | None:
    """``None`` where this kernel, or who we are, does not allow it."""
    try:
        return open_it()
    except (OSError, KeyError):
        return None


def _transport(packet: bytes) -> bytes:
    """The transport header of an IPv4 packet, that of the innermost in tunnels."""
    while packet[:1] == b"\x45" and packet[9:10] == b"\x04":
        packet = packet[20:]
    return packet[20:] if packet[:1] == b"\x45" else b""


def _is_of_a_tunnel(event: Dropped) -> bool:
    port = int.from_bytes(event.transport[2:4], "big")
    return event.network[9:10] == bytes([_IN_IP]) or port in (*VXLAN_PORTS, WIREGUARD_PORT)


def _is_about(header: bytes, sent: Probe) -> bool:
    if sent.protocol == "ICMP":
        return header[4:6] == sent.number.to_bytes(2, "big")
    return sent.number in (int.from_bytes(header[0:2], "big"), int.from_bytes(header[2:4], "big"))


def _words(namespace: NetworkNamespace, event: Dropped) -> str:
    chain = f"{event.family} {event.table} {event.chain}"
    if not event.handle:
        return f"The policy of the chain {chain}"
    try:
        command = ["nft", "-a", "list", "chain", event.family, event.table, event.chain]
        listed = process.run(namespace, command, timeout=2).stdout
    except LabError:
        listed = ""
    for line in listed.splitlines():
        rule, _, handle = line.partition("# handle ")
        if handle.strip() == str(event.handle):
            without_counts = re.sub(r"counter packets \d+ bytes \d+", "counter", rule.strip())
            return f"The rule `{without_counts}` of the chain {chain}"
    return f"Rule number {event.handle} of the chain {chain}"
