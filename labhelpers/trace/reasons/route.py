"""What a namespace's routing decides: no route, a route that says no, nobody at the next hop."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from labhelpers.trace.evidence import Evidence
from labhelpers.trace.hop import Why
from labhelpers.trace.reasons.down import switched_off
from labhelpers.trace.reasons.unanswered import arp

__all__ = ["decided", "not_sent", "routed"]

_COUNTERS = ("IpExt.InNoRoutes", "Ip.OutNoRoutes", "Ip.InAddrErrors", "TcpExt.IPReversePathFilter")


def decided(
    evidence: Evidence,
    namespace: str,
    to: str,
    place: str,
    *,
    source: str = "",
    device: str = "",
    said: tuple[str, ...] = (),
    back: str = "",
) -> Why | None:
    """Why a namespace does not bring a packet any further; ``None`` if its routing has nothing against it.

    Args:
        to: the packet's destination, and ``source`` where it is from.
        device: the interface that it came in by, ``""`` for one that the namespace sends itself.
        said: what is known besides.
        back: ``"back "`` for the way of an answer.
    """
    decision = evidence.decision(namespace, to, source=source, device=device)
    said += evidence.grew(namespace, *_COUNTERS)
    if decision.error == "ENETUNREACH":
        return Why(
            f"{namespace} has no route {back}to {to}.", "no route", place, (*said, *_sent_here(evidence, to)),
            f"`ip -n {namespace} route` shows those it has.",
        )  # fmt: skip
    if decision.error:
        return _refused(evidence, namespace, to, place, source, device, said)
    if decision.kind != "unicast":
        return None
    if off := switched_off(evidence, namespace, decision.device):
        return off
    hop = decision.via or to
    asked = evidence.no_answer_from(namespace, hop)
    return arp(evidence, namespace, asked, hop, place=place, said=said) if asked else None


def _refused(
    evidence: Evidence, namespace: str, to: str, place: str, source: str, device: str, said: tuple[str, ...]
) -> Why | None:
    if special := evidence.special_route(namespace, to):
        words = f"{namespace} has a route of the kind {special.kind} to {to}: {special.destination}."
        return Why(words, "route", place, said)
    state = evidence.map.states.get(namespace)
    for rule in state.rules if state else ():
        if rule.table in ("blackhole", "unreachable", "prohibit"):
            words = f"{namespace} has a rule of the kind {rule.table}: {rule.priority}, {rule.selector}."
            return Why(words, "route", place, said, f"`ip -n {namespace} rule` shows them all.")
    if device and evidence.grew(namespace, "TcpExt.IPReversePathFilter"):
        return Why(
            f"{namespace} dropped it on {device}: its own route to {source} does not lead there (rp_filter).",
            "rp_filter", place, said, f"See `ip -n {namespace} route get {source}`.",
        )  # fmt: skip
    if device and state and state.role != "pod":
        for name in ("net.ipv4.ip_forward", f"net/ipv4/conf/{device}/forwarding"):
            if evidence.setting(namespace, name) == "0":
                written = name.replace("/", ".")
                return Why(
                    f"{namespace} does not forward packets: {written} is 0.", "forwarding", place, said,
                    f"`ip netns exec {namespace} sysctl -w {name}=1`.",
                )  # fmt: skip
    if device and not evidence.has_address(namespace, to):
        return Why(
            f"It reached {namespace}, which does not have the address {to}.", "address", place, said,
            f"`ip -n {namespace} address` shows those it has.",
        )  # fmt: skip
    return None


def _sent_here(evidence: Evidence, to: str) -> tuple[str, ...]:
    """By which route the router before sent it to where nobody knows the way."""
    routers = [hop.namespace for hop in evidence.hops if hop.by == "routed" and hop.direction == "out"]
    state = evidence.map.states.get(routers[-1]) if routers else None
    decision = evidence.decision(routers[-1], to) if routers else None
    if state is None or decision is None or not decision.via:
        return ()
    through = [one for one in state.routes if one.via == decision.via]
    own = [one for one in through if one.destination != "default" and ip_address(to) in ip_network(one.destination)]
    if own:
        return (f"{routers[-1]} sent it there by its route {own[0].destination} via {decision.via}",)
    if any(one.destination == "default" for one in through):
        return (f"{routers[-1]} has no route of its own to {to}, and sent it there by its default route",)
    return ()


def not_sent(evidence: Evidence) -> Why | None:
    """Nothing of it was seen: the source's own kernel did not send it."""
    if evidence.last is not None:
        return None
    source, to = evidence.source, evidence.probe.destination
    if found := decided(evidence, source, to, source):
        return found
    if evidence.answer.error:
        return Why(f"{source}'s own kernel did not send it: {evidence.answer.words}.", "refused", source)
    return None


def routed(evidence: Evidence) -> Why | None:
    """It was last seen where it came in, and that namespace's routing decides what happens to it."""
    last = evidence.last
    packet = Evidence.ip(last) if last else None
    if last is None or packet is None or last.direction != "in":
        return None
    ends = {"source": packet["source"], "device": last.device}
    return decided(evidence, last.namespace, packet["destination"], last.place, **ends)
