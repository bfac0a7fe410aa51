"""``expect`` says what it checked, and raises with what was seen."""

from __future__ import annotations

import pytest

from labhelpers.course import expect
from labhelpers.errors import BadInput, ExpectationFailed
from labhelpers.linux.traffic import Reply


def test_a_true_claim_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    expect("water is wet", True)
    assert capsys.readouterr().out == "✓ water is wet\n"


def test_a_result_is_judged_by_its_ok(capsys: pytest.CaptureFixture[str]) -> None:
    expect("pod-a reaches pod-b", Reply(True, "reply from 10.0.1.11"))
    assert "✓" in capsys.readouterr().out
    with pytest.raises(ExpectationFailed) as caught:
        expect(
            "pod-a reaches pod-b",
            Reply(False, error="network is unreachable"),
            likely_cause="Is there a route?",
        )
    assert caught.value.seen == "no answer: network is unreachable"
    assert str(caught.value).endswith("Is there a route?")
    assert capsys.readouterr().out == ""


def test_an_equal_value_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    expect("the source address", "10.0.1.10", equals="10.0.1.10")
    assert capsys.readouterr().out == "✓ the source address: 10.0.1.10\n"


def test_none_can_be_the_expected_value() -> None:
    expect("there is no such thing", None, equals=None)
    with pytest.raises(ExpectationFailed):
        expect("there is no such thing", 1, equals=None)


@pytest.mark.parametrize(
    ("seen", "words"),
    [(False, "that it is not so"), (None, "nothing"), ((), "nothing"), ("", "nothing"), (0, "0")],
)
def test_what_was_seen_is_never_blank(seen: object, words: str) -> None:
    with pytest.raises(ExpectationFailed) as caught:
        expect("something", seen)
    assert words in caught.value.seen


@pytest.mark.parametrize("claim", ["", "  ", True, None])
def test_the_claim_must_be_words(claim: object) -> None:
    with pytest.raises(BadInput):
        expect(claim, True)  # type: ignore[arg-type]


def test_a_function_is_asked_until_the_claim_holds(capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter(["down", "down", "up"])
    expect("the link is", lambda: next(answers), equals="up")
    assert capsys.readouterr().out == "✓ the link is: up\n"
    assert list(answers) == []


def test_a_function_that_never_holds_is_given_up_with_its_last_answer() -> None:
    answers = iter(["starting", *["down"] * 1000])
    with pytest.raises(ExpectationFailed, match="saw down"):
        expect("the link is", lambda: next(answers), equals="up", within=0.05)


def test_a_function_is_asked_at_least_once() -> None:
    expect("it is so", lambda: True, within=0)
