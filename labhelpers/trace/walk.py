"""``walk``: send a probe, and see it on every interface that it passes."""

from __future__ import annotations

from labhelpers.errors import BadInput, NotFound, Vanished
from labhelpers.lab.namespace import Namespace
from labhelpers.linux import counters, names, packet_filter, probe
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.linux.records import Rows
from labhelpers.linux.tap import Taps, stamped
from labhelpers.trace.again import send_again
from labhelpers.trace.evidence import Evidence
from labhelpers.trace.hop import Hop, Walk, Why
from labhelpers.trace.path import hops, sightings
from labhelpers.trace.places import Places
from labhelpers.trace.questions import questions
from labhelpers.trace.why import why

__all__ = ["walk"]

_MOST_FRAMES = 20_000
_MOST_HOPS = 2_000  # a routing loop of 64 rounds has some hundred
_LONGEST = 30.0  # seconds
_TRIES = 5


def walk(
    source: Namespace | str,
    target: Namespace | str,
    *,
    tcp: int | None = None,
    udp: int | None = None,
    size: int | None = None,
    timeout: float = 1.0,
    anywhere: bool = False,
) -> Walk:
    """Send a real probe and return its hops: every interface that it, and what answers it, passes.

    While it runs, every namespace has one packet socket.  Neighbours and forwarding entries are learned as ever.
    If no answer comes, the probe is sent once more, and the kernel asked what becomes of it: meanwhile every namespace
    has a table that marks packets to be traced, and for root a BPF program runs where packets are dropped.

    Understood are Ethernet, IPv4, VXLAN on UDP ports 8472 and 4789, IP in IP, and WireGuard on UDP port 51820.

    Args:
        source: a pod, node or namespace, its name (``default/web`` for a kubelet's pod), or its address.
        target: the same; or any other IPv4 address, see ``anywhere``.
        tcp: open a connection to this port, in place of an ICMP echo.
        udp: send a datagram to this port.
        size: payload bytes; by default 56 for ICMP, 0 for TCP, 16 for UDP.
        timeout: seconds to wait for the answer.
        anywhere: let the target be an address that no interface of the lab has, as that of a Service.

    Raises:
        BadInput: a port, a size or a time that cannot be.
        NotFound: there is no such namespace, or no interface of the lab has this address.
        Vanished: the source was deleted while the probe was on its way.

    Shell: ``tcpdump -i any`` in every namespace, and ``ping -c 1 TARGET`` in the source.
    """
    require_sandbox()
    protocol, port, payload = _what(tcp, udp, size, timeout)
    with Places() as lab:
        sender, destination = lab.find(source), lab.address(target)
        if names.address(destination).version != 4:
            raise BadInput(f"{destination} is IPv6; a walk follows IPv4.", "Choose an IPv4 address.")
        if destination not in lab.map.addresses and not destination.startswith("127.") and not anywhere:
            raise NotFound(
                f"No interface of the lab has the address {destination}.",
                "Name a pod, a node or an address of one; for others say anywhere=True.",
            )
        before = counters.read(lab.fds)
        for _ in range(_TRIES):
            sent = probe.Probe.make(protocol, destination, port, payload)
            answer, taps = _recorded(sent, sender, lab, timeout)
            if answer.error != "EADDRINUSE":  # somebody has the probe's port: take the next one
                break
        seen = hops(sightings(taps.seen, sent, lab.namespaces.index(sender)), lab.map)
        if not sender.exists:
            raise Vanished(
                f"{sender.name} was deleted while its packet was on its way.", "Make it again, and walk again."
            )
        reason = None if answer.ok else _why(sent, sender, answer, seen, taps, lab, before)
    name = target if isinstance(target, str) else target.name
    return Walk(
        source=sender.name,
        target=name,
        probe=_words(sent),
        hops=Rows(seen[:_MOST_HOPS], f"{_words(sent)} from {sender.name} to {name}"),
        answer=answer,
        why=reason,
        snapshot=lab.snapshot,
        lost=taps.lost + max(0, len(seen) - _MOST_HOPS),
    )


def _why(
    sent: probe.Probe,
    sender: NetworkNamespace,
    answer: probe.Answer,
    seen: list[Hop],
    taps: Taps,
    lab: Places,
    before: list[counters.Counts],
) -> Why:
    """Gather what is known of a probe without an answer, and judge."""
    after = counters.read(lab.fds)
    asked, answered = questions(taps.seen, lab.map)
    pairs = zip(lab.namespaces, before, after, strict=True)
    return why(
        Evidence(
            source=sender.name,
            target=lab.map.addresses.get(sent.destination, (sent.destination, ""))[0],
            probe=sent,
            answer=answer,
            hops=seen,
            map=lab.map,
            counted={one.name: counters.grown(old, new) for one, old, new in pairs},
            namespaces={one.name: one for one in lab.namespaces},
            asked=asked,
            answered=answered,
            told=send_again(sent, sender, lab.namespaces, lab.fds),
        )
    )


def _recorded(sent: probe.Probe, sender: NetworkNamespace, lab: Places, timeout: float) -> tuple[probe.Answer, Taps]:
    """Send the probe while every namespace is listened to."""
    with stamped():
        program = packet_filter.conversation(probe.PROTOCOLS[sent.protocol], sent.number)
        taps = Taps(lab.fds, program, most=_MOST_FRAMES)
        try:
            return probe.send(sent, sender, timeout=timeout), taps
        finally:
            taps.close()


def _what(tcp: int | None, udp: int | None, size: int | None, timeout: float) -> tuple[str, int, int]:
    if tcp is not None and udp is not None:
        raise BadInput("A probe is TCP or UDP, not both.", "Give tcp=PORT or udp=PORT.")
    protocol = "TCP" if tcp is not None else "UDP" if udp is not None else "ICMP"
    port = tcp if tcp is not None else udp if udp is not None else 0
    if protocol != "ICMP" and (not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65535):
        raise BadInput(f"{port!r} is not a port.", "Use a whole number from 1 to 65535.")
    payload = {"ICMP": 56, "UDP": 16, "TCP": 0}[protocol] if size is None else size
    largest = probe.LARGEST[protocol]
    if not isinstance(payload, int) or isinstance(payload, bool) or not 0 <= payload <= largest:
        raise BadInput(f"{protocol} cannot carry {payload!r} bytes here.", f"Use a number from 0 to {largest}.")
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout <= _LONGEST:
        raise BadInput(f"A walk of {timeout!r} seconds is not possible.", f"Use more than 0, at most {_LONGEST:g}.")
    return protocol, port, payload


def _words(sent: probe.Probe) -> str:
    if sent.protocol == "ICMP":
        return f"ICMP echo of {sent.size} bytes"
    what = {"TCP": "TCP connection to port", "UDP": "UDP datagram to port"}[sent.protocol]
    return f"{what} {sent.port}" + (f", {sent.size} bytes" if sent.size else "")
