"""``Firewall``: tells of the flows through a node's firewall, whatever its rules are and whoever made them."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack

from labhelpers.errors import AlreadyExists, BadInput
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.linux.nflog import Log, Logged
from labhelpers.linux.nft_library import Owned
from labhelpers.linux.nft_steps import Step, Steps
from labhelpers.trace.flows.decided import Rulebook
from labhelpers.trace.flows.ends import Ends, ends_of
from labhelpers.trace.flows.flow import DROPPED, FORWARDED, PROTOCOLS, Flow
from labhelpers.trace.flows.table import BEGINS, ENDS, rules

__all__ = ["Firewall"]

_GROUPS = range(24000, 24100)  # log groups to choose from
_GRACE = 1.0  # seconds: the kernel hands over what was logged after a hundredth, or later if it is busy
_MOST_STEPS = 4096  # packets whose steps are remembered
_UNKNOWN = "a rule that was not seen: it was not traced, as many others came with it"


class Firewall:
    """A source of flows for one node: what it routes, and what its bridges pass on.

    What goes to the node itself, comes from it, or is dropped before it is routed, is not told of.

    Raises:
        AlreadyExists, KernelFeatureMissing, ToolMissing, Vanished: nothing is left of the attempt.

    Shell: see :mod:`labhelpers.trace.flows.table`.
    """

    def __init__(self, node: NetworkNamespace) -> None:
        self._node = node
        self._lost = 0
        #: first packets that came and have not passed yet, with when we read of them
        self._waiting: dict[Ends, deque[tuple[float, Logged]]] = {}
        self._steps: dict[Ends, list[Step]] = {}
        self._rulebook = Rulebook(node)
        with ExitStack() as opened:
            self._log = opened.enter_context(_first_free_group(node))
            self._traced = Steps(node)
            opened.callback(self._traced.close)
            self._table = f"flow_log_{os.getpid()}_{self._log.group}"
            for family in ("ip", "bridge"):
                self._load(family, opened)
            self._opened = opened.pop_all()

    def _load(self, family: str, opened: ExitStack) -> None:
        try:
            owned = Owned(self._node, rules(family, self._table, self._log.group))
        except BadInput:
            if family == "ip":
                raise
            return  # a kernel that cannot filter in bridges
        opened.callback(owned.close)

    @property
    def lost(self) -> int:
        """Packets that the kernel logged and nobody read, and flows whose end may be among them."""
        return self._lost + self._log.lost

    @property
    def waiting(self) -> bool:
        """Packets have come to the firewall that have not passed it so far."""
        return bool(self._waiting)

    def descriptors(self) -> tuple[int, ...]:
        """What to wait for."""
        return self._log.fileno(), self._traced.fileno()

    def read(self) -> list[Flow]:
        """The flows since the last call.  One that was dropped is known to be a moment later."""
        before = self._log.lost
        logged = self._log.read()
        # the kernel tells of a packet's steps at once, and of what it logged together and later
        for step in self._traced.read():
            self._remember(step)
        if self._log.lost != before:  # the end of any of these may have been among the lost
            self._lost += sum(map(len, self._waiting.values()))
            self._waiting.clear()
        return [*self._passed(logged), *self._dropped()]

    def _remember(self, step: Step) -> None:
        ends = ends_of(step.network, step.transport)
        if ends and step.table != self._table:
            if len(self._steps) >= _MOST_STEPS:
                self._steps.clear()
            self._steps.setdefault(ends, []).append(step)

    def _passed(self, logged: list[Logged]) -> Iterator[Flow]:
        now = time.monotonic()
        for one in logged:
            ends = ends_of(one.packet)
            family, _, what = one.prefix.partition(" ")
            if ends is None or (family == "ip" and one.bridged):  # with br_netfilter; the bridge's rules told of it
                continue
            if what == BEGINS:
                self._waiting.setdefault(ends, deque()).append((now, one))
            elif what == ENDS:
                began = self._waiting.get(ends)
                if began:
                    began.popleft()
                    if not began:
                        del self._waiting[ends]
                policies = self._rulebook.accepted(self._steps.pop(ends, ()))
                yield self._flow(one, ends, FORWARDED, policy="; ".join(policies))

    def _dropped(self) -> Iterator[Flow]:
        """What was seen to be dropped, and what has not passed after a time in which all that passes is told of."""
        late = time.monotonic() - _GRACE
        for ends, began in list(self._waiting.items()):
            while began and ((fatal := self._fatal(ends)) or began[0][0] < late):
                _, one = began.popleft()
                reason = self._rulebook.dropped(fatal) if fatal else _UNKNOWN
                yield self._flow(one, ends, DROPPED, reason=reason)
            if not began:
                del self._waiting[ends]
                self._steps.pop(ends, None)

    def _fatal(self, ends: Ends) -> Step | None:
        """The step that dropped the first of these packets, and is not remembered any more; ``None`` if none did."""
        steps = self._steps.get(ends, [])
        for number, step in enumerate(steps):
            if step.verdict == "drop":
                del steps[: number + 1]
                return step
        return None

    def _flow(self, one: Logged, ends: Ends, verdict: str, *, reason: str = "", policy: str = "") -> Flow:
        return Flow(
            time=one.time,
            node=self._node.name,
            source=ends.source,
            destination=ends.destination,
            protocol=PROTOCOLS.get(ends.protocol, str(ends.protocol)),
            port=ends.destination_port,
            verdict=verdict,
            reason=reason,
            policy=policy,
            source_address=ends.source,
            destination_address=ends.destination,
            source_port=ends.source_port,
        )

    def close(self) -> None:
        """Remove the tables, and listen no more."""
        self._opened.close()


def _first_free_group(node: NetworkNamespace) -> Log:
    for group in _GROUPS:
        try:
            return Log(node, group)
        except AlreadyExists:  # another flow log of this node
            continue
    raise AlreadyExists(f"{node.name} has {len(_GROUPS)} flow logs already.", "End some of them.")
