"""A walk as frames for the player: where the packet is, how it got there, and what is said about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from labhelpers.trace.hop import Walk
from labhelpers.views.plan import Plan
from labhelpers.views.scene import Point, Scene
from labhelpers.views.walk_html import COLOURS, OTHER
from labhelpers.views.walk_layers import Layer
from labhelpers.views.walk_story import Chapter, Step, story, verdict
from labhelpers.views.walk_way import Ways

__all__ = ["Reel", "reel"]


@dataclass(frozen=True)
class Reel:
    """All frames, as JSON values, and the boxes that the packet visits."""

    frames: tuple[dict[str, Any], ...]
    visited: frozenset[str]


def reel(walk: Walk, plan: Plan, scene: Scene) -> Reel:
    """One frame for each step, and one for how it ended."""
    ways = Ways(plan, scene)
    frames = [frame for chapter in story(walk) for frame in _chapter(chapter, ways)]
    visited = frozenset(frame["box"] for frame in frames if frame["box"])
    return Reel((*frames, _end(walk, ways)), visited)


def _chapter(chapter: Chapter, ways: Ways) -> Iterator[dict[str, Any]]:
    before, at = "", None
    for step in chapter.steps:
        box = ways.box(step.hop.namespace, step.hop.device)
        way = ways.to(box, before, at)
        # one that is not in the picture is passed over: from the last place that is, on to the next
        before, at = (box, way.points[-1]) if way.points else (before, at)
        yield _frame(chapter, step, box, way.points, way.wires)


def _frame(chapter: Chapter, step: Step, box: str, points: tuple[Point, ...], wires: tuple[int, ...]) -> dict[str, Any]:
    last = chapter.steps[-1].number
    heading = f"{_capital(chapter.packet)}, hop {step.number} of {last}"
    where = f"{'Into' if step.direction == 'in' else 'Out of'} {step.place}"
    words = list(step.words)
    if step.left_out:
        words.append(f"Then {step.left_out}.")
    if chapter.note and step is chapter.steps[-1]:
        words.append(chapter.note)
    return {
        "packet": chapter.packet,
        "heading": heading,
        "where": where,
        "label": f"→ {step.place}" if step.direction == "in" else f"{step.place} →",
        "number": step.number,
        "by": step.hop.by,
        "size": step.size,
        "words": words,
        "layers": [_layer(layer) for layer in step.layers],
        "box": box,
        "way": [list(point) for point in points],
        "wires": list(wires),
        "end": "",
    }


def _layer(layer: Layer) -> dict[str, Any]:
    return {
        "protocol": layer.protocol,
        "colour": COLOURS.get(layer.protocol, OTHER),
        "fields": [[field.words, field.changed] for field in layer.fields],
        "new": layer.is_new,
        "depth": layer.depth,
    }


def _end(walk: Walk, ways: Ways) -> dict[str, Any]:
    found = verdict(walk)
    namespace, _, device = (walk.why.place if walk.why else "").partition("/")
    words = [found.what] if found.what else []
    words += [f"Evidence: {one}" for one in found.evidence]
    words += [f"What to do: {found.to_do}"] if found.to_do else []
    words += [found.lost] if found.lost else []
    box = ways.box(namespace, device) if namespace else ""
    return {
        "packet": "",
        "heading": "How it ended",
        "where": _capital(found.outcome) + (f", last seen at {found.place}" if found.place else ""),
        "label": found.outcome,
        "number": 0,
        "by": "",
        "size": "",
        "words": words,
        "layers": [],
        "box": box,
        "way": [list(point) for point in ways.to(box).points],
        "wires": [],
        "end": "good" if found.ok else "bad",
    }


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
