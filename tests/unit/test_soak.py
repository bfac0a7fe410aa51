"""The robustness run's own machinery, what it has found, and a little of it each time."""

from __future__ import annotations

import pytest

from tests.soak.fuzz import Hang, feed, fuzz
from tests.soak.targets import TARGETS, Target, conversation

BY_NAME = {target.name: target for target in TARGETS}
_FEW = 150

#: inputs that were once not survived
KEPT = [
    ("SPDY", conversation(1, 3, 3)),  # a stream opened twice: the first one's reader waited for ever
    ("WebSocket", b'\4{"Width": Infinity, "Height": 24}|\0x|\xff\0'),  # no number of columns
    ("WebSocket", b'\4{"Width": 70000, "Height": 24}'),  # more than a terminal has
    ("WebSocket", b'\4{"Width": -1, "Height": 24}'),
    ("WebSocket", b"\4" + b"[" * 100_000),
    ("WebSocket", b"|".join([b"\xff\0", *[b"\0x"] * 40])),  # typed after the end: the client's going was not seen
]


@pytest.mark.parametrize("name", BY_NAME)
def test_some_damaged_inputs_are_survived(name: str) -> None:
    assert [str(found) for seed in range(_FEW) if (found := feed(BY_NAME[name], seed))] == []


@pytest.mark.parametrize(("name", "data"), KEPT)
def test_what_was_found_once_is_survived(name: str, data: bytes) -> None:
    assert feed(Target(name, lambda _: data, BY_NAME[name].feed), 0) is None


def _loop(data: bytes) -> None:
    while True:
        try:
            data = data[::-1]
        except Exception:  # a reader that swallows everything
            pass


def _crash(data: bytes) -> None:
    raise KeyError("nobody expects this")


def test_a_crash_and_a_hang_are_found() -> None:
    crash = feed(Target("crash", lambda random: random.randbytes(3), _crash), 7)
    assert crash is not None
    assert crash.seed == 7 and crash.what.startswith("KeyError") and "test_soak.py" in crash.what
    hang = feed(Target("hang", lambda _: b"x", _loop), 0, longest=0.1)
    assert hang is not None
    assert hang.what.startswith(Hang.__name__)


def test_one_failure_is_told_once_with_an_input_that_can_be_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target("crash", lambda random: random.randbytes(3), _crash)
    now = iter(range(1000))
    monkeypatch.setattr("tests.soak.fuzz.time.monotonic", lambda: float(next(now)))
    count, found = fuzz(target, 5)
    assert count > 1
    assert len(found) == 1
    again = feed(target, found[0].seed)
    assert again is not None and again.data == found[0].data
