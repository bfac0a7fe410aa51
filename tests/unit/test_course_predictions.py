"""Predictions: a right one, a wrong one, none yet, and what could not be one."""

from __future__ import annotations

import re
from typing import Any

import pytest

from labhelpers.course.chapter07 import _named
from labhelpers.course.predictions import compared

PAIR = ("pod-c/eth0", "node-2/cni0")


@pytest.mark.parametrize(
    ("predicted", "seen"), [(64, 64), (64.0, 64), ("10.0.0.1", "10.0.0.1"), (PAIR, PAIR), (list(PAIR), PAIR)]
)
def test_what_the_walk_saw_is_right(predicted: Any, seen: Any) -> None:
    row = compared("the TTL", predicted, seen)
    assert row.ok
    assert row.what == "the TTL"


@pytest.mark.parametrize(
    ("predicted", "seen"),
    [(0, 64), (None, 64), ("", "10.0.0.1"), (None, PAIR), ("", PAIR), (("", ""), PAIR), ([], PAIR), ((), PAIR)],
)
def test_what_start_wrote_there_is_no_prediction(predicted: Any, seen: Any) -> None:
    row = compared("the TTL", predicted, seen)
    assert not row.ok
    assert row.why == "nothing is predicted yet"


@pytest.mark.parametrize(("predicted", "seen"), [(63, 64), ("10.0.0.2", "10.0.0.1"), (PAIR[::-1], PAIR)])
def test_a_wrong_one_is_said_back_without_the_answer(predicted: Any, seen: Any) -> None:
    row = compared("the TTL", predicted, seen)
    assert not row.ok
    assert row.why == f"you predicted {predicted}, and the walk saw something else"


@pytest.mark.parametrize(
    ("predicted", "seen", "wanted"),
    [
        ("64", 64, "a number is wanted; '64' is something else"),
        ([64], 64, r"a number is wanted; \(64,\) is something else"),
        (True, 1, "a number is wanted; True is something else"),
        (3232235786, "192.168.1.10", "a text in quotes is wanted; 3232235786 is something else"),
        (5, PAIR, r'two interfaces are wanted, as in \("node-1/eth0", "node-2/eth0"\); 5 is something else'),
        ("pod-c/eth0", PAIR, "two interfaces are wanted, .*; 'pod-c/eth0' is something else"),
        (("pod-c/eth0",), PAIR, "two interfaces are wanted"),
        (("pod-c/eth0", 5), PAIR, "two interfaces are wanted"),
    ],
)
def test_what_could_not_be_right_is_told_what_is_wanted(predicted: Any, seen: Any, wanted: str) -> None:
    """Not that the walk saw something else: it may have seen just that number."""
    row = compared("the TTL", predicted, seen)
    assert not row.ok
    assert re.match(wanted, row.why), row.why


@pytest.mark.parametrize(("said", "seen"), [("vxlan", "VXLAN"), (" Canal ", "Canal"), ("50", 50)])
def test_capital_letters_do_not_count_and_a_number_is_a_number(said: str, seen: object) -> None:
    assert compared("the carrier", said, seen).ok is isinstance(seen, str)


def test_of_a_wrong_network_it_is_said_what_contradicts_it() -> None:
    assert "has one" in _named("calico", "Canal").why
    assert "none" in _named("Flannel", "Canal").why
    assert _named("canal", "Canal").ok
    assert "flannel.1" not in _named("Calico", "Flannel").why, "on other nodes something else contradicts it"
    assert _named("", "Canal").why == "nothing is predicted yet"
