"""A picture as values: boxes, wires and words, each with a place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from labhelpers.views.lettering import width

__all__ = ["Box", "Point", "Scene", "Text", "Wire"]

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Text:
    """Words on one line.  ``x`` is their left end, middle or right end, as ``anchor`` says; ``y`` the base line."""

    x: float
    y: float
    words: str
    #: font size in pixels
    size: float
    bold: bool = False
    mono: bool = False
    #: ``text``, ``muted`` or ``bad``
    tone: str = "text"
    #: ``start``, ``middle`` or ``end``
    anchor: str = "start"

    @property
    def left(self) -> float:
        """Where the words begin at the latest measure of their width."""
        return self.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor] * self._width

    @property
    def right(self) -> float:
        """Where the words end."""
        return self.left + self._width

    @property
    def _width(self) -> float:
        return width(self.words, self.size, mono=self.mono)

    def moved(self, x: float, y: float) -> Text:
        """The same words, further right and down."""
        return replace(self, x=self.x + x, y=self.y + y)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle that stands for a namespace, an interface or a routing table."""

    #: ``pod-a`` for a namespace, ``pod-a/eth0`` for an interface, ``pod-a routing`` for its routing table
    id: str
    #: the role of a namespace (``node``, ``pod`` …), ``link``, ``bridge`` or ``routing``
    kind: str
    x: float
    y: float
    width: float
    height: float
    #: what a screen reader says
    spoken: str
    texts: tuple[Text, ...] = ()
    #: id of the box around it, ``""`` if none
    parent: str = ""
    down: bool = False

    @property
    def right(self) -> float:
        """The x of its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The y of its lower edge."""
        return self.y + self.height

    def moved(self, x: float, y: float) -> Box:
        """The same box with its words, further right and down."""
        return replace(self, x=self.x + x, y=self.y + y, texts=tuple(text.moved(x, y) for text in self.texts))


@dataclass(frozen=True, slots=True)
class Wire:
    """A line between two boxes: a cable, or the way a packet takes inside a namespace."""

    #: ``veth`` for a cable, ``underlay`` for one to the network between nodes, ``port`` and ``inner`` inside
    kind: str
    points: tuple[Point, ...]
    #: ids of the boxes at its ends
    a: str
    b: str
    #: nothing passes here
    down: bool = False

    def moved(self, x: float, y: float) -> Wire:
        """The same line, further right and down."""
        return replace(self, points=tuple((px + x, py + y) for px, py in self.points))


@dataclass(slots=True)
class Scene:
    """Everything to draw; boxes from back to front."""

    width: float = 0
    height: float = 0
    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)

    def box(self, id: str) -> Box | None:
        """The box with this id."""
        return next((box for box in self.boxes if box.id == id), None)
