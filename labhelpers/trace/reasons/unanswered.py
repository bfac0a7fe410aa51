"""Nobody answered an ARP request."""

from __future__ import annotations

from labhelpers.trace.evidence import Evidence
from labhelpers.trace.hop import Why

__all__ = ["arp", "isolated"]


def arp(
    evidence: Evidence, namespace: str, device: str, address: str, *, place: str, said: tuple[str, ...] = ()
) -> Why:
    """Nobody answered an ARP request; if the one who could have is there, look at what is between the two."""
    owner = evidence.map.addresses.get(address)
    port, other = (evidence.map.peers.get(one) for one in ((namespace, device), owner or ("", "")))
    if port and other and port[0] == other[0]:
        links = [evidence.link(*one) for one in (port, other)]
        if all(link and dict(link.details).get("isolated") == "on" for link in links):
            return isolated(port, other[1], place)
    words = f"{namespace} asked on {device} who has {address}, and nobody answered."
    return Why(words, "arp", place, (*said, "ARP requests without a reply"))


def isolated(port: tuple[str, str], other: str, place: str) -> Why:
    """Two ports of a switch that may not talk to each other."""
    return Why(
        f"The ports {port[1]} and {other} of {port[0]} are isolated from each other.", "isolated", place, (),
        f"`bridge -n {port[0]} link set dev {other} isolated off`.",
    )  # fmt: skip
