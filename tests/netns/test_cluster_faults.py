"""Faults of a whole cluster: after each it is as it was, nothing is lost, and nothing is left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.netns.kernel import eventually
from tests.netns.kubectl import Kubectl
from tests.netns.whole import (
    PATIENCE,
    PODS,
    REPLICAS,
    connect,
    head,
    is_whole,
    log_of_talker,
    programs,
    sandboxes,
    shim_of,
    stays_whole,
    talking,
)

pytestmark = pytest.mark.once


@pytest.fixture
def kubectl() -> Iterator[Kubectl]:
    with talking() as one:
        yield one


def _containers(kubectl: Kubectl) -> None:
    before = programs()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: len(programs()) == REPLICAS and not set(before) & set(programs()), PATIENCE)
    restarts = "jsonpath={.items[*].status.containerStatuses[0].restartCount}"
    assert eventually(lambda: kubectl("get pods -l app=web -o", restarts) == " ".join("1" * REPLICAS), PATIENCE)


def _sandboxes(kubectl: Kubectl) -> None:
    before = sandboxes(kubectl)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: is_whole(kubectl) and not set(before) & set(sandboxes(kubectl)), PATIENCE)


def _their_parent(kubectl: Kubectl) -> None:
    before, shim = programs(), shim_of(kubectl)
    os.kill(shim, signal.SIGKILL)
    assert eventually(lambda: len(programs()) == REPLICAS and not set(before) & set(programs()), PATIENCE)
    assert shim_of(kubectl) != shim


def test_whatever_is_killed_with_force_comes_back(kubectl: Kubectl) -> None:
    for kill in (_containers, _sandboxes, _their_parent):
        with stays_whole(kubectl):
            kill(kubectl)
            # new ones, as what has crashed twice is waited with
            kubectl("delete pods --all --now")


def test_clients_that_do_not_read_hold_nobody_up(kubectl: Kubectl) -> None:
    with stays_whole(kubectl), ExitStack() as lines:
        log = log_of_talker(kubectl)
        for path in ("/api/v1/events?watch=true", f"{PODS}?watch=true", log) * 5:
            line = lines.enter_context(connect(kubectl, room=2048))
            line.sendall(head(kubectl, f"GET {path}"))
        unfinished = lines.enter_context(connect(kubectl))
        unfinished.sendall(head(kubectl, f"POST {PODS}", Content_Length="1000") + b"{")
        kubectl(f"scale deployment web --replicas={REPLICAS + 3}")
        kubectl("rollout status deployment/web --timeout=60s")
        kubectl(f"scale deployment web --replicas={REPLICAS}")
        kubectl("delete pods -l app=web --now")  # those that are on their way, too: sleep does not end when it is told
        assert eventually(lambda: is_whole(kubectl), PATIENCE)
        assert kubectl("logs deployment/talker --tail=1") == "said"
        assert len(kubectl("logs deployment/talker")) > 8_000_000
