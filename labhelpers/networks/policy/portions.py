"""A table that is too long for one transaction, in several.

What an ordinary user sends to the kernel at once may be no longer than ``net.core.wmem_max`` allows, about 150
policies; root has no such limit.  Between the first of these transactions and the last, no new connection of an
isolated pod begins: less is allowed than the old or the new policies allow, and never more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from labhelpers.networks.policy.ruleset import BASE, ISOLATED, MAPS, TABLE, Ruleset, base, delta

__all__ = ["cut", "in_portions"]

_LONGEST = 30_000  # letters; what the kernel is sent is longer, and 64 KiB always fit


def in_portions(new: Ruleset, chains: Iterable[str] = (), sets: Iterable[str] = ()) -> list[str]:
    """The transactions that make ``new`` of a table in which anything may be, in order.

    Args:
        chains, sets: those that are there, but the chains at the hook and the maps.
    """
    isolated = set(ISOLATED.values())
    chains, there = sorted(chains), set(sets)
    closing = [f"add table {TABLE}"]
    for name in MAPS.values():
        closing += [f"add map {TABLE} {name} {{ type ipv4_addr : verdict; }}", f"flush map {TABLE} {name}"]
    clearing = [f"flush chain {TABLE} {name}" for name in chains]  # first all, as they may jump to one another
    clearing += [f"delete chain {TABLE} {name}" for name in chains]
    clearing += [f"delete set {TABLE} {name}" for name in sorted(there - isolated)]
    # nothing leads to these rules yet
    others = {name: one for name, one in new.sets.items() if name not in isolated}
    preparing = delta(Ruleset(), replace(new, sets=others, maps={})).splitlines()
    return ["\n".join(closing), *cut(clearing), *cut(preparing), "\n".join(_opening(new, there & isolated))]


def _opening(new: Ruleset, there: set[str]) -> Iterator[str]:
    """The last one: who is isolated, the rules at the hook, and whose connections are asked about where."""
    isolated = {name: new.sets[name] for name in ISOLATED.values() if name in new.sets}
    for name in sorted(there):
        yield f"flush set {TABLE} {name}"
    known = {name: replace(isolated[name], elements=frozenset()) for name in there if name in isolated}
    yield from delta(Ruleset(known), Ruleset(isolated, {}, new.maps)).splitlines()
    for direction, (chain, place, _) in BASE.items():
        yield f"add chain {TABLE} {chain} {{ type filter hook forward priority {place}; policy accept; }}"
        yield f"flush chain {TABLE} {chain}"
        yield from base(direction)


def cut(lines: Iterable[str]) -> Iterator[str]:
    """As few texts as are short enough, of whole lines."""
    portion: list[str] = []
    length = 0
    for line in lines:
        if portion and length + len(line) > _LONGEST:
            yield "\n".join(portion)
            portion, length = [], 0
        portion.append(line)
        length += len(line) + 1
    if portion:
        yield "\n".join(portion)
