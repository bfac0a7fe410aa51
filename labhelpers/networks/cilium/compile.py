"""From a cluster's policies to what one node's datapath is told.  Touches no kernel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network

from labhelpers.networks.cilium.datapath import ANY, LAST_PORT, Allowed, Located
from labhelpers.networks.cilium.identity import HOST, INIT, Identities
from labhelpers.networks.policy.model import DIRECTIONS, Direction, Policy, Port, Rule
from labhelpers.networks.policy.world import KnownPod, World
from labhelpers.networks.route.other import Other

__all__ = ["NUMBERS", "Rules", "ipcache", "rules"]

#: of the protocols whose ports a policy can name here
NUMBERS = {"TCP": 6, "UDP": 17}
_EVERYTHING = IPv4Network("0.0.0.0/0")


@dataclass(frozen=True, slots=True)
class Rules:
    """What the policies mean for the endpoints of one node."""

    isolated: frozenset[tuple[int, Direction]] = frozenset()
    allowed: tuple[Allowed, ...] = ()


def ipcache(
    identities: Identities, node: Other, peers: Sequence[Other], own: Iterable[str], ends: Iterable[str]
) -> tuple[Located, ...]:
    """Who has which address, for one node.

    Args:
        own: the node's own addresses.
        ends: other addresses of the other nodes, in their pods' blocks.
    """
    blocks = [(IPv4Network(one.pod_cidr), "" if one is node else one.address) for one in (node, *peers)]

    def behind(block: IPv4Network) -> str:
        return next((address for pods, address in blocks if block.subnet_of(pods)), "")

    # a pod that the API does not know yet has no labels
    lines = {pods: Located(str(pods), identities.of_block(pods, INIT), address) for pods, address in blocks}
    lines[_EVERYTHING] = Located(str(_EVERYTHING), identities.of_block(_EVERYTHING))
    for block in identities.blocks:
        lines[block] = Located(str(block), identities.of_block(block), behind(block))
    alone: dict[str, int] = {address: identities.nodes[address] for address in (*(p.address for p in peers), *ends)}
    alone.update(identities.of_pods)
    alone.update(dict.fromkeys(own, HOST))
    for address, number in alone.items():
        block = IPv4Network(address)
        lines[block] = Located(str(block), number, behind(block))
    return tuple(lines[block] for block in sorted(lines))


def rules(world: World, identities: Identities, here: Iterable[int]) -> Rules:
    """What is isolated, and what is allowed all the same.

    Args:
        here: the identities of endpoints of the node.
    """
    isolated: set[tuple[int, Direction]] = set()
    entries = _Entries()
    subjects = {number: identities.examples[number] for number in sorted(set(here)) if number in identities.examples}
    for direction in DIRECTIONS:
        chosen = world.policies_for(direction)
        # asked once for a rule, however many subjects it has
        remotes: dict[tuple[str, int], list[int]] = {}
        for number, pod in subjects.items():
            for policy in chosen.get(pod, ()):
                isolated.add((number, direction))
                for rule in policy.rules(direction) or ():
                    key = (str(policy), rule.number)
                    if key not in remotes:
                        remotes[key] = sorted(_remotes(world, identities, policy, rule))
                    for remote in remotes[key]:
                        for other, protocol, first, last in _meant(identities, rule.ports, remote, pod, direction):
                            entries.add(Allowed(number, direction, other, protocol, first, last, *key))
    return Rules(frozenset(isolated), tuple(entries.found))


@dataclass
class _Entries:
    """Entries in the order of policies and rules: of two that allow the same, the first stands."""

    found: list[Allowed] = field(default_factory=list)
    _covered: dict[tuple[object, ...], list[tuple[int, int]]] = field(default_factory=dict)

    def add(self, entry: Allowed) -> None:
        key = (entry.subject, entry.direction, entry.remote, entry.protocol)
        covered = self._covered.setdefault(key, [])
        for first, last in _without((entry.first, entry.last), covered):
            covered.append((first, last))
            self.found.append(replace(entry, first=first, last=last))


def _without(wanted: tuple[int, int], covered: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The parts of a range of ports that none of the others covers."""
    first, last = wanted
    for begin, end in sorted(covered):
        if begin > last:
            break
        if end < first:
            continue
        if begin > first:
            yield first, begin - 1
        first = end + 1
    if first <= last:
        yield first, last


def _remotes(world: World, identities: Identities, policy: Policy, rule: Rule) -> set[int]:
    if not rule.peers or any(peer.block == _EVERYTHING and not peer.exceptions for peer in rule.peers):
        return {ANY}
    found: set[int] = set()
    for peer in rule.peers:
        found |= identities.meant(peer, world.pods_of(peer, policy.namespace))
    return found


def _meant(
    identities: Identities, ports: Iterable[Port], remote: int, pod: KnownPod, direction: Direction
) -> Iterator[tuple[int, int, int, int]]:
    """Remote identities, protocols and ranges of ports; a name means what the pod that is talked to calls so."""
    ports = tuple(ports)
    if not ports:
        yield remote, ANY, 0, LAST_PORT
    for port in ports:
        protocol = NUMBERS.get(port.protocol)
        if protocol is None:
            continue  # one that is not spoken here: it allows nothing
        if not port.name:
            yield remote, protocol, port.first, port.last if port.first else LAST_PORT
        elif direction == "ingress":
            yield from ((remote, protocol, number, number) for number in _called(pod, port))
        else:
            for other, example in identities.examples.items():
                if remote in (ANY, other):
                    yield from ((other, protocol, number, number) for number in _called(example, port))


def _called(pod: KnownPod, port: Port) -> list[int]:
    return [number for kind, name, number in pod.ports if (kind, name) == (port.protocol, port.name)]
