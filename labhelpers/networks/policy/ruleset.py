"""``Ruleset``: one node's table as values, and the commands of nft that lead from one to another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from labhelpers.networks.policy.model import Direction

__all__ = ["BASE", "ISOLATED", "MAPS", "TABLE", "NamedSet", "Ruleset", "base", "delta", "rebuilt"]

TABLE = "ip network_policy"
#: each direction's chain at the kernel's hook, its place there, the side of the packet it is about
BASE: dict[Direction, tuple[str, str, str]] = {
    "egress": ("from-pods", "filter", "saddr"),
    "ingress": ("to-pods", "filter + 1", "daddr"),
}
MAPS = {direction: f"{direction}-rules" for direction in BASE}
ISOLATED = {direction: f"{direction}-isolated" for direction in BASE}


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A set: what its elements are, what it is for, and the elements."""

    kind: str
    comment: str
    elements: frozenset[str]
    #: does each element count the packets that match it?
    counted: bool = False

    @property
    def _declared(self) -> str:
        comment = f' comment "{self.comment}";' if self.comment else ""
        return f"{{ type {self.kind};{' counter;' if self.counted else ''}{comment} }}"


@dataclass(frozen=True, slots=True)
class Ruleset:
    """What one node enforces.

    ``maps`` says for each address of a pod where its rules begin; a pod without rules that is isolated is in the set of
    its direction only.
    """

    sets: Mapping[str, NamedSet] = field(default_factory=dict)
    #: the rules of each chain but the two at the hook
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: by direction
    maps: Mapping[Direction, Mapping[str, str]] = field(default_factory=dict)


def base(direction: Direction) -> Iterator[str]:
    """The chain that every forwarded packet comes to, with its rules.

    ``accept`` ends this chain only: a packet that its sender's policies allow goes on to the chain of its receiver's.
    What is isolated is in a set beside the map, so that a pod whose rules are being exchanged is not open meanwhile.
    """
    chain, place, side = BASE[direction]
    yield f"add chain {TABLE} {chain} {{ type filter hook forward priority {place}; policy accept; }}"
    add = f"add rule {TABLE} {chain}"
    yield f'{add} ct state established,related counter accept comment "replies, and what was allowed to begin"'
    yield f"{add} ip {side} vmap @{MAPS[direction]}"
    yield f'{add} ip {side} @{ISOLATED[direction]} counter drop comment "isolated, and no policy allows it"'


def _elements(verb: str, name: str, elements: Iterable[str]) -> Iterator[str]:
    listed = ", ".join(sorted(elements))
    if listed:
        yield f"{verb} element {TABLE} {name} {{ {listed} }}"


def _pairs(verdicts: Mapping[str, str]) -> set[str]:
    return {f"{address} : {verdict}" for address, verdict in verdicts.items()}


def delta(old: Ruleset, new: Ruleset) -> str:
    """The commands, one transaction, that make ``new`` of a table that holds ``old``; ``""`` if they are equal."""
    lines: list[str] = []
    gone_chains = old.chains.keys() - new.chains.keys()
    for name, one in new.sets.items():
        was = old.sets.get(name)
        if was is None:
            lines.append(f"add set {TABLE} {name} {one._declared}")
        before = was.elements if was else frozenset[str]()
        lines += _elements("delete", name, before - one.elements)
        lines += _elements("add", name, one.elements - before)
    changed = [name for name, rules in new.chains.items() if old.chains.get(name) != rules]
    lines += [f"add chain {TABLE} {name}" for name in changed if name not in old.chains]
    lines += [f"flush chain {TABLE} {name}" for name in changed if name in old.chains]
    lines += [f"add rule {TABLE} {name} {rule}" for name in changed for rule in new.chains[name]]
    for direction in BASE:
        was_there, wanted = _pairs(old.maps.get(direction, {})), _pairs(new.maps.get(direction, {}))
        lines += _elements("delete", MAPS[direction], was_there - wanted)
        lines += _elements("add", MAPS[direction], wanted - was_there)
    # first all are emptied, as they may jump to one another
    lines += [f"flush chain {TABLE} {name}" for name in sorted(gone_chains)]
    lines += [f"delete chain {TABLE} {name}" for name in sorted(gone_chains)]
    lines += [f"delete set {TABLE} {name}" for name in sorted(old.sets.keys() - new.sets.keys())]
    return "\n".join(lines)


def rebuilt(new: Ruleset, chains: Iterable[str] = (), sets: Iterable[str] = ()) -> str:
    """The commands, one transaction, that make ``new`` of a table in which anything may be.

    The chains at the hook stay, and only their rules are exchanged: were the table deleted and made again, a packet
    could pass the new chain before and the old one after the change, and nobody would have asked the policies about it.

    Args:
        chains, sets: those that are there, but the chains at the hook and the maps.
    """
    lines = [f"add table {TABLE}", f"flush table {TABLE}"]
    there_chains, there_sets = set(chains), set(sets)
    for direction in BASE:
        lines.append(f"add map {TABLE} {MAPS[direction]} {{ type ipv4_addr : verdict; }}")
        lines.append(f"flush map {TABLE} {MAPS[direction]}")
    known = there_sets & new.sets.keys()
    lines += [f"flush set {TABLE} {name}" for name in sorted(known)]
    gone = there_chains - new.chains.keys()
    lines += [f"delete chain {TABLE} {name}" for name in sorted(gone)]
    lines += [f"delete set {TABLE} {name}" for name in sorted(there_sets - known)]
    was = Ruleset(
        {name: NamedSet(new.sets[name].kind, "", frozenset()) for name in known},
        dict.fromkeys(there_chains - gone, ()),
    )
    lines += delta(was, new).splitlines()
    for direction in BASE:
        lines += base(direction)
    return "\n".join(lines)
