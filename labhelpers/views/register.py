"""Teach IPython how to show the course's records.  The lower layers know nothing of it."""

from __future__ import annotations

from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

from labhelpers.lab.journal import Commands
from labhelpers.lab.progress import Progress
from labhelpers.linux.records import Rows
from labhelpers.trace.hop import Walk
from labhelpers.views.progress_bar import show_progress
from labhelpers.views.tables import table_of
from labhelpers.views.walk_html import walk_html
from labhelpers.views.walk_text import walk_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["register"]


def register() -> None:
    """In IPython: records are shown as tables, commands as a script, walks hop by hop.  Elsewhere: nothing."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        return
    text = shell.display_formatter.formatters["text/plain"]
    html = shell.display_formatter.formatters["text/html"]
    Rows.as_text = _rows
    text.for_type(Rows, lambda rows, printer, cycle: printer.text(_rows(rows)))
    html.for_type(Rows, lambda rows: table_of(rows)._repr_html_())
    html.for_type(Commands, _commands)
    Walk.as_text = walk_text
    text.for_type(Walk, lambda walk, printer, cycle: printer.text(walk_text(walk)))
    html.for_type(Walk, walk_html)
    # by name: most notebooks have no use for policies, and need not import them
    for name in ("explain.Explanation", "table.TruthTable"):
        _register_policy(text, html, *name.split("."))
    text.for_type_by_name("labhelpers.measure.comparison", "Comparison", _comparison_text)
    html.for_type_by_name("labhelpers.measure.comparison", "Comparison", _comparison_html)
    # by name: a flow log that is followed is a widget, which other notebooks need not import
    flows = ("labhelpers.trace.flows.flows", "Flows")
    text.for_type_by_name(*flows, lambda found, printer, cycle: printer.text(_flows("flows_text", found)))
    html.for_type_by_name(*flows, lambda found: _flows("flows_html", found))
    shell.display_formatter.mimebundle_formatter.for_type_by_name(*flows, lambda found: _flows("flows_bundle", found))
    Progress.shown_by = staticmethod(show_progress)
    # by name: most notebooks have no use for CNI, and need not import it
    text.for_type_by_name("labhelpers.cni.operation", "Operation", _wire_text)
    html.for_type_by_name("labhelpers.cni.operation", "Operation", _wire_html)
    # IPython does that itself only after pyplot was imported, which plots.py does without
    shell.display_formatter.formatters["image/png"].for_type_by_name("matplotlib.figure", "Figure", _png)


def _register_policy(text: Any, html: Any, module: str, kind: str) -> None:
    layer, words, marked = {
        "Explanation": ("networks", "explanation_text", "explanation_html"),
        "TruthTable": ("conformance", "truth_table_text", "truth_table_html"),
    }[kind]
    where = f"labhelpers.{layer}.policy.{module}"
    text.for_type_by_name(where, kind, lambda found, printer, cycle: printer.text(_policy(words, found)))
    html.for_type_by_name(where, kind, lambda found: _policy(marked, found))


def _policy(function: str, found: Any) -> str:
    from labhelpers.views import policy

    shown: str = getattr(policy, function)(found)
    return shown


def _rows(rows: Rows[Any]) -> str:
    return str(table_of(rows))


def _comparison_text(comparison: Any, printer: Any, cycle: bool) -> None:
    from labhelpers.views.comparison import comparison_text

    printer.text(comparison_text(comparison))


def _comparison_html(comparison: Any) -> str:
    from labhelpers.views.comparison import comparison_html

    return comparison_html(comparison)


def _flows(function: str, found: Any) -> Any:
    from labhelpers.views import flow_view

    return getattr(flow_view, function)(found)


def _wire_text(operation: Any, printer: Any, cycle: bool) -> None:
    from labhelpers.views.wire import wire_text

    printer.text(wire_text(operation))


def _wire_html(operation: Any) -> str:
    from labhelpers.views.wire import wire_html

    return wire_html(operation)


def _png(figure: Figure) -> bytes:
    picture = BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _commands(commands: Any) -> str:
    return f"<pre>{escape(str(commands)) or 'no commands yet'}</pre>"
