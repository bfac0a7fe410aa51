"""``Contents``: a table of nftables as values, and the commands that lead from one to another in one transaction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from labhelpers.networks.policy.portions import cut

__all__ = ["Chain", "Contents", "Gate", "Named", "delta", "in_portions", "rebuilt"]

_A_LINE = 500  # elements


@dataclass(frozen=True, slots=True)
class Named:
    """A set or a map.

    One whose elements packets add and take away is ``dynamic``: its elements are the kernel's own affair.
    """

    #: ``set`` or ``map``, and what follows its name, without braces
    kind: str
    declared: str
    #: what is mapped to what; to ``""`` in a set
    elements: Mapping[str, str] = field(default_factory=dict)

    @property
    def dynamic(self) -> bool:
        """Do packets fill it?"""
        return "dynamic" in self.declared


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain: where in the kernel it begins, ``""`` if other chains lead to it, and its rules."""

    hook: str = ""
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a table."""

    #: family and name
    table: str
    named: Mapping[str, Named] = field(default_factory=dict)
    chains: Mapping[str, Chain] = field(default_factory=dict)


def _element(key: str, value: str) -> str:
    return f"{key} : {value}" if value else key


def _elements(verb: str, table: str, name: str, elements: Sequence[str]) -> Iterator[str]:
    """In lines that are short enough to be sent one by one, where all at once are too long."""
    for begin in range(0, len(elements), _A_LINE):
        listed = ", ".join(elements[begin : begin + _A_LINE])
        yield f"{verb} element {table} {name} {{ {listed} }}"


def delta(old: Contents, new: Contents) -> str:
    """The commands, one transaction, that make ``new`` of a table that holds ``old``; ``""`` if they are equal."""
    table = new.table
    lines: list[str] = []
    for name, one in new.named.items():
        if name not in old.named:
            lines.append(f"add {one.kind} {table} {name} {{ {one.declared} }}")
    for name, chain in new.chains.items():
        if name not in old.chains:
            hook = f" {{ {chain.hook} }}" if chain.hook else ""
            lines.append(f"add chain {table} {name}{hook}")
    for name, was in old.named.items():
        now = new.named[name].elements if name in new.named else {}
        gone = [key for key, value in was.elements.items() if now.get(key) != value]
        lines += _elements("delete", table, name, gone)
    changed = [name for name, chain in new.chains.items() if old.chains.get(name, Chain()).rules != chain.rules]
    lines += [f"flush chain {table} {name}" for name in changed if name in old.chains]
    lines += [f"add rule {table} {name} {rule}" for name in changed for rule in new.chains[name].rules]
    for name, one in new.named.items():
        before = old.named[name].elements if name in old.named else {}
        fresh = [_element(key, value) for key, value in one.elements.items() if before.get(key) != value]
        lines += _elements("add", table, name, fresh)
    lines += _without_chains(table, old.chains.keys() - new.chains.keys())
    lines += [f"delete {old.named[name].kind} {table} {name}" for name in sorted(old.named.keys() - new.named.keys())]
    return "\n".join(lines)


def _without_chains(table: str, names: Iterable[str]) -> Iterator[str]:
    # the kernel has taken a chain away whose interface went: adding it first makes deleting it right in any case
    for verb in ("add", "flush", "delete"):
        for name in sorted(names):
            yield f"{verb} chain {table} {name}"


def rebuilt(new: Contents, chains: Iterable[str] = (), named: Mapping[str, str] | None = None) -> str:
    """The commands, one transaction, that make ``new`` of a table in which anything may be.

    What packets have put into sets stays, so that flows that began before go on.

    Args:
        chains: those that are there.
        named: the sets and maps that are there, and which of both each is.
    """
    there, table = named or {}, new.table
    lines = [f"add table {table}", f"flush table {table}"]
    kept = {name for name, kind in there.items() if name in new.named and new.named[name].kind == kind}
    lines += [f"flush {there[name]} {table} {name}" for name in sorted(kept) if not new.named[name].dynamic]
    lines += [f"flush {kind} {table} {name}" for name, kind in sorted(there.items()) if name not in kept]
    gone = set(chains) - new.chains.keys()
    lines += _without_chains(table, gone)
    lines += [f"delete {kind} {table} {name}" for name, kind in sorted(there.items()) if name not in kept]
    was = Contents(
        table,
        {name: Named(new.named[name].kind, new.named[name].declared) for name in kept},
        dict.fromkeys(set(chains) & new.chains.keys(), Chain()),
    )
    return "\n".join(lines + delta(was, new).splitlines())


@dataclass(frozen=True, slots=True)
class Gate:
    """How a table is filled in several transactions, while no flow begins."""

    #: the chain that every packet comes to that begins a flow
    chain: str
    #: chains, sets and maps that come after the rest
    later: re.Pattern[str]
    #: sets and maps that are filled after the rest
    filled_later: frozenset[str]


def in_portions(new: Contents, gate: Gate, chains: Sequence[str], named: Mapping[str, str]) -> list[str]:
    """The transactions that make ``new`` of a table in which anything may be, where one would be too long.  The first
    takes all rules away and shuts the gate.

    From the first to the last of them nothing passes the gate.

    Args:
        chains, named: those that are there, as for ``rebuilt``.
    """
    shut = Contents(
        new.table,
        {
            name: replace(one, elements={}) if name in gate.filled_later else one
            for name, one in new.named.items()
            if not gate.later.match(name)
        },
        {
            name: Chain(chain.hook, ("counter drop",)) if name == gate.chain else chain
            for name, chain in new.chains.items()
            if not gate.later.match(name)
        },
    )
    filled = replace(new, chains={**new.chains, gate.chain: shut.chains[gate.chain]})
    old = sorted(name for name in chains if gate.later.match(name))
    maps = [(kind, name) for name, kind in sorted(named.items()) if gate.later.match(name)]
    clearing = [f"flush {kind} {new.table} {name}" for kind, name in maps]  # first, as they lead to the chains
    clearing += [f"delete chain {new.table} {name}" for name in old]
    clearing += [f"delete {kind} {new.table} {name}" for kind, name in maps]
    rest = {name: kind for name, kind in named.items() if not gate.later.match(name)}
    return [
        rebuilt(shut, [name for name in chains if not gate.later.match(name)], rest),
        *cut(clearing),
        *cut(delta(shut, filled).splitlines()),
        delta(filled, new),
    ]
