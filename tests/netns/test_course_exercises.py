"""Every exercise: not passed at first, passed by its solution, not by its broken solution, repeatable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from labhelpers.cluster import Cluster
from labhelpers.conformance import network_model
from labhelpers.course import catalogue, start
from labhelpers.course.exercise import Exercise
from labhelpers.course.questions import end
from labhelpers.errors import NotFound
from labhelpers.lab import Lab, checkpoint
from labhelpers.topology import Snapshot

# a learner writes `place.listen(80)` and keeps no handle; the lab ends the process
pytestmark = [
    pytest.mark.once,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

EXERCISES = [exercise for chapter in catalogue.CHAPTERS for exercise in catalogue.exercises_of(chapter.number)]


@pytest.fixture(params=EXERCISES, ids=lambda exercise: exercise.id)
def exercise(request: pytest.FixtureRequest) -> Iterator[Exercise]:
    one: Exercise = request.param
    shell = InteractiveShell.instance()
    lab = checkpoint(one.chapter)
    shell.user_ns.update(lab=lab, node=next(iter(lab.nodes), None))
    start(one.id)
    yield one
    start(one.id)
    with suppress(NotFound):
        Cluster.running().delete()
    shell.user_ns["lab"].reset()
    end("sleep", "4242")  # what exercise 1.4 wants found


def _run(cell: str) -> None:
    shell: Any = InteractiveShell.instance()
    shell.run_cell(cell, silent=True).raise_error()


def test_each_passes_by_its_solution_and_by_nothing_less(exercise: Exercise) -> None:
    """One set-up for all of an exercise's life: begun, solved, started over, and done nearly right."""
    first = exercise.look()
    assert not first.ok, "it is passed before anything is done"
    assert all(row.ok or row.why for row in first.rows), "a row that is not done says what was seen"
    for name in exercise.gives:
        for one in name.split(" to "):
            assert eval(one, InteractiveShell.instance().user_ns) is not None, "start says that a learner has it"
    _run(exercise.solution)
    solved = exercise.look()
    assert solved.ok, repr(solved)
    start(exercise.id)
    assert repr(exercise.look()) == repr(first), "it begins anew as it began"
    _run(exercise.broken)
    broken = exercise.look()
    assert not broken.ok, "its broken solution passes"
    assert any(row.ok for row in broken.rows), "the broken solution is nearly right"


@pytest.fixture
def notebook() -> Iterator[dict[str, Any]]:
    """The variables of a notebook with an empty lab."""
    variables: dict[str, Any] = InteractiveShell.instance().user_ns
    variables["lab"] = Lab()
    yield variables
    variables["lab"].reset()


@pytest.mark.parametrize("id", [exercise.id for exercise in EXERCISES if exercise.start])
def test_one_that_was_not_started_asks_for_its_start(id: str, notebook: dict[str, Any]) -> None:
    exercise = catalogue.find(id)
    for name in {*exercise.gives} - {"lab"}:  # what an earlier test has left in this process
        notebook.pop(name, None)
    report = exercise.look()
    assert not report.ok
    assert repr(report).splitlines()[-1] == f'Run start("{id}") first.'


def test_a_checkpoint_repairs_nothing(notebook: dict[str, Any]) -> None:
    """It builds a network that keeps every rule, and a learner who is stuck runs it: that is no pass of 3.2."""
    for begin in ("", 'start("3.2")'):
        _run(f'from labhelpers.course import start\n{begin}\nfrom labhelpers import checkpoint\nlab = checkpoint("03")')
        (row,) = catalogue.find("3.2").look().rows
        assert not row.ok
        assert row.why == 'This lab is not the one that start("3.2") built.'
    assert all(row.ok for row in network_model(notebook["lab"]))


def test_the_mark_of_an_exercise_leaves_the_namespace_who_it_is(notebook: dict[str, Any]) -> None:
    before = {state.name: (state.role, state.node, state.owner) for state in checkpoint_state(notebook)}
    start("3.2")
    after = {state.name: (state.role, state.node, state.owner) for state in Snapshot.take()}
    assert after == before


def checkpoint_state(notebook: dict[str, Any]) -> Snapshot:
    notebook["lab"] = checkpoint("03")
    return Snapshot.take()


def test_an_address_without_its_length_is_explained(notebook: dict[str, Any]) -> None:
    _run(catalogue.find("2.1").solution.replace("172.16.0.1/24", "172.16.0.1"))
    assert "seen: 172.16.0.1/32; without /24 the address is alone in its subnet\n" in repr(catalogue.find("2.1").look())
    for name in ("east", "west"):
        notebook["lab"][name].delete()


def test_a_bridge_that_was_forgotten_is_found(notebook: dict[str, Any]) -> None:
    _run(catalogue.find("2.2").solution)
    notebook["lab"]["hub"].down("br9")
    rows = {row.what: row for row in catalogue.find("2.2").look().rows}
    assert not rows["the bridge is up"].ok
    assert rows["the bridge is up"].why == "br9 is down"


def test_the_first_exercise_without_its_lab_says_where_to_begin(notebook: dict[str, Any]) -> None:
    assert "there is no pod-a; run the cells from the top" in repr(catalogue.find("0.1").look())
