"""A router may not cut the packet, and its ICMP error did not come back."""

from __future__ import annotations

from labhelpers.trace.evidence import Evidence
from labhelpers.trace.hop import Hop, Why

__all__ = ["too_large"]


def too_large(evidence: Evidence) -> Why | None:
    """Of a connection smaller packets may have come further, so every router that it reached is looked at."""
    for hop in reversed([hop for hop in evidence.hops if hop.direction == "in" and not hop.astray]):
        found = evidence.grew(hop.namespace, "Ip.FragFails")
        if found and _did_not_fit(evidence, hop):
            return Why(
                f"The packet is larger than {hop.namespace} may send on.", "mtu", hop.place, found,
                "It may not be cut, and the ICMP error that says so was lost. A smaller MTU in the pods cures it.",
            )  # fmt: skip
    return None


def _did_not_fit(evidence: Evidence, hop: Hop) -> bool:
    """Is it larger than the interface takes that it would have left by, and was it not seen leaving?"""
    packet = Evidence.ip(hop)
    if packet is None:
        return False
    decision = evidence.decision(hop.namespace, packet["destination"], source=packet["source"], device=hop.device)
    out = evidence.link(hop.namespace, decision.device)
    left = any(
        (one.packet, one.part, one.namespace, one.direction) == (hop.packet, hop.part, hop.namespace, "out")
        for one in evidence.hops
    )
    return out is not None and packet["length"] > out.mtu and not left
