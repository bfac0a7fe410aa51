"""``truth_table``: every pod to every pod, on every port: what the policies say, and what real packets say."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from labhelpers.conformance.policy.oracle import is_allowed
from labhelpers.conformance.policy.probes import Attempt, namespaces_of, try_all
from labhelpers.conformance.row import Row, first_three
from labhelpers.errors import BadInput, NotFound
from labhelpers.linux.records import Rows
from labhelpers.networks.policy import HasObjects, Objects, explain, objects_of

__all__ = ["Cell", "TruthTable", "truth_table"]

#: pods that are tried each with each: the neighbour table is shared by all namespaces, and 30 pods have 870 entries
MOST_PODS = 30
MOST_PAIRS = MOST_PODS * (MOST_PODS - 1)
_API = "NetworkPolicy v1"
#: those whose order, and so whose sample, is the same in every run
_SEED = 8


@dataclass(frozen=True, slots=True)
class Cell:
    """One connection: what the policies say about it, and what was seen."""

    source: str
    destination: str
    protocol: str
    port: int
    expected: bool
    #: ``allowed``, ``blocked`` (nothing came back), ``refused`` (an answer said no)
    seen: str
    #: which policy decides, where something else was seen
    why: str

    @property
    def ok(self) -> bool:
        """Is it as the policies say?"""
        return (self.seen == "allowed") is self.expected


@dataclass(frozen=True)
class TruthTable:
    """All connections that were tried."""

    title: str
    cells: tuple[Cell, ...]

    @property
    def ok(self) -> bool:
        """Was everything as the policies say?"""
        return bool(self.cells) and all(cell.ok for cell in self.cells)

    @property
    def mismatches(self) -> tuple[Cell, ...]:
        """What was not as the policies say."""
        return tuple(cell for cell in self.cells if not cell.ok)

    def __getitem__(self, key: tuple[str, str, str, int]) -> Cell:
        """``table["default/web", "default/db", "TCP", 80]``."""
        for cell in self.cells:
            if (cell.source, cell.destination, cell.protocol, cell.port) == key:
                return cell
        raise KeyError(key)

    def rows(self) -> Rows[Row]:
        """One row for each protocol and port: how many connections, and each that is not as it ought to be."""
        ports = list(dict.fromkeys((cell.protocol, cell.port) for cell in self.cells))
        return Rows([self._row(*port) for port in ports], self.title)

    def _row(self, protocol: str, port: int) -> Row:
        cells = [cell for cell in self.cells if (cell.protocol, cell.port) == (protocol, port)]
        wrong = [
            f"{cell.source} → {cell.destination} was {cell.seen}, though: {cell.why.rstrip('.')}"
            for cell in cells
            if not cell.ok
        ]
        allowed = sum(cell.seen == "allowed" for cell in cells)
        seen = f"{allowed} of {len(cells)} connections allowed"
        why = "What the policies allow arrives, and nothing else does."
        return Row(f"{protocol} {port}", _API, not wrong, f"{seen}; {first_three(wrong)}" if wrong else seen, why)


def truth_table(
    objects: Objects | HasObjects,
    ports: Iterable[tuple[str, int]] = (("TCP", 80), ("UDP", 53)),
    *,
    title: str = "truth table of the policies",
    pods: Iterable[str] = (),
    outside: Mapping[str, str] | None = None,
) -> TruthTable:
    """Try every connection between pods with real packets, and compare with what the policies say.

    While it runs, each pod has sockets on the ports that are tried.

    Args:
        objects: a cluster; or the API's ``pods``, ``namespaces`` and ``networkpolicies``.
        ports: protocol and number.
        pods: some only, as ``namespace/name``; by default all that have an address.
        outside: others to try connections with, such as a node without pods: what they are called, and their addresses.

    Returns:
        a cell for each connection.  Of more than 30 pods some of the pairs are tried, the same in every run.

    Raises:
        BadInput, NotFound: fewer than two pods; AlreadyExists: something in a pod uses a UDP port.
    """
    objects = objects_of(objects)
    wanted_ports = list(ports)
    if not wanted_ports or any(protocol not in ("TCP", "UDP") for protocol, _ in wanted_ports):
        raise BadInput(f"These are no ports to try: {wanted_ports!r}.", 'Write [("TCP", 80), ("UDP", 53)].')
    chosen = _chosen(objects, set(pods))
    strangers = {name: {"status": {"podIP": address}} for name, address in (outside or {}).items()}
    pairs = [pair for pair in permutations([*chosen, *strangers], 2) if not strangers.keys() >= set(pair)]
    if len(pairs) > MOST_PAIRS:
        pairs = random.Random(_SEED).sample(pairs, MOST_PAIRS)
    ends = {**chosen, **strangers}
    tries = [(a, b, protocol, port) for a, b in pairs for protocol, port in wanted_ports]
    expected = [is_allowed(objects, ends[a], ends[b], protocol, port) for a, b, protocol, port in tries]
    address = {name: str(pod["status"]["podIP"]) for name, pod in ends.items()}
    attempts = [
        Attempt(address[a], address[b], protocol, port, allowed)
        for (a, b, protocol, port), allowed in zip(tries, expected, strict=True)
    ]
    seen = try_all(attempts, namespaces_of(address.values()))
    cells = []
    for (a, b, protocol, port), allowed, result in zip(tries, expected, seen, strict=True):
        # asked only where it is read: it takes longer than a packet
        wrong = (result == "allowed") is not allowed
        why = explain(objects, _known(a, strangers), _known(b, strangers), port, protocol).why if wrong else ""
        cells.append(Cell(a, b, protocol, port, allowed, result, why))
    return TruthTable(title, tuple(cells))


def _chosen(objects: Objects, names: set[str]) -> dict[str, Mapping[str, Any]]:
    there = {}
    for pod in objects["pods"]:
        name = f"{pod['metadata'].get('namespace', 'default')}/{pod['metadata']['name']}"
        if (pod.get("status") or {}).get("podIP") and not (pod.get("spec") or {}).get("hostNetwork"):
            there[name] = pod
    for missing in sorted(names - there.keys()):
        raise NotFound(f"There is no pod {missing!r} with an address of its own.", f"Pods: {', '.join(there)}.")
    chosen = {name: pod for name, pod in sorted(there.items()) if not names or name in names}
    if len(chosen) < 2:
        raise NotFound("A truth table is about pods that talk, and there are fewer than two.", "Make some pods first.")
    return chosen


def _known(name: str, strangers: Mapping[str, Any]) -> str:
    """A pod is known by its name, somebody outside by the address."""
    return str(strangers[name]["status"]["podIP"]) if name in strangers else name
