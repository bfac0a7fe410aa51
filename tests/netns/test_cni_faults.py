"""Whatever goes wrong in the middle of an operation, nothing of it is left, or all of it is there."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labhelpers.cni import Runtime, chain
from labhelpers.errors import CniFailed, LabError
from labhelpers.lab import Lab
from tests.netns.cni import addresses, cables, leases, links, names, network, on_node, plugin, results
from tests.netns.everything import Everything
from tests.netns.faults import FAULTS, Crash, fault_at
from tests.netns.kernel import eventually, state

Act = Callable[[Runtime], object]

SCENARIOS: dict[str, Act] = {
    "ADD": lambda runtime: runtime.add("web"),
    "ADD of a second interface": lambda runtime: runtime.add("db", "net1"),
}


@pytest.fixture
def runtime(lab: Lab) -> Runtime:
    return _fresh(lab)


def _fresh(lab: Lab) -> Runtime:
    """A node with one pod, so that the bridge is there."""
    lab.reset()
    made = Runtime(lab.node("node-1"), folders=("/opt/cni/bin", "/run/plugins"), observe=False)
    made.configure(network(version="1.1.0"))
    made.add("db")
    assert eventually(lambda: links(made.node)["cni0"]["operstate"] == "UP"), "the kernel says so a little later"
    return made


def _kept(runtime: Runtime) -> tuple[object, ...]:
    return names(runtime.node), leases(runtime.node), results(runtime.node)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_whatever_goes_wrong_in_the_runtime_all_or_nothing_is_left(lab: Lab, scenario: str, fault: str) -> None:
    act = SCENARIOS[scenario]
    more: list[tuple[Any, str]] = [(os, "replace")]
    if fault != "refused":  # a plugin that cannot be started is tried elsewhere
        more.append((chain, "run"))
    runtime = _fresh(lab)
    before = Everything.now(lab), _kept(runtime)
    act(runtime)
    complete = Everything.now(lab), _kept(runtime)
    number = 0
    while True:
        runtime = _fresh(lab)
        number += 1
        with fault_at(number, FAULTS[fault], more) as taken:
            try:
                act(runtime)
                failed = False
            except (LabError, Crash, KeyboardInterrupt):
                failed = True
            reached = len(taken) >= number
        after = Everything.now(lab), _kept(runtime)
        where = f"step {number}, {taken[number - 1]}" if reached else "no step"
        if failed and after != before:
            assert fault == "interrupt", f"something is left after a fault at {where}"
        if after != before:
            assert after == complete, f"it is half done after a fault at {where}"
        if not reached:
            assert not failed
            break
    assert number > 1, "there was a step"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_del_that_was_broken_off_can_be_called_again(lab: Lab, fault: str) -> None:
    number = 0
    while True:
        runtime = _fresh(lab)
        runtime.add("web")
        number += 1
        with fault_at(number, FAULTS[fault], [(chain, "run")] if fault != "refused" else []) as taken:
            try:
                runtime.delete("web")
            except (LabError, Crash, KeyboardInterrupt):
                pass
        assert runtime.delete("web").ok
        assert _kept(runtime) == (["cni-db"], {"10.0.1.2": "db eth0"}, ["pods-db-eth0"])
        assert eventually(lambda runtime=runtime: len(cables(runtime.node)) == 1)  # type: ignore[misc]
        if len(taken) < number:
            break


# --- while a plugin works ---------------------------------------------------------------------------------------------

#: passes on what it got; interrupts the notebook first, at ADD, or whatever it is asked
INTERRUPTS = """\
#!/bin/sh
case $CNI_COMMAND in {when}) kill -INT $PPID; {then} ;; esac
[ $CNI_COMMAND = ADD ] || exit 0
python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["prevResult"]))'
"""


def _interrupting(runtime: Runtime, when: str, then: str = "sleep 60") -> None:
    path = Path(f"{runtime.node.root}/run/plugins/interrupts")
    path.parent.mkdir(exist_ok=True)
    path.write_text(INTERRUPTS.format(when=when, then=then))
    path.chmod(0o755)
    runtime.configure(network(plugin(), {"type": "interrupts"}, version="1.1.0"))


@pytest.mark.parametrize("observe", [False, True], ids=["unseen", "observed"])
@pytest.mark.parametrize("when", ["ADD", "ADD|DEL"], ids=["once", "impatiently"])
def test_an_interrupt_while_a_plugin_works_ends_it_and_undoes_all(
    lab: Lab, runtime: Runtime, when: str, observe: bool
) -> None:
    """Who presses the button again and again is made to wait until everything is undone."""
    runtime = Runtime(runtime.node, folders=runtime.folders, observe=observe)
    _interrupting(runtime, when, "[ $CNI_COMMAND = DEL ] || sleep 60")
    before, kept = Everything.now(lab), _kept(runtime)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        runtime.add("web")
    assert time.monotonic() - began < 30, "the plugin was not waited for"
    assert (Everything.now(lab), _kept(runtime)) == (before, kept)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert "cni-observed" not in " ".join(os.listdir(f"{runtime.node.root}/run"))


@pytest.mark.parametrize("command", ["CHECK", "DEL", "GC", "STATUS"])
def test_an_interrupt_of_any_other_operation_leaves_it_to_be_called_again(runtime: Runtime, command: str) -> None:
    operations: dict[str, Act] = {
        "CHECK": lambda runtime: runtime.check("web"),
        "DEL": lambda runtime: runtime.delete("web"),
        "GC": lambda runtime: runtime.gc(),
        "STATUS": lambda runtime: runtime.status(),
    }
    _interrupting(runtime, "nothing")
    runtime.add("web")
    _interrupting(runtime, command)
    with pytest.raises(KeyboardInterrupt):
        operations[command](runtime)
    assert addresses(runtime.node, "web") == ["10.0.1.3/24"], "the plugin that was interrupted came first in DEL"
    _interrupting(runtime, "nothing")
    operations[command](runtime)
    assert ("cni-web" in names(runtime.node)) is (command != "DEL")


def test_who_waits_for_another_operation_can_be_interrupted(runtime: Runtime) -> None:
    """Another program holds the lock of this container."""
    script = "exec 9>/run/cni-locks/container-web; flock 9; echo held; exec sleep 60"
    holder = runtime.node.spawn(["sh", "-c", script])
    assert holder.stdout.readline() == "held\n"
    kept = _kept(runtime)
    kicker = runtime.node.spawn(["sh", "-c", f"sleep 0.3; kill -INT {os.getpid()}"])
    with pytest.raises(KeyboardInterrupt):
        runtime.add("web")
    assert _kept(runtime) == kept
    kicker.stop()
    holder.stop()
    assert runtime.add("web").ok


# --- killed, hanging --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["sleep 60", "kill -9 $$", "exit 3"], ids=["hangs", "is killed", "fails"])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_wherever_a_chain_breaks_the_node_is_as_before(lab: Lab, step: str, position: int) -> None:
    runtime = _fresh(lab)
    runtime = Runtime(runtime.node, folders=runtime.folders, timeout=1.5, observe=False)
    path = Path(f"{runtime.node.root}/run/plugins/breaks")
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n[ $CNI_COMMAND = ADD ] && {step}\nexit 0\n")
    path.chmod(0o755)
    chain: list[dict[str, Any]] = [plugin(), {"type": "tuning", "mtu": 1400}]
    chain.insert(position, {"type": "breaks"})
    runtime.configure(network(*chain))
    before, kept = state("node-1"), _kept(runtime)
    with pytest.raises(CniFailed, match="The plugin breaks"):
        runtime.add("web")
    assert _kept(runtime) == kept
    assert eventually(lambda: state("node-1") == before)


def test_a_runtime_that_was_killed_between_two_plugins_is_cleaned_up_after(runtime: Runtime) -> None:
    """The namespace, a cable and an address are there, and no result: DEL and GC have to do without."""
    on_node(runtime.node, "ip", "netns", "add", "cni-web")
    node = runtime.node
    runtime.add("web")
    Path(f"{node.root}/var/lib/cni/results/pods-web-eth0").unlink()
    assert runtime.delete("web").ok
    assert _kept(runtime) == (["cni-db"], {"10.0.1.2": "db eth0"}, ["pods-db-eth0"])
    assert eventually(lambda: len(cables(node)) == 1)
