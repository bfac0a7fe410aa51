"""``Topology``: the live picture of every namespace."""

from __future__ import annotations

import base64
import os
import threading
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from labhelpers.errors import LabError
from labhelpers.lab.journal import journal
from labhelpers.topology import Changes, Snapshot, Watch, diff
from labhelpers.views.ascii import describe
from labhelpers.views.assets import joined
from labhelpers.views.inside import packed
from labhelpers.views.inspect import details
from labhelpers.views.layout import layout
from labhelpers.views.plan import plan
from labhelpers.views.svg import render

__all__ = ["Topology"]

_TITLE = "Network namespaces and the cables between them"
#: what a picture marks; learned entries come and go by themselves
_VISIBLE = ("namespace", "link", "address", "route", "cable")


class Topology(anywidget.AnyWidget):
    """A picture of what the kernel has now, which follows every change however it is made.

    Click a box, or go there with Tab and press Enter, to see its interfaces, routes, neighbours and forwarding
    entries.  What the last step changed has a thick outline; below are the commands that did it.  The newest picture
    follows the kernel; the ones before show again what they showed at first, so that a notebook reads as what happened.

    Args:
        snapshot: draw this one, and stay; by default the kernel is read, and watched.
    """

    _esm = joined("picture.js", "topology.js")
    _css = joined("topology.css")
    picture = traitlets.Unicode("").tag(sync=True)
    details = traitlets.Dict().tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)
    commands = traitlets.Unicode("").tag(sync=True)

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        super().__init__()
        self._fixed = snapshot is not None
        before = _last.snapshot
        self.snapshot = snapshot or Snapshot.take()
        self._changes = diff(before, self.snapshot) if before and not self._fixed else Changes()
        self._first = self.snapshot, self._changes
        self.commands = "" if self._fixed else str(journal.since(_last.mark))
        if not self._fixed:
            _last.remember(self.snapshot)
        self._draw()
        if not self._fixed and not os.environ.get("POD_NETWORKING_STATIC"):
            _follower.follow(self)

    def refresh(self) -> None:
        """Read the kernel again and draw what changed since this picture was drawn."""
        before, self.snapshot = self.snapshot, Snapshot.take()
        changes = diff(before, self.snapshot)
        told = _told(changes)
        if told:  # a neighbour that was learned is no reason to take the marks away
            self._changes = changes
            self.status = "changed: " + "; ".join(told[:3]) + (" …" if len(told) > 3 else "")
        self._draw()

    def _stay(self) -> None:
        """A newer picture follows the kernel: show again what this one showed at first."""
        self.snapshot, self._changes = self._first
        self._draw()
        self.status = "A newer picture follows the kernel. Run this cell again, and this one does."

    def _draw(self) -> None:
        self._plan = plan(self.snapshot)
        self._scene = layout(self._plan)
        self._changed = frozenset(_ids(self._changes))
        picture = render(self._scene, title=_TITLE, themed=True, changed=self._changed)
        with self.hold_sync():
            self.picture, self.details = picture, details(self._plan)

    def svg(self) -> str:
        """The picture as an SVG document with the light colours, for a file or a slide."""
        return render(self._scene, title=_TITLE, changed=self._changed)

    def save(self, path: str | Path) -> None:
        """Write the picture to a file that you name, as SVG."""
        Path(path).write_text(self.svg(), encoding="utf-8")

    def close(self) -> None:
        """Stop following the kernel, and take the picture away."""
        _follower.leave(self)
        super().close()

    def __repr__(self) -> str:
        return describe(self._plan)

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The live widget where a kernel runs; a stored picture elsewhere; words last.

        The stored picture is an ``<img>`` in HTML: JupyterLab shows it in a notebook that is not trusted yet, and
        older viewers draw a bare SVG wrong.
        """
        data: dict[str, Any] = {}
        if not os.environ.get("POD_NETWORKING_STATIC"):
            bundle = super()._repr_mimebundle_(**options)
            data = dict((bundle[0] if isinstance(bundle, tuple) else bundle) or {})
        data["text/html"] = self.html()
        data["text/plain"] = describe(self._plan)
        return data, {}

    def html(self) -> str:
        """The picture as it is now, as HTML that shows everywhere, with the commands that made what is new.

        What a click would show is packed into it, for the site.
        """
        image = base64.b64encode(self.svg().encode()).decode()
        words, inside = escape(describe(self._plan)), packed(self.snapshot)
        html = f'<img alt="{words}" data-inside="{inside}" src="data:image/svg+xml;base64,{image}">'
        if self.commands:
            html += (
                "<details><summary>The commands that made what is new</summary>"
                f"<pre>{escape(self.commands)}</pre></details>"
            )
        return html


def _told(changes: Changes) -> list[str]:
    """What changed, for the line below the picture: whole namespaces first, then what is in the others."""
    whole = changes.about("namespace")
    came = [change.name for change in whole if change.what == "added"]
    went = [change.name for change in whole if change.what == "removed"]
    lines = [f"~ namespace {name} made anew" for name in came if name in went]
    lines += [str(change) for change in whole if not (change.name in came and change.name in went)]
    for change in changes.about(*_VISIBLE):
        about = change.before or change.after
        ends = {about.a.namespace, about.b.namespace} if change.kind == "cable" else {change.namespace}
        if change not in whole and not ends & {*came, *went}:
            lines.append(str(change))
    return lines


def _ids(changes: Changes) -> list[str]:
    """The boxes that a change is about."""
    ids = [change.name for change in changes.about("namespace")]
    for change in changes.about(*_VISIBLE):
        if change.namespace in ids:  # all of it is new
            continue
        if change.kind == "link":
            ids.append(f"{change.namespace}/{change.name}")
        elif change.kind == "address":
            ids.append(f"{change.namespace}/{change.name.rpartition(' on ')[2]}")
        elif change.kind == "route":
            ids.append(f"{change.namespace} routing")
    return ids


class _Last:
    """What the last picture showed: the next one marks the difference."""

    snapshot: Snapshot | None = None
    mark = 0

    def remember(self, snapshot: Snapshot) -> None:
        self.snapshot, self.mark = snapshot, journal.mark()


class _Follower:
    """Redraws the newest picture whenever the kernel has changed."""

    def __init__(self) -> None:
        self.picture: Topology | None = None
        self._watch: Watch | None = None
        # the watch redraws from its own thread; a picture that stays must not be redrawn after that
        self._drawing = threading.Lock()

    def follow(self, picture: Topology) -> None:
        """From now on redraw this picture, and no other."""
        with self._drawing:
            older, self.picture = self.picture, picture
            if older is not None:
                older._stay()
        if self._watch is None or self._watch.error:
            try:
                self._watch = Watch(self._refresh).start()
            except (LabError, OSError) as error:
                self._watch = None
                picture.status = f"This picture does not follow the kernel: {error}"

    def leave(self, picture: Topology) -> None:
        """Leave this picture alone."""
        if picture is not self.picture:
            return
        if self._watch:
            self._watch.stop()
        self.picture = self._watch = None

    def _refresh(self) -> None:
        with self._drawing:
            if self.picture is not None:
                self.picture.refresh()


_last = _Last()
_follower = _Follower()
