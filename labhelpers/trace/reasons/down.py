"""An interface that is switched off, or the other end of its cable."""

from __future__ import annotations

from labhelpers.trace.evidence import Evidence
from labhelpers.trace.hop import Why

__all__ = ["cable", "switched_off"]

_MORE = 4  # bytes: every interface takes a VLAN's tag besides


def switched_off(evidence: Evidence, namespace: str, device: str) -> Why | None:
    """An interface, or the other end of its cable, is switched off."""
    place = f"{namespace}/{device}"
    link = evidence.link(namespace, device)
    if link is None:
        return None
    counted = evidence.grew(namespace, f"{device}.tx_drop", f"{device}.rx_drop")
    if not link.up:
        return Why(f"{place} is down.", "down", place, counted, f"`ip -n {namespace} link set {device} up`.")
    if peer := evidence.map.peers.get((namespace, device)):
        far = evidence.link(*peer)
        if far is not None and not far.up:
            words = f"{place} has no signal: the other end of its cable, {'/'.join(peer)}, is down."
            return Why(words, "down", place, counted, f"`ip -n {peer[0]} link set {peer[1]} up`.")
    return None


def cable(evidence: Evidence) -> Why | None:
    """It went out, and did not come in at the other end."""
    last = evidence.last
    if last is None or last.direction != "out":
        return None
    peer = evidence.map.peers.get((last.namespace, last.device))
    if peer is None:
        return None
    if off := switched_off(evidence, last.namespace, last.device):
        return off
    far = evidence.link(*peer)
    counted = evidence.grew(last.namespace, f"{last.device}.tx_drop") + evidence.grew(peer[0], f"{peer[1]}.rx_drop")
    if far and last.length - 14 > far.mtu + _MORE:
        return Why(
            f"The packet has {last.length - 14} bytes, and {'/'.join(peer)} takes at most {far.mtu}.",
            "mtu", last.place, counted, "Both ends of a cable need the same MTU.",
        )  # fmt: skip
    return None
