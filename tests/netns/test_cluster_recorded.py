"""The cluster answers kubectl as a real control plane did; ``data/kubectl`` has what that answered, and who it was.

Where this cluster is known to answer something else, the transcript says what and why, in one line that begins with
``!``.  A difference that is new fails, and so does one that is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import pytest

from tests.netns.kernel import eventually
from tests.netns.kubectl import cluster_with_kubectl
from tests.netns.recorded import Step, answer_of, normalised, transcript

pytestmark = pytest.mark.once

DATA = Path(__file__).parent / "data/kubectl"
#: one after the other on the same cluster, as they were recorded
STEPS = [step for name in ("labs", "more", "further") for step in transcript(DATA / f"{name}.txt")]
KNOWN = [step for step in STEPS if step.why]
PATIENCE = 20.0


def test_every_answer_is_the_recorded_one_or_differs_as_is_known(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/f.txt").write_text("hi\n")  # what one command copies into a pod
    with cluster_with_kubectl(2, names=["node1", "node2"]):
        for step in STEPS:
            answer = _answer(step, tmp_path)
            assert answer == step.expected, "\n".join(_unlike(step, answer))


def _answer(step: Step, folder: Path) -> str:
    """Its answer; of a command that only looks, the expected one if that comes."""
    answer = answer_of(step, folder)

    def again() -> bool:
        nonlocal answer
        answer = answer_of(step, folder)
        return answer == step.expected

    if step.only_looks and answer != step.expected:
        eventually(again, PATIENCE)
    return answer


def _unlike(step: Step, answer: str) -> Iterator[str]:
    yield f"$ {step.command}"
    known = "what is known to differ" if step.why else "recorded"
    yield from unified_diff(step.expected.splitlines(), answer.splitlines(), known, "answered", lineterm="")
    if answer == step.recorded:
        yield f"This is the recorded answer: the difference is gone ({step.why})."


def test_there_are_as_many_answers_as_were_recorded() -> None:
    assert len(STEPS) == 152
    assert all(step.recorded for step in STEPS)


@pytest.mark.parametrize("step", KNOWN, ids=lambda step: step.command[:40])
def test_a_known_difference_is_one_and_has_a_reason(step: Step) -> None:
    assert step.ours not in ("", step.recorded)
    assert step.why.strip()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "web-96d5df5c8-724xq   1/1     Running   0          4s",
            "web-mtkpk5m8cn-ks54b   1/1     Running   0     1m2s",
        ),
        ("10.245.0.35   node1   <none>", "10.0.1.2   node2   <none>"),
        ("event/receiver.18eac5ed97b07365", "event/receiver.18eac5ffe0a8ba78"),
        ('startTime: "2026-11-23T20:25:32Z"', 'startTime: "2030-01-01T00:00:00Z"'),
        ("link/ether 52:f6:26:a4:45:b1 brd ff:ff:ff:ff:ff:ff", "link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff"),
        ("crash   0/1     CrashLoopBackOff   1          13s", "crash   0/1   CrashLoopBackOff   2    20s"),
    ],
)
def test_what_is_chance_is_not_compared(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("web-96d5df5c8-724xq   1/1     Running   0   4s", "web-96d5df5c8-724xq   0/1     Running   0   4s"),
        ("web-96d5df5c8-724xq   1/1     Running   0   4s", "web-96d5df5c8-724xq   1/1     Running   1   4s"),
        ("pod/web-96d5df5c8-724xq", "pod/web-96d5df5c8-724xq\npod/web-96d5df5c8-dqd77"),
        ("pod/web-96d5df5c8-724xq", "pod/sender"),
        ("node1   Ready", "node2   Ready"),
        ("service/web   ClusterIP   10.96.224.77   <none>", "service/web   ClusterIP   <none>   <none>"),
        ("127.0.0.1/8 scope host lo", "127.0.0.2/8 scope host lo"),
        ("op=Exists for 300s", "op=Exists for 30s"),
        ("replicaset.apps/web-96d5df5c8   3   3   3   9s", "replicaset.apps/web-96d5df5c8   3   3   2   9s"),
        ("[rc 0]", "[rc 1]"),
    ],
)
def test_what_is_not_chance_is_compared(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)
