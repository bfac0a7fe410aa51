"""``FlowView``: a flow log as it goes on, a map of who talks to whom above the newest lines."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Sequence
from typing import Any

import anywidget
import traitlets

from labhelpers.linux.records import Rows
from labhelpers.trace.flows.flow import DROPPED, Flow
from labhelpers.trace.flows.flows import Flows
from labhelpers.views.assets import joined
from labhelpers.views.flow_map import map_svg
from labhelpers.views.tables import table_of

__all__ = ["FlowView", "flows_bundle", "flows_html", "flows_text"]

_MOST_LINES = 50
_COLUMNS = ("time", "from", "to", "what", "verdict", "why", "seen by")


class FlowView(anywidget.AnyWidget):
    """The map and the newest lines, which follow the flow log until it is stopped.

    A button holds the picture still; the log goes on meanwhile.

    Args:
        flows: what ``observe(follow=True)`` returned.
    """

    _esm = joined("picture.js", "flows.js")
    _css = joined("topology.css", "flows.css")
    picture = traitlets.Unicode("").tag(sync=True)
    columns = traitlets.List(list(_COLUMNS)).tag(sync=True)
    lines: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)

    def __init__(self, flows: Flows) -> None:
        super().__init__()
        self.flows = flows
        flows.heard = self.refresh
        self.refresh()

    def refresh(self) -> None:
        """Show what has been seen by now."""
        rows = self.flows.now()
        with self.hold_sync():
            self.picture = map_svg(rows, themed=True)
            self.lines = [_line(one) for one in reversed(rows[-_MOST_LINES:])]
            self.status = rows.title + ("" if self.flows.running else "; it has ended")

    def __repr__(self) -> str:
        return flows_text(self.flows)


def _line(one: Flow) -> dict[str, Any]:
    what = f"{one.protocol} {one.port}" if one.port else one.protocol
    if one.status:
        what = f"{one.method or 'no request'} {one.path} → {one.status}, {one.latency:g} ms"
    at = f"{time.strftime('%H:%M:%S', time.localtime(one.time))}.{int(one.time % 1 * 1000):03}"
    why = "; ".join(filter(None, (one.policy, one.reason)))
    return {"cells": [at, one.source, one.destination, what, one.verdict, why, one.node], "bad": one.verdict == DROPPED}


def flows_text(flows: Flows) -> str:
    """The flows so far, as a table."""
    return str(table_of(_settled(flows)))


def flows_html(flows: Flows) -> str:
    """The flows so far: a table, below a picture of the map if it follows."""
    rows = _settled(flows)
    table = table_of(rows)._repr_html_()
    return _stored(rows) + table if flows.follow else table


def _settled(flows: Flows) -> Rows[Flow]:
    return flows.now() if flows.follow else flows.rows


def _stored(rows: Sequence[Flow]) -> str:
    image = base64.b64encode(map_svg(rows).encode()).decode()
    return f'<img alt="Who talks to whom, {len(rows)} flows" src="data:image/svg+xml;base64,{image}">'


def flows_bundle(flows: Flows) -> dict[str, Any]:
    """The live widget where it is asked for and a kernel runs; elsewhere nothing, so that text and table are shown."""
    if not flows.follow or os.environ.get("POD_NETWORKING_STATIC"):
        return {}
    view = getattr(flows.heard, "__self__", None)  # shown a second time, it is the same one
    if not isinstance(view, FlowView):
        view = FlowView(flows)
    bundle = view._repr_mimebundle_()
    data = dict((bundle[0] if isinstance(bundle, tuple) else bundle) or {})
    return {**data, "text/html": flows_html(flows), "text/plain": flows_text(flows)}
