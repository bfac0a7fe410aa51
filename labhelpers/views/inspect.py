"""What the picture shows about a box when it is clicked: tables of plain text."""

from __future__ import annotations

from typing import Any

from labhelpers.linux.records import Rule
from labhelpers.topology.model import NamespaceState
from labhelpers.views.plan import Jack, Plan
from labhelpers.views.tables import Table, table_of

__all__ = ["details"]

#: what every namespace begins with; only other rules say something
_USUAL = {Rule(0, "from all", "local"), Rule(32766, "from all", "main"), Rule(32767, "from all", "default")}


def details(plan: Plan) -> dict[str, Any]:
    """Heading and tables for each box, by its id, as JSON values."""
    found: dict[str, Any] = {}
    for room in plan.rooms:
        state = room.state
        found[room.id] = _json(f"{_role(state)} {room.id}", _of_namespace(state))
        tables = [table_of(state.routes, "Routes")]
        if set(state.rules) != _USUAL:
            tables.append(table_of(state.rules, "Rules: which table is asked"))
        found[f"{room.id} routing"] = _json(f"routing table of {room.id}", tables)
        for jack in room.jacks:
            found[jack.id] = _json(f"{room.id} / {jack.link.name}", _of_interface(state, jack))
    return found


def _of_interface(state: NamespaceState, jack: Jack) -> list[Table]:
    link = jack.link
    pairs = {
        "kind": link.kind or "device",
        "set": "up" if link.up else "down",
        "state": link.state,
        "MAC": link.mac,
        "MTU": f"{link.mtu} bytes",
        "address": " ".join(link.addresses),
        "port of": link.master,
        "other end": jack.peer.id if jack.peer else "",
        **dict(link.details),
    }
    return [
        Table("Interface", ("what", "value"), tuple((k, v) for k, v in pairs.items() if v)),
        table_of(state.routes.where(device=link.name), "Routes by this interface"),
        table_of(state.neighbours.where(device=link.name), "Neighbours"),
        table_of([row for row in state.fdb if link.name in (row.device, row.master)], "Forwarding database (FDB)"),
    ]


def _role(state: NamespaceState) -> str:
    return {"unknown": "unnamed namespace", "host": "the sandbox itself:"}.get(state.role, state.role)


def _of_namespace(state: NamespaceState) -> list[Table]:
    return [
        table_of(state.links, "Interfaces"),
        table_of(state.routes, "Routes"),
        table_of(state.neighbours, "Neighbours"),
        table_of(state.fdb, "Forwarding database (FDB)"),
    ]


def _json(heading: str, tables: list[Table]) -> dict[str, Any]:
    return {
        "heading": heading,
        "tables": [
            {"caption": table.caption, "columns": list(table.columns), "rows": [list(row) for row in table.rows]}
            for table in tables
            if table.rows
        ],
    }
