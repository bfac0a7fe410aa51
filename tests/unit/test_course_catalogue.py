"""Every exercise of every chapter has all it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from labhelpers.course import catalogue
from labhelpers.course.exercise import Exercise

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
EXERCISES = [exercise for chapter in catalogue.CHAPTERS for exercise in catalogue.exercises_of(chapter.number)]


def test_the_chapters_written_are_the_notebooks_there_are() -> None:
    assert [chapter.file for chapter in catalogue.CHAPTERS] == sorted(file.name for file in NOTEBOOKS.glob("*.ipynb"))
    assert all(chapter.file.startswith(f"{chapter.number}-") and chapter.minutes for chapter in catalogue.CHAPTERS)


def test_chapters_are_numbered_in_order() -> None:
    assert [chapter.number for chapter in catalogue.CHAPTERS] == [f"{n:02}" for n in range(12)]


def test_there_are_exercises_and_their_ids_count_up() -> None:
    assert EXERCISES
    for chapter in catalogue.CHAPTERS:
        ids = [exercise.id for exercise in catalogue.exercises_of(chapter.number)]
        assert ids == [f"{int(chapter.number)}.{n + 1}" for n in range(len(ids))]


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)
def test_an_exercise_is_complete(exercise: Exercise) -> None:
    assert exercise.title
    assert exercise.task
    assert len(exercise.hints) >= 2
    assert exercise.solution
    assert exercise.broken
    assert exercise.solution != exercise.broken
    assert catalogue.find(exercise.id) is exercise


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)
def test_no_hint_but_the_last_gives_the_solution_away(exercise: Exercise) -> None:
    for line in exercise.solution.splitlines():
        for hint in exercise.hints[:-1]:
            assert len(line) < 12 or line.strip() not in hint
