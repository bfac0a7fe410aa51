"""The benchmarks' own arithmetic: what is measured in turns, and when a target is met."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks._measure import Job, Row, Unmeasured, a_a, in_turns, ratio, report

CLONE = Path(__file__).resolve().parent.parent.parent


def test_jobs_take_turns_and_each_is_first_once() -> None:
    order: list[str] = []

    def job(name: str, every: int = 1) -> Job:
        def run() -> dict[str, float]:
            order.append(name)
            return {name: 1.0}

        return Job(name, run, every)

    times, left_out = in_turns([job("a"), job("b"), job("rare", every=2)], 3)
    assert "".join(name[0] for name in order) == "abr" + "ba" + "rab"
    assert {name: len(found) for name, found in times.items()} == {"a": 3, "b": 3, "rare": 2}
    assert left_out == {}


def test_what_cannot_be_measured_is_named_with_its_reason_and_not_tried_again() -> None:
    tries: list[int] = []

    def missing() -> dict[str, float]:
        tries.append(1)
        raise Unmeasured("no such program")

    times, left_out = in_turns([Job("peer", missing), Job("a", lambda: {"a": 1.0})], 3)
    assert left_out == {"peer": "no such program"}
    assert len(tries) == 1
    assert list(times) == ["a"]


def test_ratios_are_of_the_minimums() -> None:
    assert ratio([9, 4, 100], [2, 50]) == 2
    assert a_a([3], [2]) == a_a([2], [3]) == 1.5


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (Row("x", ratio=2.0, at_most=2), "met"),
        (Row("x", ratio=2.01, at_most=2), "MISSED"),
        (Row("x", ratio=9.9, at_least=10), "MISSED"),
        (Row("x", ratio=9.9, at_least=10, a_a=1.05), "MISSED, within A/A"),
        (Row("x", ratio=2.3, at_most=2, a_a=1.05), "MISSED"),
        (Row("x", ratio=10.0, at_least=10, a_a=1.5), "met, noisy"),
        (Row("x", ratio=3.0), ""),
        (Row("x", note="not measured: no such program"), "not measured: no such program"),
    ],
)
def test_a_verdict_says_whether_the_target_is_met(row: Row, verdict: str) -> None:
    assert row.verdict == verdict


def test_the_report_counts_the_targets_that_are_met(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row("floor", [0.002, 0.001]), Row("lab", [0.003, 0.004], ratio=3.0, at_most=2), Row("peer", note="no")]
    report("Title", [*rows, Row("other", ratio=1.0, at_most=2)])
    printed = capsys.readouterr().out
    assert "1.50 ms  1.00 ms" in printed
    assert "MISSED" in printed
    assert "1 of 2 targets met." in printed


def test_the_readme_describes_every_benchmark_that_make_bench_runs() -> None:
    text = (CLONE / "benchmarks/README.md").read_text()
    programs = [path.name for path in (CLONE / "benchmarks").glob("[a-z]*.py")]
    assert programs
    assert [name for name in programs if f"`{name}`" not in text] == []
