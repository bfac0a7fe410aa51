"""``Comparison``: all that was measured in one run, and what can be said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from labhelpers.errors import NotFound
from labhelpers.linux.records import Rows
from labhelpers.measure.entrant import BARE
from labhelpers.measure.properties import Properties
from labhelpers.measure.quantity import Quantity, quantities_named
from labhelpers.measure.standing import NOT_RANKED, ONE_ROUND, Spread, Standing, places

__all__ = ["AGAIN", "Comparison"]

#: the second cable, which is measured as if it were somebody else
AGAIN = f"{BARE.name}, again"


@dataclass(frozen=True)
class Comparison:
    """What ``compare`` returns: a line for each network, and for each quantity who stands where."""

    #: by network and quantity; with the bare cable's, twice
    spreads: Mapping[str, Mapping[str, Spread]]
    #: one line for each network; empty if only numbers were asked for
    properties: Rows[Properties]
    #: networks that could not be measured here, and why
    left_out: Mapping[str, str] = field(default_factory=dict)
    #: what carries packets in place of the product, by network
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    rounds: int = 0
    seconds: int = 0

    @property
    def networks(self) -> tuple[str, ...]:
        """Those that were measured, without the cable."""
        return tuple(name for name in self.spreads if name not in (BARE.name, AGAIN))

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What was measured of any of them."""
        return quantities_named({id for found in self.spreads.values() for id in found})

    def noise(self, quantity: str) -> float:
        """A/A: the ratio of the two medians of the same cable, at least 1; 1 where a cable has no such thing."""
        one, same = (self.spreads[name].get(quantity) for name in (BARE.name, AGAIN))
        if one is None or same is None or not one.middle or not same.middle:
            return 1.0
        return max(one.middle / same.middle, same.middle / one.middle)

    def standing(self, quantity: str) -> Rows[Standing]:
        """Who stands where, best first; an order is claimed only where no two intervals overlap.

        Raises:
            NotFound: it was not measured.
        """
        (asked,) = quantities_named([quantity])
        found = {name: self.spreads[name][quantity] for name in self.networks if quantity in self.spreads[name]}
        if not found:
            raise NotFound(f"{asked.title} was not measured.", "Leave out only=…, or name it there.")
        noise = self.noise(quantity)
        unranked = list(found) if asked.of_the_model else list(self.stand_ins) if asked.by_carrier else []
        placed = places(found, more_is_better=asked.more_is_better, noise=noise, step=asked.step, unranked=unranked)
        if not asked.is_exact and not all(one.has_any for one in found.values()):
            placed = {name: NOT_RANKED if name in unranked else ONE_ROUND for name in found}
        bare = self.spreads[BARE.name].get(quantity)
        lines = [
            self._line(name, asked, spread, bare, placed[name])
            for name, spread in sorted(found.items(), key=lambda one: one[1].middle, reverse=asked.more_is_better)
        ]
        lines.sort(key=lambda line: line.place == NOT_RANKED)
        if bare is not None:
            lines.insert(0, self._line(BARE.name, asked, bare, bare, "the measure"))
        title = f"{asked.title}, {asked.unit}: {'more' if asked.more_is_better else 'less'} is better"
        return Rows(lines, f"{title}; A/A {noise:.2f}" if bare is not None else title)

    def _line(self, name: str, asked: Quantity, spread: Spread, bare: Spread | None, place: str) -> Standing:
        ratio = spread.middle / bare.middle if bare is not None and bare.middle else 0.0
        note = self.stand_ins.get(name, "")
        return Standing(name, spread.middle, spread.low, spread.high, asked.unit, ratio, place, note)

    def beats(self, better: str, worse: str, quantity: str) -> bool:
        """May it be said that one is better than the other?  Only where their intervals do not overlap, and never of
        one round, nor of what stands in for a product or is the course's own.

        Raises:
            NotFound: one of them was not measured.
        """
        (asked,) = quantities_named([quantity])
        try:
            one, other = (self.spreads[name][quantity] for name in (better, worse))
        except KeyError as missing:
            raise NotFound(f"There is no {missing} here.", f"Measured: {', '.join(self.spreads)}.") from None
        if asked.of_the_model:
            return False
        if not asked.is_exact and not (one.has_any and other.has_any):
            return False
        if asked.by_carrier and self.stand_ins.keys() & {better, worse}:
            return False
        if asked.more_is_better:
            one, other = other, one
        return one.is_below(other, self.noise(quantity), asked.step)

    def __repr__(self) -> str:
        left_out = f", left out: {', '.join(self.left_out)}" if self.left_out else ""
        return f"<Comparison of {len(self.networks)} networks, {self.rounds} rounds of {self.seconds} s{left_out}>"
