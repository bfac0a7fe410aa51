"""A walk as it is told: packet by packet, step by step, without what would only be repeated.

Fragments that pass the same place are one step, copies that went astray one line, the rounds of a loop one round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from labhelpers.trace.hop import Hop, Walk
from labhelpers.views.lettering import natural, printable, shortened
from labhelpers.views.walk_layers import Layer, layers

__all__ = ["Chapter", "Step", "Verdict", "outcome", "place_words", "story", "verdict"]

_MOST_STEPS = 80  # of a packet; who wants more reads walk.hops
_MOST_PACKETS = 12
_LONGEST_ROUND = 40  # hops
_LONGEST_PLACE = 31  # both names of a place are 15 characters long at most, but for namespaces made by hand
_DIRECTIONS = {"other host": "in"}


@dataclass(frozen=True, slots=True)
class Step:
    """A packet at one place."""

    #: counted from 1 within the packet
    number: int
    hop: Hop
    layers: tuple[Layer, ...]
    #: what is different from the step before
    words: tuple[str, ...]
    #: bytes, of all fragments
    length: int
    fragments: int = 0
    #: first of its packet, or with other headers than the step before
    has_other_headers: bool = False
    #: what is left out behind it
    left_out: str = ""

    @property
    def place(self) -> str:
        """``node-1/eth0``, in a length that fits."""
        return place_words(self.hop.place)

    @property
    def direction(self) -> str:
        """``in`` or ``out``."""
        return _DIRECTIONS.get(self.hop.direction, self.hop.direction)

    @property
    def words_beside(self) -> tuple[str, ...]:
        """The words where they stand beside what brought the packet: that is not said twice."""
        by = self.hop.by
        return tuple(one.removeprefix(f"{by} ").removeprefix(f"{by}, ") for one in self.words if one != by)

    @property
    def size(self) -> str:
        """``98 bytes``, ``3 fragments, 3110 bytes``."""
        return f"{self.fragments} fragments, {self.length} bytes" if self.fragments else f"{self.length} bytes"


@dataclass(frozen=True, slots=True)
class Chapter:
    """One packet of the conversation."""

    #: ``request``, ``reply``, ``SYN`` …
    packet: str
    steps: tuple[Step, ...] = ()
    #: the one line about its copies, or about packets that are left out
    note: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How it ended."""

    ok: bool
    #: ``answered by 10.0.2.10``
    outcome: str
    place: str = ""
    what: str = ""
    evidence: tuple[str, ...] = ()
    to_do: str = ""
    #: frames that nobody could read
    lost: str = ""


def outcome(walk: Walk) -> str:
    """The walk in a line: what was sent, from where to where, and what came of it."""
    return printable(f"{walk.probe} from {walk.source} to {walk.target}: {verdict(walk).outcome}")


def verdict(walk: Walk) -> Verdict:
    """How it ended, and why."""
    answer, why = walk.answer, walk.why
    if answer.ok:
        words = f"answered by {answer.from_}" if answer.from_ else "answered"
    else:
        words = f"failed: {answer.words}" if answer.error else "no answer"
    lost = f"{walk.lost} frames came faster than they could be read: hops may be missing." if walk.lost else ""
    if why is None:
        return Verdict(walk.ok, words, lost=lost)
    told = (f"the kernel calls it: {why.kernel_says}",) if why.kernel_says else ()
    evidence = tuple(printable(one) for one in (*why.evidence, *told))
    return Verdict(walk.ok, words, place_words(why.place), printable(why.what), evidence, printable(why.to_do), lost)


def place_words(place: str) -> str:
    """A place in a length that fits, without characters that cannot be shown."""
    return shortened(printable(place), _LONGEST_PLACE)


def story(walk: Walk, *, fragments: bool = False) -> tuple[Chapter, ...]:
    """The packets of a walk in the order they were first seen.

    Args:
        fragments: tell of each fragment by itself.
    """
    found = [_chapter(walk.hops, packet, fragments=fragments) for packet in walk.packets]
    if len(found) <= _MOST_PACKETS:
        return tuple(found)
    first, last = found[: _MOST_PACKETS - 2], found[-1:]
    count = len(found) - len(first) - len(last)
    note = f"{count} more packets, from {found[len(first)].packet} to {found[-2].packet}: see walk.hops"
    return (*first, Chapter(f"{count} more packets", note=note), *last)


def _chapter(hops: Sequence[Hop], packet: str, *, fragments: bool) -> Chapter:
    of_it = [hop for hop in hops if hop.packet == packet]
    groups = [[hop] for hop in of_it if not hop.astray] if fragments else _gathered(of_it)
    before: dict[str, Sequence[Hop]] = {}
    steps = []
    for number, group in enumerate(groups, 1):
        stream = group[0].part if fragments else ""
        steps.append(_step(number, group, before.get(stream) or before.get("") or ()))
        before[stream] = group
    return Chapter(printable(packet), tuple(_cut(_without_rounds(steps))), _strays(of_it))


def _gathered(hops: Sequence[Hop]) -> list[list[Hop]]:
    """The fragments of one packet that passed the same place, together; the first fragment leads."""
    times: Counter[tuple[str, str, str]] = Counter()
    groups: dict[tuple[str, str, int], list[Hop]] = {}
    for hop in hops:
        if hop.astray:
            continue
        one = hop.place, hop.direction, hop.part
        times[one] += 1
        groups.setdefault((hop.place, hop.direction, times[one]), []).append(hop)
    return [sorted(group, key=lambda hop: natural(hop.part)) for group in groups.values()]


def _step(number: int, group: Sequence[Hop], came: Sequence[Hop]) -> Step:
    hop, before = group[0], came[0] if came else None
    words = [printable(one) for one in hop.changed]
    if len(group) > 1:
        # of the first one alone it would be said that it is "1 of 3"
        words = [one for one in words if hop.part not in one]
        if len(group) != len(came):
            words.append(f"{'now ' if came else ''}{len(group)} fragments")
    shown = layers(hop.headers, before.headers if before else None)
    if hop.inferred:
        depth = shown[-1].depth + 1 if shown else 0
        shown += (Layer("encrypted", depth=depth),)
        words.append("inferred from its size and time")
    return Step(
        number,
        hop,
        shown,
        tuple(words),
        sum(one.length for one in group),
        len(group) if len(group) > 1 else 0,
        before is None or hop.stack != before.stack,
    )


def _strays(hops: Sequence[Hop]) -> str:
    places = sorted({place_words(hop.place) for hop in hops if hop.astray and hop.direction != "out"}, key=natural)
    if not places:
        return ""
    some = ", ".join(places[:4]) + (f" and {len(places) - 4} more" if len(places) > 4 else "")
    return f"copies that a switch sent and nobody took: at {some}"


def _without_rounds(steps: Sequence[Step]) -> list[Step]:
    """Of what goes round in a loop, the first round, and how often it went."""
    ways = [(step.hop.place, step.hop.direction, step.hop.by, step.hop.part) for step in steps]
    told, at = [], 0
    while at < len(steps):
        long, rounds = _round(ways, at)
        if rounds < 3:
            told.append(steps[at])
            at += 1
            continue
        told += steps[at : at + long]
        end = at + long * rounds
        same = "the same hop" if long == 1 else f"the same {long} hops"
        age = _lived(steps[at + long], steps[end - 1])
        words = f"{same} {rounds - 1} times more, up to hop {end}{age}"
        told[-1] = replace(told[-1], left_out=words)
        at = end
    return told


def _round(ways: Sequence[tuple[str, ...]], at: int) -> tuple[int, int]:
    """How many hops from here on are repeated, and how many times they are there."""
    for long in range(1, _LONGEST_ROUND + 1):
        rounds = 1
        while ways[at : at + long] == ways[at + rounds * long : at + (rounds + 1) * long]:
            rounds += 1
        if rounds > 2:
            return long, rounds
    return 1, 1


def _lived(first: Step, last: Step) -> str:
    ages = [
        next((one["ttl"] for one in reversed(step.hop.headers) if one.protocol == "IPv4" and not one.quoted), None)
        for step in (first, last)
    ]
    return f", TTL {ages[0]} → {ages[1]}" if None not in ages and ages[0] != ages[1] else ""


def _cut(steps: Sequence[Step]) -> list[Step]:
    if len(steps) <= _MOST_STEPS:
        return list(steps)
    first, last = list(steps[: _MOST_STEPS // 2]), list(steps[-_MOST_STEPS // 4 :])
    words = f"{last[0].number - first[-1].number - 1} hops are left out here: see walk.hops"
    first[-1] = replace(first[-1], left_out="; ".join(part for part in (first[-1].left_out, words) if part))
    return first + last
