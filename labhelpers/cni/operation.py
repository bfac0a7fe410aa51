"""What one operation of the runtime did: the calls along the chain, and the result."""

from __future__ import annotations

from dataclasses import dataclass, field

from labhelpers.cni.exchange import Exchange
from labhelpers.cni.result import Result

__all__ = ["Operation"]


@dataclass(frozen=True)
class Operation:
    """ADD, DEL, CHECK, GC or STATUS, as it went over the wire.  A notebook shows the whole exchange.

    ``undo`` are the calls of the DEL that followed an ADD that failed.
    """

    command: str
    network: str
    #: ``""`` for an operation on the whole network
    container: str = ""
    exchanges: tuple[Exchange, ...] = ()
    undo: tuple[Exchange, ...] = ()
    #: what the last plugin of the chain answered to ADD
    result: Result | None = None
    #: in a sentence why it failed, ``""`` if it did not
    error: str = field(default="")
    #: capabilities that the runtime offered and no plugin of the network names
    unused: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Did every plugin say that it worked?"""
        return not self.error and all(exchange.ok for exchange in self.exchanges)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        who = f" {self.container}" if self.container else ""
        calls = ", ".join(map(str, self.exchanges)) or "no plugin was called"
        return f"{self.command}{who} on {self.network}: {calls}"

    __repr__ = __str__
