"""NetworkPolicies to look at: who decided about a connection, and a truth table as a matrix."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from labhelpers.conformance.policy import Cell, TruthTable
from labhelpers.networks.policy import Explanation, Side
from labhelpers.views.tables import Table

__all__ = ["explanation_html", "explanation_text", "matrices", "truth_table_html", "truth_table_text"]

_LEGEND = "✓ allowed, · blocked; ALLOWED, BLOCKED, REFUSED: this was seen, and the policies say otherwise"


def _heading(found: Explanation) -> str:
    verdict = "allowed" if found.allowed else "blocked"
    return f"{found.source} → {found.destination}, {found.protocol} {found.port}: {verdict}"


def _side(side: Side) -> str:
    return f"{'✓' if side.allowed else '✗'} {side.direction} of {side.who}"


def explanation_text(found: Explanation) -> str:
    """The decision, then each side's, with the rules that were asked and did not fit."""
    lines = [_heading(found)]
    for side in (found.egress, found.ingress):
        lines += [f"  {_side(side)}", f"      {side.why}"]
        lines += [f"      not by {other}" for other in side.others]
    return "\n".join(lines)


def explanation_html(found: Explanation) -> str:
    """The same as a list."""
    items = ""
    for side in (found.egress, found.ingress):
        others = "".join(f"<li>not by {escape(other)}</li>" for other in side.others)
        items += f"<li><b>{escape(_side(side))}</b><br>{escape(side.why)}{f'<ul>{others}</ul>' if others else ''}</li>"
    return f"<p><b>{escape(_heading(found))}</b></p><ul>{items}</ul>"


def matrices(table: TruthTable) -> tuple[Table, ...]:
    """A matrix for each protocol and port: a line for each source, a column for each destination."""
    return tuple(_matrix(table, *port) for port in dict.fromkeys((cell.protocol, cell.port) for cell in table.cells))


def _matrix(table: TruthTable, protocol: str, port: int) -> Table:
    cells = {(one.source, one.destination): one for one in table.cells if (one.protocol, one.port) == (protocol, port)}
    names = list(dict.fromkeys(name for pair in cells for name in pair))
    numbers = {name: str(number) for number, name in enumerate(names, 1)}
    rows = tuple(
        (numbers[source], source, *(_mark(cells.get((source, destination))) for destination in names))
        for source in names
    )
    return Table(f"{table.title}: {protocol} {port}", ("", "from, to", *numbers.values()), rows)


def _mark(cell: Cell | None) -> str:
    if cell is None:  # to itself, or not in the sample
        return ""
    if cell.ok:
        return "✓" if cell.expected else "·"
    return "ALLOWED" if cell.seen == "allowed" else cell.seen.upper()


def _after(table: TruthTable) -> Iterator[str]:
    right = sum(cell.ok for cell in table.cells)
    yield f"{right} of {len(table.cells)} connections are as the policies say"
    yield _LEGEND
    for cell in table.mismatches:
        where = f"{cell.source} → {cell.destination}, {cell.protocol} {cell.port}"
        yield f"{where}: {cell.seen}, though: {cell.why}"


def truth_table_text(table: TruthTable) -> str:
    """The matrices, and what is not as the policies say, with the reason why it ought to be otherwise."""
    return "\n\n".join([*map(str, matrices(table)), "\n".join(_after(table))])


def truth_table_html(table: TruthTable) -> str:
    """The same."""
    shown = "".join(one._repr_html_() for one in matrices(table))
    words = "".join(f"<li>{escape(line)}</li>" for line in _after(table))
    return f"{shown}<ul>{words}</ul>"
