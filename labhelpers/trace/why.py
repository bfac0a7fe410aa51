"""Why a packet did not arrive.  Each function of ``reasons/`` knows one, and says it if the evidence shows it.

They are asked in order: first what somebody said in a packet, then what cables and switches are like where it was last,
then what the kernel there would do with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from labhelpers.trace.evidence import Evidence
from labhelpers.trace.hop import Why
from labhelpers.trace.reasons.arrived import at_target, at_tunnel_end
from labhelpers.trace.reasons.down import cable
from labhelpers.trace.reasons.program import program
from labhelpers.trace.reasons.route import not_sent, routed
from labhelpers.trace.reasons.said import icmp, nobody_listens, rule, table_full, vanished
from labhelpers.trace.reasons.size import too_large
from labhelpers.trace.reasons.switch import bridge, not_plugged_in, tunnel

__all__ = ["why"]

_DROPS = ("rx_drop", "tx_drop", "rx_errs", "tx_errs", "tx_carrier")


def why(evidence: Evidence) -> Why:
    """The most certain reason, with the kernel's own word for it where it tells."""
    found = next((found for reason in _REASONS if (found := reason(evidence))), None) or _unknown(evidence)
    there = found.place.split("/")[0]
    words = [word for namespace, word in evidence.told.drops if namespace == there]
    return replace(found, kernel_says=words[0] if words else "")


def _unknown(evidence: Evidence) -> Why:
    last = evidence.last
    if last is None:
        return Why(f"Nothing left {evidence.source}.", place=evidence.source)
    seen = tuple(
        f"{name}: {counter} +{number}"
        for name, counted in evidence.counted.items()
        for counter, number in counted.items()
        if counter.split(".")[-1] in _DROPS
    )
    again = tuple(f"{words} dropped a second one in {namespace}" for namespace, words in evidence.told.rules)
    return Why(
        f"It was last seen on {last.place} ({last.direction}), and nothing that was looked at says why.",
        place=last.place,
        evidence=(*seen, *again),
        to_do="Looked at: ICMP errors, firewall rules from prerouting on, routes, neighbours, forwarding entries.",
    )


_REASONS: tuple[Callable[[Evidence], Why | None], ...] = (
    vanished,
    rule,
    program,
    table_full,
    nobody_listens,
    icmp,
    not_sent,
    tunnel,
    cable,
    bridge,
    not_plugged_in,
    at_tunnel_end,
    at_target,
    too_large,
    routed,
)
