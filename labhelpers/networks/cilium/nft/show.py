"""What nft says of the table, as lines to show.  Changes nothing.

Its structure is read as text: nft's JSON has no words for packets that fill a map.
"""

from __future__ import annotations

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
from labhelpers.networks.cilium.ebpf.reasons import NO_BACKEND, NO_FIRST_FRAGMENT
from labhelpers.networks.cilium.ebpf.show import PolicyLine

__all__ = ["REASONS", "FlowLine", "Held", "counters", "identities", "owners", "parts", "proxied", "tables"]

#: the words of the log, and what they mean
REASONS = {
    "source": INVALID_SOURCE, "full": FLOWS_FULL, "fragment": NO_FIRST_FRAGMENT, "backend": NO_BACKEND,
    "egress": POLICY, "ingress": POLICY,
}  # fmt: skip
_RULE = re.compile(r"(egress|ingress)/(.+)/(\d+)")
_PART = re.compile(r"^\t(chain|set|map) (\S+) \{$", re.MULTILINE)
_COUNTED = re.compile(r'counter packets (\d+) bytes (\d+)(?: log prefix "(.*?)")?')
_SUBJECT = re.compile(r"(egress|ingress)-(\d+)-(ports|peers|anyone)")
_NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17}
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


def parts(structure: str) -> tuple[list[str], dict[str, str]]:
    """The chains of a table; its sets and maps, and which of both each is."""
    found = [match.groups() for match in _PART.finditer(structure)]
    return [name for kind, name in found if kind == "chain"], {name: kind for kind, name in found if kind != "chain"}


def counters(structure: str, node: str) -> Rows[RuleCounter]:
    """See ``Datapath.counters``."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for chain, rule in _rules(structure):
        count = _COUNTED.search(rule)
        match = _RULE.fullmatch(chain)
        if count is None:
            continue
        if match:
            key = match[1], match[2], f"rule {match[3]}"
        elif (count[3] or "").startswith("dropped ") and int(count[1]):
            word = count[3].split()[1]
            key = word if word in ("egress", "ingress") else "", "", REASONS[word]
        else:
            continue
        total = found.setdefault(key, [0, 0])
        total[0] += int(count[1])
        total[1] += int(count[2])
    return Rows((RuleCounter(*key, *count) for key, count in sorted(found.items())), f"counters of {node}")


def _rules(structure: str) -> Iterator[tuple[str, str]]:
    """The rules of the table, each with its chain."""
    chain = ""
    for line in structure.splitlines():
        if match := _PART.match(line):
            chain = match[2] if match[1] == "chain" else ""
        elif chain and line.startswith("\t\t"):
            yield chain, line.strip()


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


def tables(structure: str, named: Held) -> dict[str, Rows[Any]]:
    """See ``Datapath.tables``.

    Args:
        structure: with counters.
        named: what its sets and maps hold.
    """
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
        "policy": Rows(_policy(structure, named), "policy"),
        "flows": Rows(_flows(named), "flows"),
        "services": Rows(_services(structure, named), "services"),
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


def _policy(structure: str, named: Held) -> list[PolicyLine]:
    count = {(one.direction, one.policy, one.what): (one.packets, one.bytes) for one in counters(structure, "")}
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
    for chain, last in _rules(structure):
        subject = re.fullmatch(r"(egress|ingress)-(\d+)", chain)
        everyone = _RULE.fullmatch(last.removeprefix("goto "))
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


def _services(structure: str, named: Held) -> list[Service]:
    names, backends = dict[str, str](), dict[str, list[tuple[str, int]]]()
    addresses: dict[str, str] = {}
    for chain, rule in _rules(structure):
        comment = re.search(r'comment "(.*)"', rule)
        if comment and re.fullmatch(r"service-\d+", chain):
            names[chain] = comment[1]
        elif match := re.fullmatch(r"ip daddr set (\S+)", rule):
            addresses[chain] = match[1]
        elif (match := re.fullmatch(r"(?:tcp|udp) dport set (\d+)", rule)) and chain in addresses:
            backends.setdefault(chain.rpartition("-")[0], []).append((addresses[chain], int(match[1])))
    found = []
    for key, verdict in _pairs(named, "services"):
        address, port, protocol = key["concat"]
        chain = verdict["jump"]["target"]
        found.append(
            Service(names.get(chain, ""), str(address), int(port), _number(protocol), tuple(backends.get(chain, ())))
        )
    return sorted(found, key=lambda one: (one.address, one.port, one.protocol))


def proxied(elements: Iterable[Any]) -> Iterator[str]:
    """The ports in front of which a proxy stands, in the language of nft."""
    for one in elements:
        address, port = (one["elem"]["val"] if "elem" in one else one)["concat"]
        yield f"{address} . {port}"
