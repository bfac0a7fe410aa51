"""Which rules decided about a packet, in words: the comments of those that accepted or dropped it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from labhelpers.errors import LabError
from labhelpers.linux import nft_library
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.linux.nft_steps import Step

__all__ = ["Rulebook"]


class Rulebook:
    """The comments of a namespace's rules, read again whenever a table of it was changed."""

    def __init__(self, namespace: NetworkNamespace) -> None:
        self._namespace = namespace
        self._generation = -1
        self._fresh: set[tuple[str, str]] = set()
        #: by family, table and number; of rules that are gone, too: a packet met them a moment ago
        self._comments: dict[tuple[str, str, int], str] = {}

    def accepted(self, steps: Iterable[Step]) -> tuple[str, ...]:
        """The comments of the rules that let a packet through, in the order in which it met them."""
        found = (self._comment(one) for one in steps if one.verdict == "accept" and one.handle)
        return tuple(dict.fromkeys(filter(None, found)))

    def dropped(self, step: Step) -> str:
        """Why a packet was dropped: the rule's comment, or which rule it was."""
        where = f"chain {step.chain} of table {step.family} {step.table}"
        if not step.handle:
            return f"policy of {where}"
        comment = self._comment(step)
        return f"{comment} ({where})" if comment else f"rule {step.handle} of {where}"

    def _comment(self, step: Step) -> str:
        self._look(step.family, step.table)
        return self._comments.get((step.family, step.table, step.handle), "")

    def _look(self, family: str, table: str) -> None:
        try:
            generation = nft_library.generation(self._namespace)
            if generation != self._generation:
                self._fresh.clear()
                self._generation = generation
            if (family, table) not in self._fresh:
                self._fresh.add((family, table))
                self._comments.update(self._read(family, table))
        except LabError:  # the namespace is gone, or somebody changes the table: what is known stays
            return

    def _read(self, family: str, table: str) -> Iterator[tuple[tuple[str, str, int], str]]:
        for part in nft_library.parsed(self._namespace, f"{family} {table}"):
            rule = part.get("rule")
            if rule:
                yield (family, table, int(rule["handle"])), rule.get("comment") or ""
