"""The chapters of the course, and their exercises."""

from __future__ import annotations

import difflib
import importlib.util
from dataclasses import dataclass
from functools import cache

from labhelpers.course.exercise import Exercise
from labhelpers.errors import NotFound

__all__ = ["CHAPTERS", "Chapter", "exercises_of", "find"]


@dataclass(frozen=True)
class Chapter:
    """One chapter."""

    number: str
    title: str
    minutes: int
    file: str


CHAPTERS = (
    Chapter("00", "Start here", 35, "00-start-here.ipynb"),
    Chapter("01", "Network namespaces", 90, "01-network-namespaces.ipynb"),
    Chapter("02", "veth and bridge", 100, "02-veth-and-bridge.ipynb"),
    Chapter("03", "The Kubernetes network model", 75, "03-kubernetes-network-model.ipynb"),
    Chapter("04", "What CNI is", 115, "04-what-cni-is.ipynb"),
    Chapter("05", "From kubectl run to a pod IP", 105, "05-from-kubectl-run-to-a-pod-ip.ipynb"),
    Chapter("06", "Same node, across nodes", 155, "06-same-node-across-nodes.ipynb"),
    Chapter("07", "CNI plugins compared", 165, "07-cni-plugins-compared.ipynb"),
    Chapter("08", "Network policy", 125, "08-network-policy.ipynb"),
    Chapter("09", "Labs with kubectl", 85, "09-labs-with-kubectl.ipynb"),
    Chapter("10", "Capstone: write your own CNI plugin", 230, "10-capstone.ipynb"),
    Chapter("11", "The clinic: broken networks", 80, "11-clinic.ipynb"),
)


@cache
def exercises_of(number: str) -> tuple[Exercise, ...]:
    """The exercises of chapter ``"01"``, in order."""
    name = f"labhelpers.course.chapter{number}"
    if importlib.util.find_spec(name) is None:
        return ()
    found: tuple[Exercise, ...] = importlib.import_module(name).EXERCISES
    return found


def find(id: str) -> Exercise:
    """The exercise with this id.

    Raises:
        NotFound: there is none; the message names the nearest ones.
    """
    known = {exercise.id: exercise for chapter in CHAPTERS for exercise in exercises_of(chapter.number)}
    if id in known:
        return known[id]
    near = difflib.get_close_matches(str(id), known, n=1)
    raise NotFound(
        f"There is no exercise {id!r}.",
        (f'Did you mean "{near[0]}"? ' if near else "") + f"There are: {', '.join(known) or 'none yet'}.",
    )
