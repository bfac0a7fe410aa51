"""Networks that were measured side by side, as one table: a line for each thing, a column for each network."""

from __future__ import annotations

from labhelpers.measure import Comparison, Quantity
from labhelpers.measure.comparison import AGAIN
from labhelpers.measure.entrant import BARE
from labhelpers.measure.standing import Spread
from labhelpers.views.tables import Table

__all__ = ["comparison_html", "comparison_table", "comparison_text", "spread_words"]

_NONE = "–"


def comparison_table(comparison: Comparison) -> Table:
    """Everything that was measured: the median, and in brackets the smallest and the largest of the rounds."""
    names = [BARE.name, *comparison.networks]
    rows: list[tuple[str, ...]] = []
    for one in comparison.quantities:
        found = [comparison.spreads[name].get(one.id) for name in names]
        noise = f"{comparison.noise(one.id):.2f}" if comparison.spreads[AGAIN].get(one.id) else ""
        rows.append((_heading(one), *(spread_words(spread) for spread in found), noise))
    lines = {line.network: line for line in comparison.properties}
    for title, part in (
        ("policies: connections as they ought to be, more is better", "policy"),
        ("on the wire between nodes", "wire"),
        ("flow log: questions answered, more is better", "observed"),
        ("flow log: not answered", "unseen"),
    ):
        texts = [str(getattr(lines[name], part)) if name in lines else _NONE for name in names]
        if lines:
            rows.append((title, *(text or _NONE for text in texts), ""))
    if comparison.stand_ins:
        rows.append(("not ranked", *(comparison.stand_ins.get(name, "") for name in names), ""))
    rounds = "one round" if comparison.rounds == 1 else f"{comparison.rounds} rounds"
    title = f"Measured in one run, {rounds} of {comparison.seconds} s"
    left_out = "".join(f"; {name} left out: {why}" for name, why in comparison.left_out.items())
    columns = ("", *names, "A/A")
    # of some quantities a bare cable has none: then it and its A/A are no columns
    kept = [i for i, name in enumerate(columns) if name in comparison.networks or _says_something(rows, i)]
    return Table(title + left_out, tuple(columns[i] for i in kept), tuple(tuple(row[i] for i in kept) for row in rows))


def _says_something(rows: list[tuple[str, ...]], column: int) -> bool:
    return any(row[column] not in ("", _NONE) for row in rows)


def _heading(quantity: Quantity) -> str:
    return f"{quantity.title}, {quantity.unit}, {'more' if quantity.more_is_better else 'less'} is better"


def spread_words(spread: Spread | None) -> str:
    """``9.81 (9.2–10.1)``; the interval is left out where there is none."""
    if spread is None:
        return _NONE
    if not spread.has_any or spread.low == spread.high:
        return _number(spread.middle)
    return f"{_number(spread.middle)} ({_number(spread.low)}–{_number(spread.high)})"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def comparison_text(comparison: Comparison) -> str:
    """For a terminal: turned over, a line for each network and thing, as a wide table would not fit."""
    table = comparison_table(comparison)
    blocks = []
    for row in table.rows:
        width = max(map(len, table.columns))
        pairs = zip(table.columns[1:], row[1:], strict=True)
        lines = [f"  {name.ljust(width)}  {text}" for name, text in pairs if text not in ("", _NONE)]
        blocks.append("\n".join([row[0], *lines]))
    return "\n".join([table.caption, *blocks])


def comparison_html(comparison: Comparison) -> str:
    """For a notebook."""
    return comparison_table(comparison)._repr_html_()
