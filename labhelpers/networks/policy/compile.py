"""Compile the policies of a cluster for one node: sets for who is meant, a chain for each policy, two maps to begin at.

What a packet costs does not grow with the cluster: it is looked up in one map by its pod's address, and passes the
rules of the policies that select this pod, each of which asks a set.  A policy's chain is shared by all its pods.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, collapse_addresses

from labhelpers.networks.policy.model import DIRECTIONS, Direction, Peer, Policy, Port, Rule
from labhelpers.networks.policy.ruleset import ISOLATED, NamedSet, Ruleset
from labhelpers.networks.policy.world import World

__all__ = ["SPEAKS", "compiled"]

#: the protocols whose ports a policy can name here
SPEAKS = ("TCP", "UDP")
_PEER_SIDE = {"egress": "daddr", "ingress": "saddr"}
_MOST_COMMENT = 120  # bytes: the kernel keeps 128 with the comment's own header
_MOST_NAME = 120
_ALL = IPv4Network("0.0.0.0/0")


def compiled(world: World, node: str) -> Ruleset:
    """The table that enforces the policies for the pods of one node.  Touches no kernel."""
    return _Compiler(world, node).ruleset()


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:10]


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 11]}-{_digest(text)}"


def _plain(words: str) -> str:
    """Labels as they may stand in a comment of nft; an API server lets nothing else be one."""
    return re.sub(r"[^ -~]|[\"\\\\]", "?", words)


class _Compiler:
    def __init__(self, world: World, node: str) -> None:
        self._world, self._node = world, node
        self._sets: dict[str, NamedSet] = {}
        self._chains: dict[str, tuple[str, ...]] = {}

    def ruleset(self) -> Ruleset:
        maps = {direction: self._direction(direction) for direction in DIRECTIONS}
        return Ruleset(self._sets, self._chains, maps)

    def _direction(self, direction: Direction) -> dict[str, str]:
        """Fill in chains and sets, and return where each pod's rules begin."""
        begins: dict[str, str] = {}
        here = {pod: some for pod, some in self._world.policies_for(direction).items() if pod.node == self._node}
        for pod, policies in here.items():
            chains = [chain for chain in (self._policy(one, direction) for one in policies) if chain]
            if len(chains) == 1:
                begins[pod.address] = f"jump {chains[0]}"
            elif chains:
                begins[pod.address] = f"jump {self._together(chains, direction)}"
        self._sets[ISOLATED[direction]] = NamedSet(
            "ipv4_addr",
            f"pods of this node that a policy isolates for {direction}",
            frozenset(pod.address for pod in here),
            counted=True,
        )
        return begins

    def _together(self, chains: list[str], direction: Direction) -> str:
        """A chain for pods that several policies select: what one of them does not allow, the next may."""
        name = f"{direction}/several-{_digest(chains)}"
        self._chains[name] = tuple(f"jump {chain}" for chain in chains)
        return name

    def _policy(self, policy: Policy, direction: Direction) -> str:
        """The policy's chain; none if it allows nothing."""
        name = f"{direction}/{policy.namespace}/{_short(policy.name, _MOST_NAME)}"
        if name not in self._chains:
            rules = tuple(
                text for rule in policy.rules(direction) or () for text in self._rule(policy, rule, direction)
            )
            if not rules:
                return ""
            self._chains[name] = rules
        return name

    def _rule(self, policy: Policy, rule: Rule, direction: Direction) -> Iterator[str]:
        comment = f'comment "{_short(str(policy), _MOST_COMMENT - 20)} {direction} rule {rule.number}"'
        ports = list(self._ports(rule.ports)) if rule.ports else [""]
        for who in self._peers(policy, rule, direction):
            for port in ports:
                yield " ".join(filter(None, (who, port, "counter accept", comment)))

    def _peers(self, policy: Policy, rule: Rule, direction: Direction) -> Iterator[str]:
        """One match for each selector, one for all whole blocks, one for each block with exceptions."""
        if not rule.peers:
            yield ""
            return
        side = _PEER_SIDE[direction]
        whole: list[IPv4Network] = []
        for peer in rule.peers:
            if peer.block is None:
                yield f"ip {side} @{self._pods(peer, policy.namespace)}"
            elif not isinstance(peer.block, IPv4Network):
                continue  # the pods here have IPv4 only
            elif peer.exceptions:
                less = (one for one in peer.exceptions if isinstance(one, IPv4Network))
                yield f"{_in(side, [peer.block])} ip {side} != {_listed(less)}".strip()
            else:
                whole.append(peer.block)
        if whole:
            yield _in(side, whole)

    def _pods(self, peer: Peer, namespace: str) -> str:
        own = namespace if peer.namespaces is None else None
        name = f"pods-{_digest([own, peer.namespaces, peer.pods])}"
        if name not in self._sets:
            words = str(peer) if own is None else str(peer).replace("its own namespace", own)
            addresses = frozenset(pod.address for pod in self._world.pods_of(peer, namespace))
            self._sets[name] = NamedSet("ipv4_addr", _short(_plain(words), _MOST_COMMENT), addresses)
        return name

    def _ports(self, ports: tuple[Port, ...]) -> Iterator[str]:
        """One match for each protocol, one for each name."""
        for protocol in SPEAKS:
            mine = [port for port in ports if port.protocol == protocol]
            if any(not port.first and not port.name for port in mine):
                yield f"meta l4proto {protocol.lower()}"
                continue
            numbers = _merged((port.first, port.last) for port in mine if port.first)
            if numbers:
                yield f"{protocol.lower()} dport " + (
                    numbers[0] if len(numbers) == 1 else f"{{ {', '.join(numbers)} }}"
                )
            for name in sorted({port.name for port in mine if port.name}):
                yield f"ip daddr . {protocol.lower()} dport @{self._named_port(protocol, name)}"

    def _named_port(self, protocol: str, name: str) -> str:
        """Which port a name means is the destination's own affair, so this is a set of addresses with ports."""
        set_name = f"{protocol.lower()}-{name}"
        if set_name not in self._sets:
            elements = frozenset(
                f"{pod.address} . {number}"
                for pod in self._world.pods
                for known, called, number in pod.ports
                if (known, called) == (protocol, name)
            )
            words = f"the port that pods call {name}"
            self._sets[set_name] = NamedSet("ipv4_addr . inet_service", words, elements)
        return set_name


def _in(side: str, blocks: list[IPv4Network]) -> str:
    # every address: nothing to ask
    return "" if _ALL in blocks else f"ip {side} {_listed(blocks)}"


def _listed(blocks: Iterable[IPv4Network]) -> str:
    texts = [str(block) for block in collapse_addresses(blocks)]
    return texts[0] if len(texts) == 1 else f"{{ {', '.join(texts)} }}"


def _merged(ranges: Iterable[tuple[int, int]]) -> list[str]:
    """Ranges of ports that do not overlap, as nft writes them."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return [str(first) if first == last else f"{first}-{last}" for first, last in merged]
