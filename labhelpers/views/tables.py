"""Records as tables: the same columns in text and HTML, readable in both themes, exact from run to run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import partial
from html import escape
from typing import Any

from labhelpers.conformance import Row
from labhelpers.linux.packet import Packet
from labhelpers.linux.records import FdbEntry, Link, Neighbour, Route, Rows, Rule
from labhelpers.networks.about import About
from labhelpers.networks.route import Leg
from labhelpers.trace.flows.flow import PROTOCOLS
from labhelpers.trace.hop import Hop

__all__ = ["Table", "table_of"]

Cell = Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class Table:
    """A caption, column heads, and rows of text."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        if not self.rows:
            return f"{self.caption}: none"
        cells = [self.columns, *self.rows]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
        ]
        return "\n".join([self.caption, *lines] if self.caption else lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        left = 'style="text-align: left"'
        if not self.rows:
            return f"<p>{escape(self.caption)}: none</p>"
        head = "".join(f'<th scope="col" {left}>{escape(name)}</th>' for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td {left}>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self.rows
        )
        return (
            f'<table><caption style="text-align: left">{escape(self.caption)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def _number(value: float) -> str:
    """Three digits: more would be noise."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def _protocol(number: int) -> str:
    """``TCP``; 0 stands for any."""
    return PROTOCOLS.get(number, str(number)) if number else "any"


def _state(link: Link) -> str:
    if not link.up:
        return "DOWN"
    return "no carrier" if link.state in ("down", "lowerlayerdown") else "up"


#: what a table shows of each record; indexes are left out, because they differ from run to run
_COLUMNS: dict[type, dict[str, Cell]] = {
    Link: {
        "name": lambda row: row.name,
        "kind": lambda row: row.kind or "device",
        "state": _state,
        "address": lambda row: " ".join(row.addresses),
        "MAC": lambda row: row.mac,
        "MTU": lambda row: row.mtu,
        "port of": lambda row: row.master,
    },
    Route: {
        "destination": lambda row: row.destination,
        "via": lambda row: row.via,
        "interface": lambda row: row.device,
        "source": lambda row: row.source,
        "from": lambda row: row.protocol,
    },
    Neighbour: {
        "address": lambda row: row.address,
        "MAC": lambda row: row.mac,
        "interface": lambda row: row.device,
        "state": lambda row: row.state,
    },
    FdbEntry: {
        "MAC": lambda row: row.mac,
        "port": lambda row: row.device,
        "bridge": lambda row: row.master,
        "kind": lambda row: row.kind,
        "remote": lambda row: row.destination,
    },
    Rule: {
        "priority": lambda row: row.priority,
        "selector": lambda row: row.selector,
        "table": lambda row: row.table,
    },
    Packet: {
        "interface": lambda row: row.device,
        "direction": lambda row: row.direction,
        "protocol": lambda row: row.protocol,
        "source": lambda row: row.source,
        "destination": lambda row: row.destination,
        "what": lambda row: row.summary,
    },
    Hop: {
        "place": lambda row: row.place,
        "direction": lambda row: row.direction,
        "packet": lambda row: row.packet,
        "by": lambda row: row.by,
        "changed": lambda row: "; ".join(row.changed),
        "headers": lambda row: row.stack,
        "fragment": lambda row: row.part,
        "note": lambda row: "; ".join(
            words for words, is_so in (("inferred", row.inferred), ("astray", row.astray)) if is_so
        ),
    },
    Leg: {
        "": lambda row: "✓" if row.ok else "✗",
        "from": lambda row: row.node,
        "to": lambda row: row.peer,
        "its pods": lambda row: row.block,
        "by": lambda row: row.by,
        "missing": lambda row: row.missing,
    },
    About: {
        "part": lambda row: row.part,
        "the product": lambda row: row.real,
        "the model": lambda row: row.model,
        "left out": lambda row: row.leaves_out,
        "checked": lambda row: row.checked,
    },
    Row: {
        "": lambda row: {True: "✓", False: "✗", None: "–"}[row.ok],
        "rule": lambda row: row.id,
        "seen": lambda row: row.seen,
        "why it matters": lambda row: row.why,
    },
}


#: the same by name: most notebooks have no use for these, and need not import them
_BY_NAME: dict[str, dict[str, Cell]] = {
    # without times, which differ from run to run
    "labhelpers.trace.flows.flow.Flow": {
        "from": lambda row: row.source,
        "to": lambda row: row.destination,
        "protocol": lambda row: row.protocol,
        "port": lambda row: row.port or "",
        "verdict": lambda row: row.verdict,
        "request": lambda row: f"{row.method} {row.path}".strip(),
        "status": lambda row: row.status or "",
        "decided by": lambda row: row.policy,
        "reason": lambda row: row.reason,
        "seen by": lambda row: row.node,
    },
    "labhelpers.networks.cilium.ebpf.show.PolicyLine": {
        "subject": lambda row: row.subject,
        "direction": lambda row: row.direction,
        "remote": lambda row: row.remote or "any",
        "protocol": lambda row: _protocol(row.protocol),
        "port": lambda row: row.port,
        "policy": lambda row: row.policy,
        "rule": lambda row: row.rule,
        "packets": lambda row: row.packets,
        "bytes": lambda row: row.bytes,
    },
    "labhelpers.networks.cilium.datapath.Service": {
        "name": lambda row: row.name,
        "address": lambda row: row.address,
        "port": lambda row: row.port,
        "protocol": lambda row: _protocol(row.protocol),
        "backends": lambda row: ", ".join(f"{address}:{port}" for address, port in row.backends) or "none",
    },
    "labhelpers.measure.standing.Standing": {
        "place": lambda row: row.place,
        "network": lambda row: row.network,
        "median": lambda row: f"{_number(row.value)} {row.unit}",
        "smallest": lambda row: _number(row.low),
        "largest": lambda row: _number(row.high),
        "× bare veth": lambda row: f"{row.ratio:.2f}" if row.ratio else "",
        "note": lambda row: row.note,
    },
    "labhelpers.measure.properties.Properties": {
        "network": lambda row: row.network,
        "policies as they ought to be: more is better": lambda row: row.policy,
        "on the wire between nodes": lambda row: row.wire,
        "flow log answers: more is better": lambda row: row.observed,
        "it does not say": lambda row: row.unseen,
        "note": lambda row: row.stand_in,
    },
}


def table_of(rows: Rows[Any] | Iterable[Any], caption: str = "") -> Table:
    """A table of records.  Columns that are empty in every row are left out."""
    records = tuple(rows)
    caption = caption or getattr(rows, "title", "")
    if not records:
        return Table(caption or "rows", (), ())
    kind = type(records[0])
    columns = _COLUMNS.get(kind) or _BY_NAME.get(f"{kind.__module__}.{kind.__qualname__}") or _plain(kind)
    texts = [tuple(str(cell(row)) for cell in columns.values()) for row in records]
    kept = [i for i, name in enumerate(columns) if not name or any(row[i] for row in texts)]
    names = tuple(columns)
    return Table(caption, tuple(names[i] for i in kept), tuple(tuple(row[i] for i in kept) for row in texts))


def _plain(kind: type) -> dict[str, Cell]:
    """Every field, for a record this module does not know."""
    return {field.name.replace("_", " "): partial(_field, field.name) for field in fields(kind)}


def _field(name: str, row: object) -> object:
    value = getattr(row, name)
    return _protocol(value) if name == "protocol" and isinstance(value, int) else value
