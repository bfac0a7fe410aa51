"""Exercises are judged by what ``rows`` sees; the test switch runs the solutions first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from html import escape

import pytest
from IPython.core.interactiveshell import InteractiveShell

from labhelpers.course import catalogue, check, hint, solution, start, verbs
from labhelpers.course.exercise import Exercise, Todo
from labhelpers.course.progress import passed
from labhelpers.errors import ExpectationFailed, NotFound

world: dict[str, str] = {}


def _rows() -> Iterator[Todo]:
    yield Todo("door" in world, "there is a door")
    if "door" not in world:
        raise NotFound("There is no namespace 'room'.", "Make it.")
    yield Todo(world["door"] == "open", "the door is <open>", f"it is {world['door']}")


DOOR = Exercise(
    id="1.1",
    title="a door",
    task="Make a door and open it.",
    rows=_rows,
    hints=("Think of wood.", "Think of a handle."),
    solution="""
        if "door" not in world:
            world["door"] = "open"
    """,
    broken="""
        world["door"] = "shut"
    """,
)


@pytest.fixture(autouse=True)
def one_exercise(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    world.clear()
    monkeypatch.setenv("POD_NETWORKING_PROGRESS", f"{tmp_path}/progress.json")
    monkeypatch.delenv("POD_NETWORKING_SOLVE", raising=False)
    monkeypatch.setattr(catalogue, "exercises_of", lambda number: (DOOR,) if number == "01" else ())
    monkeypatch.setattr("labhelpers.course.exercise.settle", lambda: None)
    monkeypatch.setattr(verbs, "_hints_given", {})
    InteractiveShell.instance().user_ns["world"] = world


def test_an_untouched_exercise_shows_what_to_do() -> None:
    report = check("1.1")
    assert not report.ok
    assert repr(report) == (
        'Exercise 1.1, a door: not yet\n  [ ] there is a door\nStuck? hint("1.1")   Begin again? start("1.1")'
    )
    assert passed() == ()


def test_a_half_done_exercise_says_what_was_seen() -> None:
    world["door"] = "shut"
    assert "[x] there is a door\n  [ ] the door is <open>\n      seen: it is shut" in repr(check("1.1"))


def test_a_solved_exercise_is_remembered() -> None:
    world["door"] = "open"
    report = check("1.1")
    assert report.ok
    assert "passed" in repr(report)
    assert "seen" not in repr(report)
    assert "Stuck" not in repr(report)
    assert passed() == ("1.1",)


def test_a_pass_says_how_far_the_chapter_is(monkeypatch: pytest.MonkeyPatch) -> None:
    second, third = (replace(DOOR, id=id) for id in ("1.2", "1.3"))
    monkeypatch.setattr(catalogue, "exercises_of", lambda number: (DOOR, second, third) if number == "01" else ())
    world["door"] = "open"
    lines = [repr(check(id)).splitlines()[-1] for id in ("1.2", "1.1", "1.3")]
    assert lines == [
        "1 of 3 in this chapter. Next: 1.3.",
        "2 of 3 in this chapter. Next: 1.3.",
        "3 of 3: this chapter is done. Next: chapter 02.",
    ]
    assert repr(check("1.1")).splitlines()[-1] == lines[-1]
    assert escape(lines[-1]) in check("1.1")._repr_html_()


def test_the_html_form_has_the_same_lines_and_is_escaped() -> None:
    world["door"] = "shut"
    html = check("1.1")._repr_html_()
    assert "✓ done: there is a door" in html
    assert "○ to do: the door is &lt;open&gt;<br><small>seen: it is shut</small>" in html
    assert "Stuck? <code>hint(&quot;1.1&quot;)</code>   Begin again? <code>start(&quot;1.1&quot;)</code>" in html


def test_a_missing_thing_that_no_row_asked_for_is_a_row() -> None:
    def rows() -> Iterator[Todo]:
        yield Todo(True, "the sky is up")
        raise NotFound("There is no namespace 'room'.", "Make it.")

    report = Exercise("1.2", "a room", "", rows, ("a",), "", "").look()
    assert not report.ok
    assert "seen: There is no namespace 'room'." in repr(report)


def test_an_exercise_that_was_not_started_says_so() -> None:
    def rows() -> list[Todo]:
        raise NotFound("There is no namespace 'room'.", "Make it.")

    plain = Exercise("1.2", "a room", "", rows, ("a",), "", "")
    assert repr(plain.look()).endswith('Begin again? start("1.2")')
    assert repr(replace(plain, start="make_room()").look()).splitlines()[-1] == 'Run start("1.2") first.'


def test_start_says_what_the_learner_has(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(verbs, "settle", lambda: None)
    furnished = replace(DOOR, start='world["door"] = "shut"', gives=("door", 'lab["room"]'))
    monkeypatch.setattr(catalogue, "exercises_of", lambda number: (furnished,) if number == "01" else ())
    start("1.1")
    assert world == {"door": "shut"}
    assert capsys.readouterr().out == 'Exercise 1.1, a door: ready. You have: door, lab["room"].\n'


def test_rows_that_yield_nothing_are_not_a_pass() -> None:
    empty = Exercise("1.2", "none", "", lambda: (), ("a",), "", "")
    assert not empty.look().ok


def test_hints_say_more_and_more_and_end_at_the_solution() -> None:
    assert repr(hint("1.1")) == 'Hint 1 of 2: Think of wood.\nStill stuck? hint("1.1")'
    last = 'Hint 2 of 2: Think of a handle.\nStill stuck? solution("1.1")'
    assert repr(hint("1.1")) == last
    assert repr(hint("1.1")) == last


def test_a_hint_is_shown_whole_with_its_code_as_code(monkeypatch: pytest.MonkeyPatch) -> None:
    told = replace(DOOR, hints=("Try `a < b`, then `c`.", "Last."))
    monkeypatch.setattr(catalogue, "exercises_of", lambda number: (told,) if number == "01" else ())
    html = hint("1.1")._repr_html_()
    assert "Try <code>a &lt; b</code>, then <code>c</code>." in html
    assert "Hint 1 of 2" in html
    assert "<code>hint(&quot;1.1&quot;)</code>" in html


def test_a_solution_is_shown_and_not_run() -> None:
    shown = solution("1.1")
    assert 'if "door" not in world:\n    world["door"]' in repr(shown)
    assert "<details>" in shown._repr_html_()
    assert world == {}


@pytest.mark.parametrize("verb", [check, hint, solution])
def test_an_unknown_exercise_is_named_with_its_neighbour(verb: object) -> None:
    with pytest.raises(NotFound, match=r'There is no exercise .1\.9.*Did you mean "1\.1"'):
        verb("1.9")  # type: ignore[operator]


def test_solve_runs_the_solution_and_does_not_count_as_the_learners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NETWORKING_SOLVE", "1")
    assert check("1.1").ok
    assert world == {"door": "open"}
    assert passed() == ()


def test_solve_raises_with_the_broken_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NETWORKING_SOLVE", "broken")
    with pytest.raises(ExpectationFailed, match="it is shut"):
        check("1.1")


def test_solve_raises_when_the_solution_itself_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NETWORKING_SOLVE", "1")
    bad = Exercise("1.1", "bad", "", _rows, ("a",), "raise ValueError('no')", "")
    monkeypatch.setattr(catalogue, "exercises_of", lambda number: (bad,) if number == "01" else ())
    with pytest.raises(ValueError, match="no"):
        check("1.1")
