"""``Flows``: what ``observe`` returns, the flow log from when it was called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labhelpers.errors import LabError
from labhelpers.linux.interrupt import held
from labhelpers.linux.records import Rows
from labhelpers.trace.flows.flow import DROPPED, Flow
from labhelpers.trace.flows.recorder import Recorder

__all__ = ["Flows", "Wanted"]

_UNSEEN = "what began before, what a node itself sends or gets, and what is dropped before it is routed is not seen"
_SETTLE = 5.0  # seconds at most to wait for what has just happened


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which flows are shown; ``""`` for all."""

    source: str = ""
    destination: str = ""
    verdict: str = ""
    protocol: str = ""

    def __call__(self, flow: Flow) -> bool:
        """Is this flow shown?"""
        return (
            (not self.source or self.source in _names(flow.source, flow.source_address))
            and (not self.destination or self.destination in _names(flow.destination, flow.destination_address))
            and self.verdict in ("", flow.verdict)
            and self.protocol in ("", flow.protocol)
        )

    def __str__(self) -> str:
        pairs = (("from", self.source), ("to", self.destination), ("", self.verdict), ("", self.protocol))
        return ", ".join(f"{word} {value}".strip() for word, value in pairs if value)


class Flows:
    """The flow log, from when it began until ``stop``, or the end of the ``with`` block.

    It is shown as a table of what has been seen by then; with ``follow`` it is shown live.
    """

    def __init__(self, recorder: Recorder, wanted: Wanted, nodes: tuple[str, ...], *, follow: bool = False) -> None:
        self._recorder, self.wanted, self.nodes, self.follow = recorder, wanted, nodes, follow
        #: called after flows have come; for who shows them
        self.heard: Callable[[], None] = lambda: None

    @property
    def rows(self) -> Rows[Flow]:
        """The flows so far, without those that are not wanted: at most the newest 10,000 of all."""
        if self.running:
            self._recorder.settle(_SETTLE)
        return self.now()

    def now(self) -> Rows[Flow]:
        """The same, without waiting for what happened this moment."""
        if self._recorder.error is not None:
            raise LabError(f"The flow log has ended: {self._recorder.error}", "Call observe() again.")
        found = _in_order([one for one in self._recorder.flows() if self.wanted(one)])
        return Rows(found, self._title(found))

    def _title(self, found: list[Flow]) -> str:
        where, wanted = ", ".join(self.nodes), str(self.wanted)
        if found:
            dropped = sum(one.verdict == DROPPED for one in found)
            words = f"flows on {where}{f' ({wanted})' if wanted else ''}: {len(found)}, {dropped} of them dropped"
        else:
            words = f"flows on {where} ({'; '.join(filter(None, (wanted, _UNSEEN)))})"
        if self.lost:
            words += f"; {self.lost} more were lost, as they came faster than they could be read"
        if self._recorder.forgotten:
            words += f"; {self._recorder.forgotten} older ones are forgotten"
        return words

    @property
    def lost(self) -> int:
        """How many more there were than could be read, as far as the kernel counted them."""
        return self._recorder.lost

    @property
    def running(self) -> bool:
        """Does it go on?"""
        return self._recorder.running

    def wait_for(self, wanted: Callable[[Flow], bool], timeout: float = 5.0) -> bool:
        """Wait until a flow of this description was seen.  ``timeout`` in seconds."""
        return self._recorder.wait(lambda flows: any(map(wanted, filter(self.wanted, flows))), timeout)

    def stop(self) -> Flows:
        """End it, when all that has happened by now was read.  What it has put into the kernel goes."""
        with held():
            if self.running:
                self._recorder.settle(_SETTLE)
            self._recorder.close()
            self.heard()
        return self

    def __len__(self) -> int:
        return len(self.rows)

    def __enter__(self) -> Flows:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return str(self.now())


def _in_order(flows: list[Flow]) -> list[Flow]:
    """By time; what several nodes saw of a conversation stays together, in the order of their names."""

    def conversation(one: Flow) -> tuple[object, ...]:
        ends = one.source_address, one.destination_address, one.source_port, one.port, one.protocol
        return ends if one.source_port and not one.status else (*ends, one.time)

    began: dict[tuple[object, ...], float] = {}
    for one in flows:
        began[conversation(one)] = min(one.time, began.get(conversation(one), one.time))
    return sorted(flows, key=lambda one: (began[conversation(one)], one.node, one.time))


def _names(name: str, address: str) -> tuple[str, ...]:
    """All that one may be called; ``web`` is short for the pod of this name in the namespace default."""
    return name, address, name.removeprefix("default/")
