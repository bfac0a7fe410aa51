"""What nft says of the table, as lines to show, and as one text to compare.  Changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from labhelpers.linux.records import Rows
from labhelpers.networks.cilium.datapath import (
    FLOWS_FULL,
    INVALID_SOURCE,
    POLICY,
    Endpoint,
    Located,
    RuleCounter,
    Service,
)
from labhelpers.networks.cilium.ebpf.show import PolicyLine

__all__ = ["NO_FRAGMENT", "FlowLine", "Held", "counters", "identities", "owners", "standing", "tables"]

#: a reason that eBPF has no need of
NO_FRAGMENT = "a fragment whose first part was not seen"
_REASONS = {"source": INVALID_SOURCE, "full": FLOWS_FULL, "fragment": NO_FRAGMENT, "egress": POLICY, "ingress": POLICY}
_RULE = re.compile(r"(egress|ingress)/(.+)/(\d+)")
_SUBJECT = re.compile(r"(egress|ingress)-(\d+)-(ports|peers|anyone)")
_NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17}
#: what differs without anybody having changed anything
_PASSING = frozenset(["handle", "packets", "bytes"])

_Parts = Iterable[Mapping[str, Any]]
#: the elements of each set and map
Held = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class FlowLine:
    """A flow that was allowed to begin, in one of its two directions."""

    source: str
    source_port: int
    destination: str
    destination_port: int
    protocol: int
    #: seconds until it is forgotten
    left: int


def standing(parts: _Parts) -> str:
    """The structure of a table without counters and numbers of rules, to compare."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: plain(one) for key, one in value.items() if key not in _PASSING}
        return [plain(one) for one in value] if isinstance(value, list) else value

    return json.dumps([plain(part) for part in parts], sort_keys=True)


def counters(parts: _Parts, node: str) -> Rows[RuleCounter]:
    """See ``Datapath.counters``."""
    found: dict[tuple[str, str, str], tuple[int, int]] = {}
    for part in parts:
        rule = part.get("rule")
        if not rule:
            continue
        count = next((one["counter"] for one in rule["expr"] if "counter" in one), None)
        prefix = next((one["log"].get("prefix", "") for one in rule["expr"] if "log" in one), "")
        match = _RULE.fullmatch(rule["chain"])
        if count is None:
            continue
        if match:
            found[match[1], match[2], f"rule {match[3]}"] = count["packets"], count["bytes"]
        elif prefix.startswith("dropped ") and count["packets"]:
            word = prefix.split()[1]
            direction = word if word in ("egress", "ingress") else ""
            found[direction, "", _REASONS[word]] = count["packets"], count["bytes"]
    return Rows((RuleCounter(*key, *count) for key, count in sorted(found.items())), f"counters of {node}")


def identities(named: Held) -> tuple[dict[str, int], list[tuple[str, str, int]]]:
    """Who has which single address, and the ranges of the others: first, last, identity."""
    alone = {str(key): int(value) for key, value in _pairs(named, "ipcache")}
    return alone, [(*_range(key), int(value)) for key, value in _pairs(named, "ipcache-blocks")]


def owners(alone: Mapping[str, int], blocks: Iterable[tuple[str, str, int]]) -> Callable[[str], int]:
    """Whose an address is: its identity, 0 if the table does not say."""
    ranges = [(int(IPv4Address(first)), int(IPv4Address(last)), number) for first, last, number in blocks]

    def owner(address: str) -> int:
        if address in alone:
            return alone[address]
        number = int(IPv4Address(address))
        return next((found for first, last, found in ranges if first <= number <= last), 0)

    return owner


def tables(parts: _Parts, named: Held) -> dict[str, Rows[Any]]:
    """See ``Datapath.tables``.

    Args:
        parts: the structure.
        named: what its sets and maps hold.
    """
    parts = list(parts)
    alone, blocks = identities(named)
    who = owners(alone, blocks)
    nodes = {_range(key): str(value) for key, value in _pairs(named, "nodes")}
    lines = [Located(f"{address}/32", number) for address, number in sorted(alone.items())]
    lines += [Located(_words(first, last), number, nodes.get((first, last), "")) for first, last, number in blocks]
    cables = {str(key): str(value) for key, value in _pairs(named, "cables")}
    return {
        "endpoints": Rows(
            (Endpoint(address, cables[address], "", who(address)) for address in sorted(cables)), "endpoints"
        ),
        "ipcache": Rows(lines, "ipcache"),
        "policy": Rows(_policy(parts, named), "policy"),
        "flows": Rows(_flows(named), "flows"),
        "services": Rows[Service]((), "services"),
    }


def _pairs(named: Held, name: str) -> Iterator[tuple[Any, Any]]:
    yield from named.get(name, ())


def _range(key: Any) -> tuple[str, str]:
    if isinstance(key, dict) and "range" in key:
        first, last = key["range"]
        return str(first), str(last)
    if isinstance(key, dict) and "prefix" in key:
        block = IPv4Network(f"{key['prefix']['addr']}/{key['prefix']['len']}")
        return str(block[0]), str(block[-1])
    return str(key), str(key)


def _words(first: str, last: str) -> str:
    return f"{first}-{last}" if last != first else first


def _policy(parts: _Parts, named: Held) -> list[PolicyLine]:
    count = {(one.direction, one.policy, one.what): (one.packets, one.bytes) for one in counters(parts, "")}
    found = []
    for name in named:
        match = _SUBJECT.fullmatch(name)
        for key, verdict in _pairs(named, name) if match else ():
            assert match
            remote, protocol, port = _question(match[3], key)
            rule = _RULE.fullmatch(verdict["goto"]["target"])
            assert rule
            counted = count.get((rule[1], rule[2], f"rule {rule[3]}"), (0, 0))
            found.append(
                PolicyLine(int(match[2]), match[1], remote, protocol, port, rule[2], int(rule[3]), *counted)
            )  # fmt: skip
    for part in parts:
        last = part.get("rule") or {}
        subject = re.fullmatch(r"(egress|ingress)-(\d+)", str(last.get("chain", "")))
        target = next((one["goto"]["target"] for one in last.get("expr", ()) if "goto" in one), "")
        everyone = _RULE.fullmatch(target)
        if subject and everyone:
            counted = count.get((everyone[1], everyone[2], f"rule {everyone[3]}"), (0, 0))
            found.append(PolicyLine(int(subject[2]), subject[1], 0, 0, "any", everyone[2], int(everyone[3]), *counted))
    return sorted(found, key=lambda line: (line.subject, line.direction, line.remote, line.protocol, line.port))


def _question(kind: str, key: Any) -> tuple[int, int, str]:
    """The remote's identity, the protocol and the ports that an element is about."""
    if kind == "peers":
        return int(key), 0, "any"
    remote, protocol, port = key["concat"] if kind == "ports" else (0, *key["concat"])
    first, last = _range(port)
    return int(remote), _number(protocol), "any" if (first, last) == ("0", "65535") else _words(first, last)


def _number(protocol: Any) -> int:
    return _NUMBERS.get(protocol, 0) or int(protocol)


def _flows(named: Held) -> list[FlowLine]:
    found = []
    for element in named.get("flows", ()):
        source, source_port, destination, port, protocol = element["elem"]["val"]["concat"]
        left = int(element["elem"].get("expires", 0))
        found.append(
            FlowLine(str(source), int(source_port), str(destination), int(port), _number(protocol), left)
        )  # fmt: skip
    return sorted(found, key=lambda line: (line.source, line.source_port, line.destination, line.destination_port))
