"""``Player``: a walk, step by step in the picture of the network."""

from __future__ import annotations

import base64
import os
from html import escape
from typing import Any

import anywidget
import traitlets

from labhelpers.errors import BadInput
from labhelpers.topology import Snapshot
from labhelpers.trace.hop import Walk
from labhelpers.views.assets import joined
from labhelpers.views.layout import layout
from labhelpers.views.plan import plan
from labhelpers.views.svg import render
from labhelpers.views.walk_html import walk_html
from labhelpers.views.walk_scenes import Reel, reel
from labhelpers.views.walk_story import outcome
from labhelpers.views.walk_text import walk_text

__all__ = ["Player"]

_LONGEST_NAMED = 40  # characters of something that is no walk


class Player(anywidget.AnyWidget):
    """A walk to play, and to step through forth and back.

    The picture shows where the packet is and which cable it came by, and beside it are its headers with the fields
    that have just changed.  Keys: ←, →, space, Home, End.  A click on a box goes to the packet's next visit there.

    Args:
        walk: what ``walk("pod-a", "pod-c")`` returned.
        snapshot: the network to draw; by default as it was when the walk began.
    """

    _esm = joined("picture.js", "player.js")
    _css = joined("topology.css", "player.css")
    picture = traitlets.Unicode("").tag(sync=True)
    frames: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    #: which frame is shown, from 0; the last one tells how it ended
    position = traitlets.Int(0).tag(sync=True)

    def __init__(self, walk: Walk, snapshot: Snapshot | None = None) -> None:
        if not isinstance(walk, Walk):
            raise BadInput(f"{_brief(walk)} is no walk.", "Write Player(walk('pod-a', 'pod-c')).")
        super().__init__()
        self.walk = walk
        drawn = plan(snapshot or walk.snapshot or Snapshot.take())
        self._scene = layout(drawn)
        self._reel: Reel = reel(walk, drawn, self._scene)
        with self.hold_sync():
            self.title = outcome(walk)
            self.frames = list(self._reel.frames)
            self.picture = render(self._scene, title=self.title, themed=True)

    @traitlets.validate("position")
    def _inside(self, proposal: Any) -> int:
        """The nearest frame there is."""
        return max(0, min(int(proposal["value"]), len(self.frames) - 1))

    def __repr__(self) -> str:
        return walk_text(self.walk)

    def svg(self) -> str:
        """The picture as an SVG document with the light colours; where the packet was has a thick outline."""
        return render(self._scene, title=self.title, changed=self._reel.visited)

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The player where a kernel runs; elsewhere the picture and every hop as a row; words last."""
        data: dict[str, Any] = {}
        if not os.environ.get("POD_NETWORKING_STATIC"):
            bundle = super()._repr_mimebundle_(**options)
            data = dict((bundle[0] if isinstance(bundle, tuple) else bundle) or {})
        data["text/html"] = self._stored()
        data["text/plain"] = walk_text(self.walk)
        return data, {}

    def _stored(self) -> str:
        image = base64.b64encode(self.svg().encode()).decode()
        words = escape(f"The network; a thick outline marks where the packet was. {self.title}")
        return f'<img alt="{words}" src="data:image/svg+xml;base64,{image}">{walk_html(self.walk)}'


def _brief(thing: object) -> str:
    """What it is, in one line; a list of hops would fill pages."""
    text = repr(thing)
    return text if len(text) <= _LONGEST_NAMED and "\n" not in text else f"An object of type {type(thing).__name__}"
