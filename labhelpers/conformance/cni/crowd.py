"""What the CNI specification asks of a plugin when many containers come at once, and when a call is killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from labhelpers.cni.exchange import Exchange
from labhelpers.conformance.cni.ask import Failed, ok, one_address
from labhelpers.conformance.cni.check import Check
from labhelpers.conformance.cni.trial import Trial
from labhelpers.linux.process import namespaces_of_processes

__all__ = ["CHECKS"]

_ROUNDS = 8
_AT_ONCE = 8
_PATIENCE = 20.0  # seconds
_STARTED = 0.2  # seconds: time for all to come as far as standard input


def _together(trial: Trial) -> str:
    """Distinct containers at one moment: each gets an address, and no two the same.

    In each round they are the first of the network, so that all of them miss what only the first one makes.
    """
    given: list[str] = []
    for number in range(1, _ROUNDS + 1):
        names = [f"r{number}-{one}" for one in range(_AT_ONCE)]
        try:
            given += _first_ones(trial, names)
        except Failed as failed:
            raise Failed(f"round {number} of {_ROUNDS}: {failed}") from None
        trial.clear()  # the bridge too; the addresses are not given back
    many = _ROUNDS * _AT_ONCE
    if len(set(given)) != many:
        raise Failed(f"{many} containers, and {len(set(given))} different addresses")
    return f"{_ROUNDS} rounds of {_AT_ONCE} containers, {many} addresses"


def _first_ones(trial: Trial, names: list[str]) -> list[str]:
    """Add them all at one moment; returns their addresses."""
    exchanges = _at_one_moment(trial, names)
    failed = [one for one in exchanges if not one.ok]
    if failed:
        raise Failed(f"{len(failed)} of {len(names)} failed, the first with {failed[0].outcome}")
    given = [one_address(trial, name) for name in names]
    if len(set(given)) != len(given):
        raise Failed(f"{len(given)} containers, and {len(set(given))} different addresses")
    return given


def _at_one_moment(trial: Trial, names: list[str]) -> list[Exchange]:
    """Start ADD for all of them, and only then give each its configuration."""
    for name in names:
        trial.pod(name)
    gate = threading.Barrier(len(names))

    def add(name: str) -> Exchange:
        def wait() -> None:
            with suppress(threading.BrokenBarrierError):  # another could not be started
                gate.wait(_PATIENCE)
            time.sleep(_STARTED)

        return trial.call("ADD", name, when_started=wait)

    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(add, names))


def _race_for_the_last(trial: Trial) -> str:
    """Two containers and one address: one gets it."""
    winners = [one for one in _at_one_moment(trial, ["a", "b"]) if one.ok]
    if len(winners) != 1:
        raise Failed(f"{len(winners)} of two containers got the only address")
    return "one got it, the other an error"


def _killed(trial: Trial) -> str:
    """ADD is killed at different moments of its work; DEL must clean up after each."""
    whole = _seconds_of_add(trial)
    for percent in (5, 20, 35, 50, 65, 80, 95):
        pod = trial.pod(f"k{percent}")
        killer = threading.Timer(whole * percent / 100, _kill_plugins, [trial])
        killer.start()
        trial.call("ADD", f"k{percent}")
        killer.join()
        deleted = trial.call("DEL", f"k{percent}")
        when = f"killed when about {percent}% was done"
        if not deleted.ok:
            raise Failed(f"{when}, DEL failed: {deleted.outcome}")
        if any(one.name == "eth0" for one in pod.links()):
            raise Failed(f"{when}, eth0 was left after DEL")
    last = trial.add("after")
    if not last.ok:
        raise Failed(f"the only address was lost: {last.outcome}")
    return "whenever it was killed, DEL gave the only address back"


def _seconds_of_add(trial: Trial) -> float:
    trial.pod("whole")
    began = time.monotonic()
    ok(trial.call("ADD", "whole"))
    seconds = time.monotonic() - began
    ok(trial.call("DEL", "whole"))
    return seconds


def _kill_plugins(trial: Trial) -> None:
    """SIGKILL to the plugin and what it has started: processes in the node whose program is on CNI_PATH."""
    here = trial.node.inode
    for pid, inode in namespaces_of_processes():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                is_plugin = inode == here and f"CNI_CONTAINERID={trial.name}-".encode() in file.read()
            if is_plugin:
                os.kill(pid, signal.SIGKILL)
        except OSError:  # it has ended
            continue


CHECKS = [
    Check("crowd.together", "section 3 lifecycle, MUST", "Ten pods of a Deployment start at once.", _together),
    Check("crowd.last-address", "section 3 lifecycle, MUST", "Books need a lock.", _race_for_the_last, 1),
    Check("crowd.killed", "section 2 DEL", "A node may lose power at any moment.", _killed, 1),
]
