"""Many at once, and a runtime that is killed: no address twice, nothing lost, nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labhelpers.cni import Runtime
from labhelpers.errors import AlreadyExists, CniFailed, LabError
from labhelpers.lab import Lab, Node
from labhelpers.linux.process import namespaces_of_processes
from labhelpers.topology import Snapshot
from tests.netns.cni import addresses, cables, inside, leases, links, names, network, on_node, plugin, results
from tests.netns.kernel import eventually

pytestmark = pytest.mark.once

CLONE = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("data") / "killed_runtime.py"
_WORKERS = 16
_PATIENCE = 300  # seconds; for a hang, not for a slow machine
BOTH = {"ours": ("lab-bridge", "lab-host-local"), "theirs": ("bridge", "host-local")}


@pytest.fixture
def runtime(lab: Lab) -> Runtime:
    made = Runtime(lab.node("node-1"), folders=("/opt/cni/bin", "/run/plugins"), observe=False)
    made.configure(network(version="1.1.0"))
    return made


def _pods_addresses() -> list[str]:
    """Every IPv4 address that the kernel has in a pod."""
    return [
        address
        for one in Snapshot.take()
        if one.role == "pod"
        for link in one.links
        if link.kind != "loopback"
        for address in link.addresses
    ]


@pytest.mark.parametrize(("whose", "many"), [("ours", 200), ("theirs", 100)])
def test_many_pods_at_once_get_an_address_each_and_leave_nothing(runtime: Runtime, whose: str, many: int) -> None:
    node = runtime.node
    runtime.configure(network(plugin(*BOTH[whose])))
    containers = [f"pod-{number}" for number in range(many)]
    with ThreadPoolExecutor(_WORKERS) as pool:
        operations = list(pool.map(runtime.add, containers, timeout=_PATIENCE))
    assert all(one.ok for one in operations)
    given = _pods_addresses()
    assert len(given) == len(set(given)) == many
    assert sorted(f"{address}/24" for address in leases(node)) == sorted(given)
    assert len(names(node)) == len(results(node)) == len(cables(node)) == many
    ports = {name for name, one in links(node).items() if one.get("master") == "cni0"}
    assert ports == cables(node)

    with ThreadPoolExecutor(_WORKERS) as pool:
        operations = list(pool.map(runtime.delete, containers, timeout=_PATIENCE))
    assert all(one.ok for one in operations)
    assert (names(node), leases(node), results(node), _pods_addresses()) == ([], {}, [], [])
    assert eventually(lambda: not cables(node))


def test_two_adds_of_one_container_race_and_one_wins(runtime: Runtime) -> None:
    def add(_: int) -> str:
        try:
            return "won" if runtime.add("web").ok else "lost"
        except AlreadyExists:
            return "is there already"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(add, range(4))) == ["is there already"] * 3 + ["won"]
    assert addresses(runtime.node, "web") == ["10.0.1.2/24"]
    assert leases(runtime.node) == {"10.0.1.2": "web eth0"}


def test_two_containers_race_for_the_last_address_and_one_gets_it(runtime: Runtime) -> None:
    runtime.configure(network(plugin("lab-bridge", "lab-host-local", "10.0.1.0/30"), version="1.1.0"))

    def add(container: str) -> int:
        try:
            return 0 if runtime.add(container).ok else -1
        except CniFailed as error:
            return error.code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(add, ("web", "db"))) == [0, 11]
    assert len(names(runtime.node)) == len(results(runtime.node)) == len(leases(runtime.node)) == 1
    assert _pods_addresses() == ["10.0.1.2/30"]


def test_add_and_del_of_the_same_pods_again_and_again(runtime: Runtime) -> None:
    """Four workers come and go with ten pods; at the end all have gone."""

    def come_and_go(number: int) -> None:
        container = f"pod-{number % 10}"
        try:
            runtime.add(container)
        except AlreadyExists:
            pass
        assert runtime.delete(container).ok

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(come_and_go, range(40), timeout=_PATIENCE))
    assert (names(runtime.node), leases(runtime.node), results(runtime.node)) == ([], {}, [])
    assert eventually(lambda: not cables(runtime.node))


def test_gc_spares_pods_that_are_being_made(runtime: Runtime) -> None:
    """It waits for every ADD, and every ADD for it: what is half made is in nobody's list."""
    containers = [f"pod-{number}" for number in range(30)]
    with ThreadPoolExecutor(4) as pool:
        adding = [pool.submit(runtime.add, container) for container in containers]
        collected = [runtime.gc() for _ in range(10)]
        for one in adding:
            assert one.result(_PATIENCE).ok
    assert all(one.ok for one in collected)
    valid = [len(one.exchanges[-1].request["cni.dev/valid-attachments"]) for one in collected]
    assert valid == sorted(valid), "more and more"
    assert len(set(_pods_addresses())) == len(containers)
    assert sorted(leases(runtime.node).values()) == sorted(f"{container} eth0" for container in containers)
    assert all(runtime.check(container).ok for container in containers[::5])


# --- killed -----------------------------------------------------------------------------------------------------------


def _add_in_another_process(runtime: Runtime, killed_at: int = 0) -> int:
    """A second runtime on the node, which is killed before a step of ADD; how it ended."""
    command = [sys.executable, str(SCRIPT), str(runtime.node.pid), str(killed_at)]
    environment = {**os.environ, "PYTHONPATH": str(CLONE)}
    return subprocess.run(command, cwd=CLONE, env=environment, capture_output=True, check=False).returncode


def test_a_runtime_that_is_killed_at_any_step_of_add_is_cleaned_up_after_by_del(runtime: Runtime) -> None:
    runtime.configure(network(plugin(), {"type": "tuning", "mtu": 1400}))
    number, ended = 0, -signal.SIGKILL
    while ended == -signal.SIGKILL:
        number += 1
        ended = _add_in_another_process(runtime, number)
        assert runtime.delete("web").ok, f"killed at step {number}"
        assert (names(runtime.node), leases(runtime.node), results(runtime.node)) == ([], {}, [])
        assert eventually(lambda: not cables(runtime.node))
    assert ended == 0
    assert number > 5, "there were steps"


KILLS = """\
#!/bin/sh
case $CNI_COMMAND in
    ADD) [ -e /run/spare ] || kill -9 $PPID
         python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["prevResult"]))' ;;
esac
"""


@pytest.mark.parametrize("then", ["DEL", "GC", "ADD"])
def test_a_runtime_that_is_killed_while_a_plugin_works(runtime: Runtime, then: str) -> None:
    """An address and a cable are there, of a container that nobody knows of."""
    node = runtime.node
    path = Path(f"{node.root}/run/plugins/kills")
    path.parent.mkdir()
    path.write_text(KILLS)
    path.chmod(0o755)
    runtime.add("db")
    runtime.configure(network(plugin(), {"type": "kills"}, version="1.1.0"))
    assert _add_in_another_process(runtime) == -signal.SIGKILL
    assert leases(node) == {"10.0.1.2": "db eth0", "10.0.1.3": "web eth0"}
    assert results(node) == ["pods-db-eth0"]
    on_node(node, "touch", "/run/spare")
    if then == "ADD":
        with pytest.raises(LabError):
            runtime.add("web")
    else:
        runtime.delete("web") if then == "DEL" else runtime.gc()
    assert leases(node) == {"10.0.1.2": "db eth0"}
    assert eventually(lambda: len(cables(node)) == 1)
    assert inside(node, "db", "ip", "-brief", "address", "show", "eth0").split()[2] == "10.0.1.2/24"
    runtime.delete("web")
    assert runtime.add("web").ok


def _kill_an_add(node: Node) -> None:
    """SIGKILL to one plugin that is at work on an ADD in this node, if there is one."""
    for pid, inode in namespaces_of_processes():
        try:
            is_plugin = inode == node.inode and b"CNI_COMMAND=ADD\0" in Path(f"/proc/{pid}/environ").read_bytes()
            if is_plugin:
                os.kill(pid, signal.SIGKILL)
                return
        except OSError:  # it has ended
            continue


def test_plugins_that_are_killed_all_the_time_lose_no_address(runtime: Runtime) -> None:
    """Five addresses, and thirty ADDs of which some program is killed somewhere: in the end five pods fit again."""
    runtime.configure(network(plugin("lab-bridge", "lab-host-local", "10.0.1.0/29"), version="1.1.0"))
    node, end = runtime.node, threading.Event()

    def keep_killing() -> None:
        while not end.wait(0.017):
            _kill_an_add(node)

    killer = threading.Thread(target=keep_killing)
    killer.start()
    failed = 0
    try:
        for number in range(30):
            try:
                runtime.add(f"pod-{number}")
            except CniFailed:
                failed += 1
    finally:
        end.set()
        killer.join()
    assert failed > 0, "some were killed"
    for number in range(30):
        runtime.delete(f"pod-{number}")
    assert (names(node), leases(node), results(node)) == ([], {}, [])
    assert eventually(lambda: not cables(node))
    for number in range(5):
        assert runtime.add(f"pod-{number}").ok
