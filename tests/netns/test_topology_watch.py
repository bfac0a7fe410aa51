"""A watch calls soon after anything changed anywhere, and only then."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from labhelpers.lab import Lab
from labhelpers.topology import Snapshot, Watch
from tests.netns.kernel import eventually, shell


class Bell:
    """Counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1

    def rings(self, script: str, namespace: str = "") -> bool:
        """Does a shell script make it ring?"""
        before = self.calls
        shell(script, namespace)
        return eventually(lambda: self.calls > before)


@pytest.fixture
def bell(lab: Lab) -> Iterator[Bell]:
    """It watches a lab with a node and a pod, where nothing goes on any more."""
    lab.node("node-1").pod("pod-a")
    one = Bell()
    with Watch(one, debounce=0.02) as watch:
        quiet_since = time.monotonic()
        calls = 0
        while time.monotonic() - quiet_since < 0.3:
            if one.calls != calls:
                quiet_since, calls = time.monotonic(), one.calls
            time.sleep(0.02)
        yield one
    assert watch.error is None


@pytest.mark.parametrize(
    "script",
    [
        "ip -n pod-a link set eth0 mtu 1400",
        "ip -n pod-a link set eth0 down",
        "ip -n pod-a address add 10.0.1.99/24 dev eth0",
        "ip -n pod-a route add 10.7.0.0/16 via 10.0.1.1",
        "ip -n pod-a rule add from 10.7.0.0/16 table 7",
        "ip -n pod-a neighbour add 10.0.1.1 lladdr 02:00:00:00:00:01 dev eth0",
        "bridge -n node-1 fdb add 02:00:00:00:00:0a dev veth-pod-a master static",
        "ip link add here type bridge; ip link delete here",
        "ip netns delete pod-a",
        "ip netns add new && ip netns delete new && ip netns add newer && ip netns delete newer && ip netns add hand",
    ],
)
def test_a_change_by_hand_rings(bell: Bell, script: str) -> None:
    assert bell.rings(script)
    shell("ip netns delete hand 2>/dev/null || true")


def test_a_namespace_that_came_later_is_heard_too(bell: Bell) -> None:
    assert bell.rings("ip netns add hand")
    assert eventually(lambda: bell.rings("ip -n hand link set lo up; ip -n hand link set lo down"))
    assert bell.rings("ip netns delete hand")


def test_a_pod_that_only_its_node_knows_is_heard(lab: Lab, bell: Bell) -> None:
    node = lab["node-1"]
    before = bell.calls
    node.run("ip netns add cni-1", check=True)
    assert eventually(lambda: bell.calls > before)
    time.sleep(0.6)
    before = bell.calls
    node.run("ip -n cni-1 link set lo up", check=True)
    assert eventually(lambda: bell.calls > before)


def test_silence_is_silence(bell: Bell) -> None:
    calls = bell.calls
    Snapshot.take()
    time.sleep(1.2)  # it looks for new namespaces twice meanwhile
    assert bell.calls == calls


def test_a_burst_is_few_calls(bell: Bell) -> None:
    before = bell.calls
    shell("for n in $(seq 200); do echo address add 10.7.0.$n/32 dev eth0; done | ip -n pod-a -batch -")
    assert eventually(lambda: bell.calls > before)
    time.sleep(0.2)
    assert bell.calls - before < 50


def test_after_the_stop_it_is_silent_also_within_a_call(lab: Lab) -> None:
    lab.namespace("red")
    entered, leave = threading.Event(), threading.Event()
    calls = []

    def slow() -> None:
        calls.append(1)
        entered.set()
        leave.wait(5)

    watch = Watch(slow, debounce=0).start()
    shell("ip -n red link set lo up")
    assert entered.wait(5)
    stopper = threading.Thread(target=watch.stop)
    stopper.start()
    shell("ip -n red link set lo down")
    leave.set()
    stopper.join()
    count = len(calls)
    shell("ip -n red link set lo up")
    time.sleep(0.1)
    assert len(calls) == count
    watch.stop()  # again does no harm


def test_it_may_be_stopped_by_what_it_calls(lab: Lab) -> None:
    lab.namespace("red")
    done = threading.Event()

    def once() -> None:
        watch.stop()
        done.set()

    watch = Watch(once, debounce=0).start()
    shell("ip -n red link set lo up")
    assert done.wait(5)


def test_an_error_in_what_it_calls_is_kept(lab: Lab) -> None:
    lab.namespace("red")

    def fail() -> None:
        raise ValueError("no")

    with Watch(fail, debounce=0) as watch:
        shell("ip -n red link set lo up")
        assert eventually(lambda: watch.error)
    assert isinstance(watch.error, ValueError)


def test_it_watches_from_the_moment_it_has_started(lab: Lab) -> None:
    lab.namespace("red")
    for _ in range(5):
        bell = Bell()
        with Watch(bell, debounce=0):
            assert bell.rings("ip -n red link set lo up; ip -n red link set lo down")
