"""``Window``: which numbered datagrams have been seen already, so that a copy is recognised.

UDP may bring datagrams in another order than they were sent, so that an older number alone is no sign of a copy.
Source: RFC 6479, which does the same for IPsec; Weave's window has 2^20 numbers.
"""

from __future__ import annotations

__all__ = ["SIZE", "Window"]

#: numbers below the highest one that are told apart
SIZE = 1024
_ALL = (1 << SIZE) - 1


class Window:
    """The highest number seen, and which of the ``SIZE`` up to it were seen: bit 0 is the highest one."""

    __slots__ = ("_highest", "_seen")

    def __init__(self) -> None:
        self._highest, self._seen = -1, 0

    def is_new(self, number: int) -> bool:
        """May this number still come?  Remembers nothing: whether the datagram is genuine is not known yet."""
        behind = self._highest - number
        return behind < 0 or (behind < SIZE and not self._seen >> behind & 1)

    def remember(self, number: int) -> None:
        """It came, and was genuine."""
        ahead = number - self._highest
        if ahead > 0:
            self._seen = 1 if ahead >= SIZE else (self._seen << ahead | 1) & _ALL
            self._highest = number
        elif -ahead < SIZE:
            self._seen |= 1 << -ahead
