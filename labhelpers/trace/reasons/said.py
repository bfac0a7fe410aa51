"""Somebody said it: a rule by its trace, a router by an ICMP error, the target by a reset."""

from __future__ import annotations

from labhelpers.trace.evidence import Evidence
from labhelpers.trace.hop import Hop, Why
from labhelpers.trace.reasons.route import decided

__all__ = ["icmp", "nobody_listens", "rule", "table_full", "vanished"]


def vanished(evidence: Evidence) -> Why | None:
    """The target's namespace, or one on the way, ended while the packet was on its way."""
    here = evidence.last
    next_cable = evidence.map.peers.get((here.namespace, here.device)) if here else None
    on_the_way = {evidence.target, *(hop.namespace for hop in evidence.hops), next_cable[0] if next_cable else ""}
    gone = [name for name, one in evidence.namespaces.items() if name in on_the_way and not one.exists]
    if not gone:
        return None
    name = evidence.target if evidence.target in gone else gone[0]
    return Why(f"{name} was deleted while the packet was on its way.", "deleted", here.place if here else "")


def rule(evidence: Evidence) -> Why | None:
    """nftables said which rule ended it: one of the namespace where it was last, or to which it was on its way."""
    last = evidence.last
    here = last.namespace if last else evidence.source
    peer = evidence.map.peers.get((last.namespace, last.device)) if last and last.direction == "out" else None
    of_tunnels = evidence.told.tunnels if (last and Evidence.is_wrapped(last)) or _enters_tunnel(evidence) else ()
    for what, rules in (("it", evidence.told.rules), ("the tunnel's packet", of_tunnels)):
        for namespace, words in rules:
            if namespace == here or (peer and namespace == peer[0]):
                place = last.place if last and namespace == here else namespace
                seen = ("traced when the probe was sent again",)
                return Why(f"{words} dropped {what} in {namespace}.", "rule", place, seen)
    return None


def _enters_tunnel(evidence: Evidence) -> bool:
    """Was it last seen on its way into a tunnel's interface?"""
    last = evidence.last
    if last is None or last.direction != "out":
        return False
    return not last.ethernet or evidence.map.kinds.get((last.namespace, last.device)) == "vxlan"


def table_full(evidence: Evidence) -> Why | None:
    """The kernel has one neighbour table for all namespaces of the machine, and it has an end."""
    full = [namespace for namespace, word in evidence.told.drops if word == "neigh createfail"]
    if evidence.last is None and evidence.answer.error == "ENOBUFS":
        full.append(evidence.source)
    if not full:
        return None
    return Why(
        f"{full[0]} got no neighbour entry: the kernel's table, which all namespaces share, is full.",
        "neighbours", full[0], (), "Wait half a minute, or make fewer nodes.",
    )  # fmt: skip


def nobody_listens(evidence: Evidence) -> Why | None:
    """The target's own kernel answers for a port that no program has opened."""
    if evidence.answer.error != "ECONNREFUSED":
        return None
    probe = evidence.probe
    refused = next((hop for hop in evidence.hops if hop.packet in ("RST", "error")), None)
    where = refused.namespace if refused else evidence.target
    how = "a reset" if probe.protocol == "TCP" else "an ICMP error: port unreachable"
    said = (f"{where} answered with {how}",)
    # with address translation on the way, what arrived is not what was sent
    arrived = next((hop for hop in reversed(evidence.hops) if hop.packet in ("SYN", "datagram")), None)
    ip = arrived.header("IPv4", inner=True) if arrived else None
    if ip and not evidence.has_address(where, ip["destination"]):
        return Why(f"{where} refused it on its way to {ip['destination']}: a firewall does that.", "rule",
                   refused.place if refused else "", said)  # fmt: skip
    port = arrived.headers[-1].get("destination_port", probe.port) if arrived else probe.port
    words = f"Nobody listens on {probe.protocol} port {port} of {where}."
    return Why(words, "nobody listens", refused.place if refused else "", said)


def icmp(evidence: Evidence) -> Why | None:
    """A router said why in an ICMP error."""
    for error in evidence.errors:
        header = next(one for one in error.headers if one.protocol in ("ICMP", "ICMPv6"))
        quoted = next((one for one in error.headers if one.quoted and one.protocol in ("IPv4", "IPv6")), None)
        to = quoted["destination"] if quoted else evidence.probe.destination
        said = (f"{error.namespace} sent the ICMP error: {header['meaning']}",)
        where = _before(evidence, error)
        if header["meaning"] in ("fragmentation needed", "packet too big"):
            size = quoted["length"] if quoted else "more"
            return Why(
                f"The packet has {size} bytes and may not be cut, and {error.namespace} sends at most {header['mtu']}.",
                "mtu", where, said, "A smaller MTU in the pods cures it.",
            )  # fmt: skip
        if header["meaning"] == "time exceeded":
            return _loop(evidence, where, said)
        if "prohibited" in header["meaning"] or header["meaning"] in ("network unreachable", "host unreachable"):
            return _unreachable(evidence, error.namespace, to, quoted["source"] if quoted else "", where, said)
    return None


def _before(evidence: Evidence, error: Hop) -> str:
    """The last place of the packet before the error was sent."""
    earlier = [hop for hop in evidence.hops if hop.stamp <= error.stamp and not hop.packet.startswith("error")]
    return earlier[-1].place if earlier else error.place


def _loop(evidence: Evidence, where: str, said: tuple[str, ...]) -> Why:
    rounds: dict[str, int] = {}
    for hop in evidence.hops:
        if not hop.packet.startswith("error") and hop.by == "routed":
            rounds[hop.namespace] = rounds.get(hop.namespace, 0) + 1
    routers = [name for name, count in rounds.items() if count > 1]
    if not routers:
        first = next((ip["ttl"] for hop in evidence.hops[:1] if (ip := hop.header("IPv4", inner=True))), "?")
        return Why(f"Its time to live was used up: it was sent with {first}.", "ttl", where, said,
                   f"`ip netns exec {evidence.source} sysctl net.ipv4.ip_default_ttl`.")  # fmt: skip
    return Why(
        f"It goes round between {' and '.join(routers)} until its time to live is used up.", "loop", where, said,
        "One of them has a route that leads back.",
    )  # fmt: skip


def _unreachable(evidence: Evidence, namespace: str, to: str, source: str, where: str, said: tuple[str, ...]) -> Why:
    """The router ``namespace`` said that it does not reach ``to``, about a packet from ``source``."""
    here, _, device = where.partition("/")
    # of its own packet a kernel says so on lo: that one came in nowhere
    came_in = {"source": source, "device": device} if source and here == namespace and device != "lo" else {}
    found = decided(evidence, namespace, to, where, said=said, **came_in)
    return found or Why(f"{namespace} does not reach {to}.", "unreachable", where, said)
