"""What the kernel has counted: packets that each rule of each policy allowed, packets of each pod that were dropped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from labhelpers.linux.records import Rows

__all__ = ["Counter", "counters_in"]

_COMMENT = re.compile(r"(?P<policy>\S+/\S+) (?P<direction>egress|ingress) rule (?P<number>\d+)")


@dataclass(frozen=True, slots=True)
class Counter:
    """One line of the table of counters."""

    #: ``egress`` or ``ingress``
    direction: str
    #: ``namespace/name``; ``""`` for what no policy allowed
    policy: str
    #: ``rule 1``, or ``dropped``, or ``established``
    what: str
    #: the address of the pod, for what was dropped
    pod: str
    packets: int
    bytes: int


def counters_in(parts: Iterable[Mapping[str, Any]], node: str) -> Rows[Counter]:
    """The counters in nft's own description of the table; lines of one rule are added up."""
    sums: dict[tuple[str, str, str, str], list[int]] = {}
    for part in parts:
        for key, packets, size in (*_of_rule(part.get("rule") or {}), *_of_set(part.get("set") or {})):
            total = sums.setdefault(key, [0, 0])
            total[0] += packets
            total[1] += size
    return Rows((Counter(*key, *total) for key, total in sorted(sums.items())), f"counters of the policies on {node}")


_Found = tuple[tuple[str, str, str, str], int, int]


def _of_rule(rule: Mapping[str, Any]) -> Iterable[_Found]:
    match = _COMMENT.fullmatch(rule.get("comment") or "")
    if match:
        for one in rule["expr"]:
            if "counter" in one:
                key = (match["direction"], match["policy"], f"rule {match['number']}", "")
                yield key, one["counter"]["packets"], one["counter"]["bytes"]


def _of_set(one: Mapping[str, Any]) -> Iterable[_Found]:
    name = str(one.get("name") or "")
    if name.endswith("-isolated"):
        for element in one.get("elem") or ():
            element = element["elem"]
            key = (name.removesuffix("-isolated"), "", "dropped", str(element["val"]))
            yield key, element["counter"]["packets"], element["counter"]["bytes"]
