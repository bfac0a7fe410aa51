"""How long does it take until the kernel has freed 500 pods and their node?  Beside a C program and ``ip netns``."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable

from benchmarks._freed import Freed, in_memory, settle
from benchmarks._measure import Job, Row, a_a, in_turns, options, ratio, report
from benchmarks._sandbox import Floor, fresh_node, move_into_sandbox, pod_names
from labhelpers.lab import Lab, Node, Pod

PODS = 500
_PLANTED = ("planted-a", "planted-b")


def seconds_until_freed(remove: Callable[[Node], object]) -> float:
    """Build, remove, and wait until nothing is left."""
    node = fresh_node()
    pods = node.pods(pod_names(PODS))
    settle()
    freed = Freed(one.name for one in (node, *pods))
    for name, pod in zip(_PLANTED, (pods[0], pods[-1]), strict=True):
        plant(name, pod)
    before = in_memory()
    start = time.perf_counter()
    remove(node)
    freed.wait()
    seconds = time.perf_counter() - start
    prove_they_are_gone(before)
    return seconds


def prove_they_are_gone(before: int | None) -> None:
    """Neither the other ends of their cables nor their memory may still be there."""
    if left := {name for _, name in socket.if_nameindex()} & set(_PLANTED):
        raise SystemExit(f"The other end of a cable to a pod is still there, {left}: the time would mean nothing.")
    now = in_memory()
    if before is not None and now is not None and before - now < PODS * 0.8:
        raise SystemExit(f"The kernel had memory for {before} namespaces and has it for {now}: they are not freed.")


def plant(name: str, pod: Pod) -> None:
    """A cable with one end in the pod and the other here, where it is gone when the pod's interfaces are."""
    command = f"ip link add {name} type veth peer name {name} netns {pod.name}"
    subprocess.run(command.split(), check=True)


def by_ip_netns(node: Node) -> None:
    script = [f"ip netns pids {node.name} | xargs kill -9"]
    script += [f"ip netns delete {name}" for name in (*pod_names(PODS), node.name)]
    subprocess.run(["sh", "-e"], input="\n".join(script), text=True, check=True)


def main() -> None:
    chosen = options(__doc__ or "", rounds=7).parse_args()
    move_into_sandbox()
    floor = Floor()
    ways: dict[str, Callable[[Node], object]] = {
        "floor": floor.teardown,
        "reset": lambda node: Lab(),  # a new lab removes the one before, as lab.reset() does
        "delete": Node.delete,
        "floor again": floor.teardown,
        "ip netns": by_ip_netns,
    }

    def job(name: str) -> Job:
        return Job(name, lambda: {name: seconds_until_freed(ways[name])})

    times, _ = in_turns([job(name) for name in ways], chosen.rounds)
    noise = a_a(times["floor"], times["floor again"])

    def row(what: str, name: str, at_most: float | None = None) -> Row:
        return Row(
            what, times[name], against="the floor", ratio=ratio(times[name], times["floor"]), a_a=noise, at_most=at_most
        )

    rows = [
        Row("C floor", times["floor"]),
        row("lab.reset()", "reset", at_most=2),
        row("node.delete()", "delete", at_most=2),
        row("ip netns delete, each", "ip netns"),
    ]
    report(f"Teardown of {PODS} pods and their node, until they are freed", rows)


if __name__ == "__main__":
    main()
