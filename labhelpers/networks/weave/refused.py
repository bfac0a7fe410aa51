"""``Refused``: what a peer sent cannot be, and is dropped."""

from __future__ import annotations

__all__ = ["Refused"]


class Refused(ValueError):
    """What somebody sent is not taken.  Never seen by a learner: the router counts it by ``reason``."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)
