"""What a step changed: the difference of two snapshots, in words."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from typing import Any

from labhelpers.linux.records import Route
from labhelpers.topology.model import NamespaceState, Snapshot

__all__ = ["Change", "Changes", "Who", "diff"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.  ``str`` is a line for people."""

    namespace: str
    what: str  # added, removed, changed
    kind: str  # namespace, link, address, route, neighbour, fdb, cable, rule, firewall
    name: str
    before: Any = None
    after: Any = None

    def __str__(self) -> str:
        sign = {"added": "+", "removed": "-", "changed": "~"}[self.what]
        line = f"{sign} {self.namespace}: " if self.namespace else f"{sign} "
        line += f"{self.kind} {self.name}"
        return f"{line}: {_differences(self.before, self.after)}" if self.what == "changed" else line


class Changes(tuple[Change, ...]):
    """The differences in order.  ``print`` shows one a line."""

    def __str__(self) -> str:
        return "\n".join(map(str, self)) if self else "nothing changed"

    __repr__ = __str__

    def about(self, *kinds: str) -> Changes:
        """Only these kinds: ``changes.about("route", "address")``."""
        return Changes(change for change in self if change.kind in kinds)


def diff(before: Snapshot, after: Snapshot) -> Changes:
    """What is different in the kernel between two snapshots.  A namespace is the same one as long as it lives."""
    old = {_identity(state): state for state in before}
    new = {_identity(state): state for state in after}
    changes: list[Change] = []
    for identity in [*old, *(identity for identity in new if identity not in old)]:
        was, now = old.get(identity), new.get(identity)
        if now is None and was is not None:
            changes.append(Change("", "removed", "namespace", was.name, was))
        elif was is None and now is not None:
            changes.append(Change("", "added", "namespace", now.name, None, now))
            empty = NamespaceState(now.name, now.role, now.inode, firewall="")
            changes += _tables(empty, now)
        elif was is not None and now is not None:
            if _who(was) != _who(now):
                changes.append(Change("", "changed", "namespace", now.name, _who(was), _who(now)))
            changes += _tables(was, now)
    for cable in sorted(set(before.cables) - set(after.cables)):
        changes.append(Change("", "removed", "cable", str(cable), cable))
    for cable in sorted(set(after.cables) - set(before.cables)):
        changes.append(Change("", "added", "cable", str(cable), None, cable))
    return Changes(changes)


@dataclass(frozen=True, slots=True)
class Who:
    """Who a namespace is said to be."""

    name: str
    role: str
    node: str
    owner: str


def _who(state: NamespaceState) -> Who:
    return Who(state.name, state.role, state.node, state.owner)


def _identity(state: NamespaceState) -> tuple[int, int]:
    return state.cookie, state.inode


def _tables(was: NamespaceState, now: NamespaceState) -> Iterator[Change]:
    yield from _rows(now.name, "link", was.links, now.links, lambda row: row.index, lambda row: row.name)
    yield from _addresses(was, now)
    yield from _rows(now.name, "route", was.routes, now.routes, lambda row: row, _route)
    yield from _rows(
        now.name,
        "neighbour",
        was.neighbours,
        now.neighbours,
        lambda row: (row.address, row.device),
        lambda row: f"{row.address} dev {row.device}" + (f" is at {row.mac}" if row.mac else ""),
    )
    yield from _rows(
        now.name, "fdb", was.fdb, now.fdb, lambda row: row, lambda row: f"{row.mac} behind {row.device} ({row.kind})"
    )
    yield from _rows(
        now.name, "rule", was.rules, now.rules, lambda row: row, lambda row: f"{row.priority}: {row.selector}"
    )
    yield from _firewall(was, now)


def _firewall(was: NamespaceState, now: NamespaceState) -> Iterator[Change]:
    if was.firewall is None or now.firewall is None:  # one of the two was taken without it
        return
    old, new = was.firewall.splitlines(), now.firewall.splitlines()
    for what, i, j, k, n in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what != "equal":
            for line in filter(_says_something, old[i:j]):
                yield Change(now.name, "removed", "firewall", line.strip(), line)
            for line in filter(_says_something, new[k:n]):
                yield Change(now.name, "added", "firewall", line.strip(), None, line)


def _says_something(line: str) -> bool:
    return line.strip() not in ("", "}")


def _rows(
    namespace: str,
    kind: str,
    was: Iterable[Any],
    now: Iterable[Any],
    key: Callable[[Any], Hashable],
    name: Callable[[Any], str],
) -> Iterator[Change]:
    old = {key(row): row for row in was}
    new = {key(row): row for row in now}
    for identity, row in old.items():
        if identity not in new:
            yield Change(namespace, "removed", kind, name(row), row)
        elif _differences(row, new[identity]):
            yield Change(namespace, "changed", kind, name(new[identity]), row, new[identity])
    for identity, row in new.items():
        if identity not in old:
            yield Change(namespace, "added", kind, name(row), None, row)


def _addresses(was: NamespaceState, now: NamespaceState) -> Iterator[Change]:
    old = {(link.name, address) for link in was.links for address in link.addresses}
    new = {(link.name, address) for link in now.links for address in link.addresses}
    for link, address in sorted(old - new):
        yield Change(now.name, "removed", "address", f"{address} on {link}", address)
    for link, address in sorted(new - old):
        yield Change(now.name, "added", "address", f"{address} on {link}", None, address)


def _route(row: Route) -> str:
    return row.destination + (f" via {row.via}" if row.via else "") + (f" dev {row.device}" if row.device else "")


#: shown as changes of their own, or of no interest to a reader
_SKIPPED = frozenset({"addresses", "peer_nsid", "peer_index", "index"})


def _differences(was: Any, now: Any) -> str:
    parts = []
    for field in fields(was):
        if field.name in _SKIPPED:
            continue
        old, new = getattr(was, field.name), getattr(now, field.name)
        if old != new:
            parts.append(f"{field.name} {_word(old)} → {_word(new)}")
    return ", ".join(parts)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "none"
