"""NetworkPolicies to look at: who decided about a connection, and a truth table as a matrix."""

from __future__ import annotations

from html import escape

from labhelpers.conformance.policy import Cell, TruthTable
from labhelpers.networks.policy import Explanation, Side
from labhelpers.views.tables import Table

__all__ = ["explanation_html", "explanation_text", "matrices", "truth_table_html", "truth_table_text"]

_LEGEND = "✓ allowed, · blocked; ALLOWED, BLOCKED, REFUSED: this was seen, and the policies say otherwise"
_FEW = 3
#: half transparent, to be seen on white and on black
_COLOURS = {"✓": "rgba(46, 160, 67, 0.35)", "·": "rgba(128, 128, 128, 0.25)"}
_WRONG = "rgba(248, 81, 73, 0.55)"


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


def _summary(table: TruthTable) -> tuple[str, str]:
    right = sum(cell.ok for cell in table.cells)
    return f"{right} of {len(table.cells)} connections are as the policies say", _LEGEND


def _wrong(table: TruthTable) -> list[str]:
    return [
        f"{cell.source} → {cell.destination}, {cell.protocol} {cell.port}: {cell.seen}, though: {cell.why}"
        for cell in table.mismatches
    ]


def truth_table_text(table: TruthTable) -> str:
    """The matrices, and what is not as the policies say, with the reason why it ought to be otherwise."""
    wrong = _wrong(table)
    more = [f"and {len(wrong) - _FEW} more: mismatches has them all"] if len(wrong) > _FEW else []
    return "\n\n".join([*map(str, matrices(table)), "\n".join([*_summary(table), *wrong[:_FEW], *more])])


def truth_table_html(table: TruthTable) -> str:
    """The same in colours: green is allowed, grey is blocked, red is not as the policies say."""
    shown = "".join(_coloured(one) for one in matrices(table))
    words = "".join(f"{escape(line)}<br>" for line in _summary(table))
    wrong = [f"<li>{escape(line)}</li>" for line in _wrong(table)]
    few, more = "".join(wrong[:_FEW]), "".join(wrong[_FEW:])
    if more:
        more = f"<details><summary>and {len(wrong) - _FEW} more</summary><ul>{more}</ul></details>"
    return f"{shown}<p>{words}</p>{f'<ul>{few}</ul>' if few else ''}{more}"


def _coloured(matrix: Table) -> str:
    left, centre = 'style="text-align: left"', "text-align: center"
    head = "".join(f'<th scope="col" style="{centre}">{escape(name)}</th>' for name in matrix.columns[2:])
    body = ""
    for number, source, *marks in matrix.rows:
        colours = (_COLOURS.get(mark, _WRONG if mark else "transparent") for mark in marks)
        cells = "".join(
            f'<td style="{centre}; background-color: {colour}">{escape(mark)}</td>'
            for mark, colour in zip(marks, colours, strict=True)
        )
        body += f'<tr><th scope="row">{number}</th><th scope="row" {left}>{escape(source)}</th>{cells}</tr>'
    return (
        f"<table><caption {left}>{escape(matrix.caption)}</caption>"
        f"<thead><tr><th></th><th {left}>from, to</th>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
