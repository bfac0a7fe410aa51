"""Where a network stands among others: its value with its spread, and which places it may have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["NOT_RANKED", "ONE_ROUND", "Spread", "Standing", "places"]

#: in place of a place
NOT_RANKED = "not ranked"
#: where there is no spread
ONE_ROUND = "one round"


@dataclass(frozen=True, slots=True)
class Spread:
    """What was measured of one thing in several rounds: the interval from the smallest to the largest."""

    values: tuple[float, ...]

    @property
    def middle(self) -> float:
        """The median."""
        return median(self.values)

    @property
    def low(self) -> float:
        """The smallest."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The largest."""
        return max(self.values)

    def is_below(self, other: Spread, noise: float = 1.0, step: float = 0.0) -> bool:
        """Is all of it below all of the other, and by more than the noise?

        Args:
            noise: the ratio of two measurements of the same thing, at least 1.
            step: the smallest difference that the instrument tells apart.
        """
        return self.high + step < other.low and self.middle * noise < other.middle

    @property
    def has_any(self) -> bool:
        """Was there more than one round, so that the interval says something?"""
        return len(self.values) > 1


@dataclass(frozen=True, slots=True)
class Standing:
    """One line of the comparison of one quantity."""

    network: str
    #: the median of the rounds
    value: float
    low: float
    high: float
    unit: str
    #: the median divided by that of the bare cable; 0 where the cable has no such thing
    ratio: float = 0.0
    #: ``1``, ``2–4`` where intervals overlap, or ``not ranked``
    place: str = ""
    note: str = ""


def places(
    spreads: Mapping[str, Spread],
    *,
    more_is_better: bool,
    noise: float = 1.0,
    step: float = 0.0,
    unranked: Sequence[str] = (),
) -> dict[str, str]:
    """The places that each may have: 1 and one more for each that is surely better, up to one less than surely worse.

    An order is claimed only where the intervals do not overlap and the medians differ by more than the noise.

    Args:
        noise, step: see ``Spread.is_below``.
        unranked: those that take no part.
    """
    ranked = {name: one for name, one in spreads.items() if name not in unranked}

    def beats(a: Spread, b: Spread) -> bool:
        return b.is_below(a, noise, step) if more_is_better else a.is_below(b, noise, step)

    found = dict.fromkeys(spreads, NOT_RANKED)
    for name, one in ranked.items():
        first = 1 + sum(beats(other, one) for other in ranked.values())
        last = len(ranked) - sum(beats(one, other) for other in ranked.values())
        found[name] = str(first) if first == last else f"{first}–{last}"
    return found
