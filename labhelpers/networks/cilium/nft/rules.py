"""From what a datapath is told to a table of nftables: chains at the interfaces, sets and maps for what is looked up.

The chains are at the kernel's earliest place for rules, ``netdev ingress``: a packet has just come in, and no other
rule, route or connection tracking has seen it.  What a packet costs does not grow with the number of identities: each
question is one look into one map.

Source: ``man 8 nft``, "NETDEV address family", FWD statement, ``net/netfilter/nft_fwd_netdev.c``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise

from labhelpers.networks.cilium.datapath import ANY, LAST_PORT, Allowed, Wanted
from labhelpers.networks.cilium.identity import WIRE
from labhelpers.networks.cilium.limits import FLOW_SECONDS, FLOWS
from labhelpers.networks.cilium.nft import services
from labhelpers.networks.cilium.nft.names import GROUP, GUARD, PROXIED, TABLE, TUNNEL, UPLINK
from labhelpers.networks.cilium.nft.table import Chain, Contents, Gate, Named
from labhelpers.networks.policy.model import DIRECTIONS, Direction

__all__ = ["GATE", "contents", "guard", "rule_chain"]

#: a fragment's way is known as long as the rest may follow; net.ipv4.ipfrag_time is 30 seconds
_FRAGMENT = 30
_ENDPOINT_NAMES = "lxc"
_MOST_POLICY = 60  # letters of a policy's name in a chain's name and in a log
_PROTOCOLS = {6: "tcp", 17: "udp"}

#: where a table is too long for one transaction: what policies say comes after the rest, and until then no flow begins
GATE = Gate(
    "begins", re.compile(r"(egress|ingress)(/|-\d)"), frozenset(["ipcache", "ipcache-blocks", "egress", "ingress"])
)

_THERE = "ip saddr . th sport . ip daddr . th dport . ip protocol"
_BACK = "ip daddr . th dport . ip saddr . th sport . ip protocol"
_ECHO_THERE, _ECHO_BACK = "ip saddr . ip daddr . icmp id", "ip daddr . ip saddr . icmp id"
_FRAGMENTS = "ip saddr . ip daddr . ip id . ip protocol"
_WITH_PORTS, _ECHO = "ip protocol { tcp, udp }", "icmp type { echo-request, echo-reply }"
_TO_PROXY = f"ip daddr . tcp dport @{PROXIED} accept"  # the node's firewall gives it to the proxy
_LOG = f"group {GROUP}"


def contents(wanted: Wanted, indexes: Mapping[str, int]) -> Contents:
    """The table ``netdev cilium`` of one node.  Touches no kernel.

    Args:
        indexes: the number of each interface.  One that an endpoint has and that is not there is left out.
    """
    here = [one for one in wanted.endpoints if one.interface in indexes]
    identity = {one.address: one.identity for one in here}
    named: dict[str, Named] = {
        "ipcache": Named("map", "type ipv4_addr : mark;", dict(_alone(wanted))),
        "ipcache-blocks": Named("map", "type ipv4_addr : mark; flags interval;", dict(_blocks(wanted))),
        "own": Named("set", "type ipv4_addr;", dict.fromkeys(sorted(wanted.own), "")),
        "blocks": Named("set", "type ipv4_addr; flags interval;", dict.fromkeys(wanted.blocks, "")),
        "endpoints": Named("set", "type ipv4_addr;", dict.fromkeys(identity, "")),
        "sources": Named("set", "type ifname . ipv4_addr;", {f'"{one.interface}" . {one.address}': "" for one in here}),
        "cables": Named("map", "type ipv4_addr : iface_index;", {a.address: f"{indexes[a.interface]}" for a in here}),
        "flows": _filled("type ipv4_addr . inet_service . ipv4_addr . inet_service . inet_proto;", FLOWS),
        "echoes": _filled("typeof ip saddr . ip daddr . icmp id;", FLOWS),
        PROXIED: Named("set", "type ipv4_addr . inet_service; size 256; flags dynamic;"),
        "fragments": _filled(f"typeof {_FRAGMENTS};", FLOWS, f"timeout {_FRAGMENT}s;"),
        **dict(services.named(wanted.services)),
    }
    chains = {
        "from-pod": Chain("", tuple(_from_pod(wanted))),
        "from-network": Chain(
            "", ("meta protocol != ip accept", "ip daddr != @endpoints accept", _TO_PROXY, "goto known")
        ),
        "known": Chain("", tuple(_known())),
        "handshake": Chain("", tuple(_handshake())),
        "begins": Chain("", tuple(_begins(wanted.tunnel))),
        "who-is-it-for": Chain("", tuple(_identify("daddr"))),
        "who-sent-it": Chain("", tuple(_identify("saddr"))),
        "passes": Chain("", tuple(_passes(wanted))),
        **dict(services.chains(wanted.services)),
    }
    if not wanted.tunnel:
        named["nodes"] = Named("map", "type ipv4_addr : ipv4_addr; flags interval;", dict(_nodes(wanted)))
    for direction in DIRECTIONS:
        chains[f"{direction}-denied"] = Chain("", (f"counter {_log('dropped', direction)} drop",))
        isolated = {address: number for address, number in identity.items() if (number, direction) in wanted.isolated}
        named[f"{direction}-isolated"] = Named("set", "type ipv4_addr;", dict.fromkeys(isolated, ""))
        begin = {address: f"jump {direction}-{number}" for address, number in isolated.items()}
        named[direction] = Named("map", "type ipv4_addr : verdict;", begin)
        for number in sorted(set(isolated.values())):
            _subject(named, chains, number, direction, wanted.allowed)
    for interface in (UPLINK, *([TUNNEL] if wanted.tunnel else ())):
        chains[f"at-{interface}"] = Chain(_hook(interface), ("goto from-network",))
    for one in here:
        chains[f"at-{one.interface}"] = Chain(_hook(one.interface), ("goto from-pod",))
    return Contents(TABLE, named, chains)


def guard() -> Contents:
    """The table ``ip cilium_guard``: nothing that a pod sends passes the node unless a rule of the other has seen it.

    A pod that was made a moment ago has no chain at its interface yet.  Every packet that was looked at and handed to
    the node's routes has a mark, that of its identity.
    """
    hook = "type filter hook forward priority filter; policy accept;"
    rule = f'iifname "{_ENDPOINT_NAMES}*" meta mark 0 counter drop comment "from a pod that is no endpoint yet"'
    return Contents(GUARD, {}, {"forward": Chain(hook, (rule,))})


def rule_chain(direction: str, policy: str, rule: int) -> str:
    """The chain that counts and tells what a policy's rule allows."""
    return f"{direction}/{_short(policy)}/{rule}"


def _filled(kind: str, size: int, more: str = "") -> Named:
    return Named("set", " ".join(filter(None, (kind, f"size {size}; flags dynamic,timeout;", more))))


def _hook(interface: str) -> str:
    return f'type filter hook ingress device "{interface}" priority filter; policy accept;'


def _log(verdict: str, *words: object) -> str:
    return f'log prefix "{" ".join(map(str, (verdict, *words)))}" {_LOG}'


def _short(policy: str) -> str:
    if len(policy) <= _MOST_POLICY:
        return policy
    return f"{policy[: _MOST_POLICY - 11]}-{hashlib.sha256(policy.encode()).hexdigest()[:10]}"


# --- the chains ------------------------------------------------------------------------------------------------------


def _from_pod(wanted: Wanted) -> Iterator[str]:
    yield "meta protocol arp accept"
    yield "meta protocol != ip counter drop"  # policies are about IPv4, so that nothing else may pass
    yield f"iifname . ip saddr != @sources counter {_log('dropped', 'source')} drop"
    yield "ip daddr @own accept"
    yield _TO_PROXY
    yield f"ip saddr . tcp sport @{PROXIED} accept"
    yield from services.translated(wanted.services)
    yield "goto known"


def _known() -> Iterator[str]:
    """What belongs to a flow passes."""
    yield f"ip frag-off & 0x1fff != 0 {_FRAGMENTS} @fragments goto passes"
    yield f"ip frag-off & 0x1fff != 0 counter {_log('dropped', 'fragment')} drop"
    # the first of several fragments has the ports, the others are known by it
    noted = f"update @fragments {{ {_FRAGMENTS} }} goto passes"
    yield f"ip frag-off & 0x2000 != 0 {_WITH_PORTS} {_THERE} @flows {noted}"
    yield f"ip frag-off & 0x2000 != 0 {_ECHO} {_ECHO_THERE} @echoes {noted}"
    # what wants to begin one is asked about even if there is one, lest an answer opens the way back for all
    yield f"tcp flags & (syn | ack) != syn {_THERE} @flows goto handshake"
    yield f"ip protocol udp {_THERE} @flows {_noted(FLOW_SECONDS['others'], 'update')} goto passes"
    yield f"{_ECHO} {_ECHO_THERE} @echoes goto passes"
    # which flow an error is about stands too deep in it for nft; the receiver asks its own sockets
    yield "icmp type { destination-unreachable, time-exceeded, parameter-problem } goto passes"
    yield "goto begins"


def _noted(seconds: int, verb: str = "add", there: str = _THERE, back: str = _BACK, name: str = "flows") -> str:
    """A flow is noted in both directions, so that a packet is looked for once."""
    return f"{verb} @{name} {{ {there} timeout {seconds}s }} {verb} @{name} {{ {back} timeout {seconds}s }}"


def _handshake() -> Iterator[str]:
    """A TCP flow is remembered shortly until it is answered and after it ends, and long in between."""
    yield f"tcp flags & (syn | ack) == syn | ack {_noted(FLOW_SECONDS['TCP'], 'update')}"
    yield f"tcp flags & (fin | rst) != 0 {_noted(FLOW_SECONDS['TCP, ending'], 'update')}"
    yield "goto passes"


def _begins(tunnel: bool) -> Iterator[str]:
    """Nothing is known of it: both ends' policies are asked, and it is noted."""
    # the mark is who the other end is: for egress the receiver, for ingress the sender
    yield "ip saddr @egress-isolated jump who-is-it-for"
    yield "ip saddr vmap @egress"
    if tunnel:  # what came by the tunnel brought its sender's identity
        yield f'iifname != "{TUNNEL}" jump who-sent-it'
        yield f'iifname "{TUNNEL}" meta mark < {WIRE[0]} jump who-sent-it'
    else:
        yield "jump who-sent-it"
    yield "ip daddr vmap @ingress"
    yield f"ip saddr != @egress-isolated ip daddr != @ingress-isolated {_log('forwarded')}"
    yield f"ip frag-off & 0x2000 != 0 update @fragments {{ {_FRAGMENTS} }}"
    yield f"{_WITH_PORTS} {_noted(FLOW_SECONDS['TCP, new'])} goto passes"
    yield f"{_ECHO} {_noted(FLOW_SECONDS['others'], 'add', _ECHO_THERE, _ECHO_BACK, 'echoes')} goto passes"
    # a rule that cannot note the flow, because the set is full, does not go where it says
    yield f"ip protocol {{ tcp, udp, icmp }} counter {_log('dropped', 'full')} drop"
    yield "goto passes"


def _identify(side: str) -> Iterator[str]:
    yield f"meta mark set ip {side} map @ipcache return"
    yield f"meta mark set ip {side} map @ipcache-blocks"


def _passes(wanted: Wanted) -> Iterator[str]:
    """On its way: ``fwd`` puts it into the other interface at once, past all else that the node would do with it."""
    yield from services.answered(wanted.services)
    # one whose time is over is left to the node, which tells the sender; and one from outside of the cluster, because
    # the node must know the flow, lest it gives the answer an address of its own
    short = "ip ttl > 1 ip saddr @blocks"
    yield f"{short} fwd ip to ip daddr device ip daddr map @cables"
    if not wanted.tunnel:
        yield f'{short} fwd ip to ip daddr map @nodes device "{UPLINK}"'
    # the others go by the node's own routes; the mark says that they were looked at, and by which route of the tunnel
    yield "jump who-sent-it"
    yield "accept"


def _subject(
    named: dict[str, Named], chains: dict[str, Chain], number: int, direction: Direction, allowed: Iterable[Allowed]
) -> None:
    """The chain of one identity and direction, and the three maps that it asks."""
    name = f"{direction}-{number}"
    ports, peers, anyone, everything = {}, {}, {}, ""
    for one in allowed:
        if (one.subject, one.direction) != (number, direction):
            continue
        chain = rule_chain(direction, one.policy, one.rule)
        log = _log("allowed", direction, _short(one.policy), one.rule)
        chains.setdefault(chain, Chain("", (f"counter {log} return",)))
        verdict = f"goto {chain}"
        if one.protocol == ANY:
            if one.remote == ANY:
                everything = verdict
            else:
                peers[f"{one.remote}"] = verdict
            continue
        key = f"{_PROTOCOLS[one.protocol]} . {_range(one.first, one.last)}"
        if one.remote == ANY:
            anyone[key] = verdict
        else:
            ports[f"{one.remote} . {key}"] = verdict
    rules = []
    if ports:
        kind = "type mark . inet_proto . inet_service : verdict; flags interval;"
        named[f"{name}-ports"] = Named("map", kind, ports)
        rules.append(f"meta mark . ip protocol . th dport vmap @{name}-ports")
    if peers:
        named[f"{name}-peers"] = Named("map", "type mark : verdict;", peers)
        rules.append(f"meta mark vmap @{name}-peers")
    if anyone:
        named[f"{name}-anyone"] = Named("map", "type inet_proto . inet_service : verdict; flags interval;", anyone)
        rules.append(f"ip protocol . th dport vmap @{name}-anyone")
    chains[name] = Chain("", (*rules, everything or f"goto {direction}-denied"))


def _range(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first}-{min(last, LAST_PORT)}"


# --- who has which address -------------------------------------------------------------------------------------------


def _alone(wanted: Wanted) -> Iterator[tuple[str, str]]:
    """Single addresses have a map of their own, which costs the same however many there are."""
    for one in wanted.ipcache:
        if one.block.endswith("/32"):
            yield one.block.removesuffix("/32"), f"{one.identity}"


def _blocks(wanted: Wanted) -> Iterator[tuple[str, str]]:
    """Ranges that do not overlap, as nft wants them, where the longest prefix decides."""
    blocks = [(IPv4Network(one.block), f"{one.identity}") for one in wanted.ipcache if not one.block.endswith("/32")]
    yield from _flattened(blocks)


def _nodes(wanted: Wanted) -> Iterator[tuple[str, str]]:
    blocks = {IPv4Network(one.block): one.node for one in wanted.ipcache if one.block in wanted.blocks and one.node}
    yield from ((str(block), node) for block, node in blocks.items())


def _flattened(blocks: Iterable[tuple[IPv4Network, str]]) -> Iterator[tuple[str, str]]:
    """Each range of addresses with what its longest prefix says; neighbours that say the same are one."""
    ordered = sorted(blocks, key=lambda one: one[0].prefixlen)
    edges = sorted({edge for block, _ in ordered for edge in _edges(block)})
    merged: list[tuple[int, int, str]] = []
    for begin, end in pairwise(edges):
        meant = [value for block, value in ordered if int(block[0]) <= begin <= int(block[-1])]
        if not meant:
            continue
        if merged and merged[-1][1] == begin and merged[-1][2] == meant[-1]:
            merged[-1] = (merged[-1][0], end, meant[-1])
        else:
            merged.append((begin, end, meant[-1]))
    for begin, end, value in merged:
        first, last = IPv4Address(begin), IPv4Address(end - 1)
        yield f"{first}" if first == last else f"{first}-{last}", value


def _edges(block: IPv4Network) -> tuple[int, int]:
    return int(block[0]), int(block[-1]) + 1
