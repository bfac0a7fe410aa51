"""It reached the target, or the end of a tunnel, and went no further."""

from __future__ import annotations

from labhelpers.linux.headers import Header
from labhelpers.trace.evidence import Evidence
from labhelpers.trace.hop import Hop, Why
from labhelpers.trace.reasons.route import decided

__all__ = ["at_target", "at_tunnel_end"]


def at_target(evidence: Evidence) -> Why | None:
    """The namespace that has the address got it: its answer is missing, or cannot be sent."""
    last = evidence.last
    packet = Evidence.ip(last) if last else None
    if last is None or packet is None or last.direction != "in" or Evidence.is_wrapped(last):
        return None
    if not evidence.has_address(last.namespace, packet["destination"]):
        return None
    here, place, probe = last.namespace, last.place, evidence.probe
    if probe.protocol == "ICMP" and evidence.setting(here, "net.ipv4.icmp_echo_ignore_all") == "1":
        return Why(f"It reached {here}, which answers no echo: net.ipv4.icmp_echo_ignore_all is 1.", "setting", place)
    if probe.protocol == "UDP" and last.packet.startswith("datagram"):
        port = last.headers[-1].get("destination_port", probe.port)
        if found := evidence.grew(here, "Udp.NoPorts"):
            words = f"Nobody listens on UDP port {port} of {here}, and the ICMP error that says so was lost."
            return Why(words, "nobody listens", place, found)
        if found := evidence.grew(here, "Udp.InDatagrams"):
            words = f"It reached {here}, and no answer came: a program took it, and UDP asks for no answer."
            return Why(words, "no answer", place, found)
    said = (f"the packet reached {here}",)
    return decided(evidence, here, packet["source"], place, said=said, back="back ")


def at_tunnel_end(evidence: Evidence) -> Why | None:
    """The node got the tunnel's packet and did not take out what is inside."""
    last = evidence.last
    packet = Evidence.ip(last) if last else None
    if last is None or packet is None or last.direction != "in" or not Evidence.is_wrapped(last):
        return None
    here = last.namespace
    if not evidence.has_address(here, packet["destination"]):
        return None
    words = _vxlan(evidence, last) or _ip_in_ip(evidence, last)
    refused = [
        f"{hop.namespace} sent the ICMP error: {header['meaning']}"
        for hop in evidence.errors
        for header in hop.headers
        if header.protocol == "ICMP" and not header.quoted
    ]
    question = (
        f"Do {here} and the sender know each other's keys, and which addresses may come from there?"
        if last.header("WireGuard") is not None
        else ""
    )
    return Why(f"{here} got the tunnel's packet and did not take out what is inside{words}.", "tunnel", last.place,
               tuple(refused), question)  # fmt: skip


def _vxlan(evidence: Evidence, last: Hop) -> str:
    header, inner = last.header("VXLAN"), last.header("Ethernet", inner=True)
    if header is None or inner is None:
        return ""
    ends = [one for one in evidence.map.states[last.namespace].links if one.kind == "vxlan"]
    fitting = [one for one in ends if dict(one.details).get("id") == str(header["vni"])]
    if not fitting:
        there = ", ".join(f"{one.name} with vni {dict(one.details).get('id')}" for one in ends)
        return f": it has no tunnel end for vni {header['vni']}" + (f", but {there}" if there else "")
    if not fitting[0].up:
        return f": {fitting[0].name} is down"
    if inner["destination"] != fitting[0].mac:
        return f": inside is a frame for {inner['destination']}, and {fitting[0].name} has {fitting[0].mac}"
    return _port(last, dict(fitting[0].details))


def _port(last: Hop, details: dict[str, str]) -> str:
    datagram = last.header("UDP")
    port = details.get("port", "")
    if datagram and port and str(datagram["destination_port"]) != port:
        return f": it came to UDP port {datagram['destination_port']}, and the tunnel end listens on {port}"
    return ""


def _ip_in_ip(evidence: Evidence, last: Hop) -> str:
    outer: Header | None = Evidence.ip(last)
    if outer is None or outer.get("protocol") != 4:
        return ""
    ends = [
        one for one in evidence.map.states[last.namespace].links if one.name.startswith("tunl") or one.kind == "ipip"
    ]
    if not ends:
        return ": it has no tunnel device for IP in IP"
    return "" if ends[0].up else f": {ends[0].name} is down"
