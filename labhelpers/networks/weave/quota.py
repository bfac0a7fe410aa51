"""``Quota``: how many messages a neighbour may send."""

from __future__ import annotations

from collections.abc import Callable

from labhelpers.networks.weave.refused import Refused

__all__ = ["AT_ONCE", "Quota"]

#: messages that may come at once, as when many peers start, and those that may follow in each second
AT_ONCE, _A_SECOND = 500, 50


class Quota:
    """A bucket that fills slowly: each message takes one token out.

    Args:
        clock: seconds, never goes back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left, self._since = float(AT_ONCE), clock()

    def take(self) -> None:
        """One message has come.

        Raises:
            Refused: it is more than anybody needs.
        """
        now = self._clock()
        self._left = min(AT_ONCE, self._left + (now - self._since) * _A_SECOND)
        self._since = now
        if self._left < 1:
            raise Refused("a flood of messages")
        self._left -= 1
