"""Draw a scene as SVG: the one renderer for the live picture and for the one that is stored in a notebook.

Only presentation attributes are used: no style sheet, script or reference, which viewers strip or mangle.  For the live
picture colours are CSS variables that follow JupyterLab's theme; for a stored one they are literal, on a card.
"""

from __future__ import annotations

from collections.abc import Set
from html import escape

from labhelpers.views.ascii import EMPTY
from labhelpers.views.scene import Box, Scene, Text, Wire

__all__ = ["DARK", "LIGHT", "render"]

#: colours by what they are for; text keeps a contrast of 4.5:1 or better on each fill (WCAG 2.1), which a test computes
LIGHT = {
    "background": "#ffffff",
    "text": "#1b1f24",
    "muted": "#4f5862",
    "bad": "#a33400",
    "line": "#57606a",
    "node": "#f3f6fa",
    "underlay": "#e4f4ee",
    "pod": "#e3f1fb",
    "namespace": "#eef0fb",
    "bridge": "#fdf0d5",
    "routing": "#fbf8e6",
    "link": "#ffffff",
    "cable": "#0072b2",
    "way": "#6e5a00",
    "changed": "#a8457f",
}
DARK = {
    "background": "#111418",
    "text": "#f0f3f6",
    "muted": "#b3bcc6",
    "bad": "#ff9a70",
    "line": "#9aa4ae",
    "node": "#1b222b",
    "underlay": "#123a2d",
    "pod": "#12344d",
    "namespace": "#26264a",
    "bridge": "#4a3a10",
    "routing": "#2f2b17",
    "link": "#20262e",
    "cable": "#56b4e9",
    "way": "#e6c84f",
    "changed": "#e29ac8",
}
_FILL = {"host": "namespace", "unknown": "namespace"}
_CORNERS = {"node": 10, "underlay": 10, "bridge": 4, "link": 4, "routing": 4}
#: colour, width and dashes
_WIRE = {
    "veth": ("cable", 2.5, ""),
    "underlay": ("cable", 2.5, ""),
    "port": ("cable", 1.5, ""),
    "inner": ("way", 2, "3 3"),
}
_BEHIND = frozenset({"link", "bridge", "routing"})
_SANS = "DejaVu Sans, Verdana, Arial, sans-serif"
_MONO = "DejaVu Sans Mono, Menlo, Consolas, monospace"


def render(scene: Scene, *, title: str, themed: bool = False, changed: Set[str] = frozenset()) -> str:
    """The picture as an SVG document.

    Args:
        title: what a screen reader says first.
        themed: colours as CSS variables ``--pn-NAME`` with the light colour as default.
        changed: ids of boxes to mark, those the last step changed.
    """
    pen = _Pen(themed, changed)
    size = f'width="{scene.width:g}" height="{scene.height:g}" viewBox="0 0 {scene.width:g} {scene.height:g}"'
    rooms = [box for box in scene.boxes if box.kind not in _BEHIND]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}" '
        f'font-family="{_SANS}" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="100%" height="100%" rx="6" fill="{pen.colour("background")}"/>',
        *(pen.box(box) for box in rooms),
        *(pen.wire(wire) for wire in scene.wires),
        *(pen.box(box) for box in scene.boxes if box.kind in _BEHIND),
        "" if scene.boxes else pen.text(Text(12, 17, EMPTY, 12)),
        "</svg>",
    ]
    return "".join(parts)


class _Pen:
    def __init__(self, themed: bool, changed: Set[str]) -> None:
        self.themed, self.changed = themed, changed

    def colour(self, name: str) -> str:
        return f"var(--pn-{name}, {LIGHT[name]})" if self.themed else LIGHT[name]

    def wire(self, wire: Wire) -> str:
        colour, width, dashes = _WIRE[wire.kind]
        if wire.down:
            colour, dashes = "bad", "7 4"
        path = "M" + " L".join(f"{x:g} {y:g}" for x, y in wire.points)
        return (
            f'<path class="pn-wire pn-{wire.kind}" data-a="{escape(wire.a)}" data-b="{escape(wire.b)}" d="{path}" '
            f'fill="none" stroke-linejoin="round" stroke-width="{width:g}" stroke="{self.colour(colour)}"'
            + (f' stroke-dasharray="{dashes}"' if dashes else "")
            + "/>"
        )

    def box(self, box: Box) -> str:
        stroke, width, dashes = self.colour("line"), 1.2, ""
        if box.down:
            stroke, width, dashes = self.colour("bad"), 1.8, ' stroke-dasharray="5 3"'
        if box.id in self.changed:
            stroke, width = self.colour("changed"), 3.0
        fill = self.colour(_FILL.get(box.kind, box.kind))
        return (
            f'<g class="pn-box pn-{box.kind}" data-id="{escape(box.id)}" tabindex="0" role="button" '
            f'aria-label="{escape(box.spoken)}">'
            f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" '
            f'rx="{_CORNERS.get(box.kind, 8)}" fill="{fill}" stroke="{stroke}" stroke-width="{width:g}"{dashes}/>'
            + "".join(map(self.text, box.texts))
            + "</g>"
        )

    def text(self, text: Text) -> str:
        look = (' font-weight="bold"' if text.bold else "") + (f' font-family="{_MONO}"' if text.mono else "")
        return (
            f'<text x="{text.x:g}" y="{text.y:g}" text-anchor="{text.anchor}" font-size="{text.size:g}" '
            f'fill="{self.colour(text.tone)}"{look}>{escape(text.words)}</text>'
        )
