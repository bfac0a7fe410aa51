"""One line of a conformance report."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Row", "first_three"]


@dataclass(frozen=True, slots=True)
class Row:
    """One rule and what the kernel showed."""

    id: str
    #: where the rule is written
    source: str
    #: ``None``: it does not apply, and ``seen`` says why
    ok: bool | None
    #: what was seen, in words and numbers
    seen: str
    #: why the rule exists, or what the failure means
    why: str


def first_three(lines: list[str], separator: str = "; ") -> str:
    """The first three of what is wrong, so that a table stays a table."""
    more = f"{separator}and {len(lines) - 3} more" if len(lines) > 3 else ""
    return separator.join(lines[:3]) + more
