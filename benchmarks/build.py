"""How long does it take to build 500 pods?  Beside a C program, ``ip`` commands, CNI plugins and Mininet."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from benchmarks import _peers
from benchmarks._freed import settle
from benchmarks._measure import Job, Row, a_a, in_turns, options, ratio, report
from benchmarks._sandbox import Floor, fresh_node, move_into_sandbox, pod_names
from labhelpers.lab import Node
from labhelpers.linux.records import Rows
from labhelpers.topology import NamespaceState, Snapshot, normalised

MANY, FEW = 500, 20
_PATIENCE = 10  # seconds
_FEW_REPEATED = 3  # the fastest of so many: a short time is easily disturbed


def lab_builds(count: int) -> float:
    node, names = _quiet_node(), pod_names(count)
    start = time.perf_counter()
    node.pods(names)
    seconds = time.perf_counter() - start
    return _plugged_in(node, count, seconds)


def floor_builds(floor: Floor, count: int) -> float:
    node = _quiet_node()
    return _plugged_in(node, count, floor.build(node, count))


def ip_builds(script: str, count: int) -> float:
    node = _quiet_node()
    start = time.perf_counter()
    _peers.ip_commands(script)
    seconds = time.perf_counter() - start
    return _plugged_in(node, count, seconds)


def cni_builds(count: int) -> float:
    node = _quiet_node()
    return _plugged_in(node, count, _peers.cni(node, count))


def mininet_builds(count: int) -> float:
    return _peers.mininet(_quiet_node(), count)


def _quiet_node() -> Node:
    node = fresh_node()
    settle()
    return node


def _plugged_in(node: Node, count: int, seconds: float) -> float:
    """The seconds, if the bridge really gets that many ports with a live cable.  The kernel says so a little later."""
    end = time.monotonic() + _PATIENCE
    while (up := sum(1 for link in node.links() if link.master == node.BRIDGE and link.state == "up")) != count:
        if time.monotonic() > end:
            raise SystemExit(f"{up} of {count} pods have a cable that is up: the time would mean nothing.")
        time.sleep(0.05)
    return seconds


def prove_the_floor_builds_the_same(floor: Floor) -> None:
    """The pods of both are equal for a snapshot; the node's cable ends differ in their MAC addresses."""
    lab_builds(FEW)
    ours = _state()
    floor_builds(floor, FEW)
    if _state() != ours:
        raise SystemExit("The pods of floor.c are not those of the lab: the ratio would mean nothing.")


def _state() -> list[NamespaceState]:
    return [
        replace(
            state,
            links=Rows(replace(link, mac="") if link.name.startswith("veth-") else link for link in state.links),
            fdb=Rows(),
        )
        for state in normalised(Snapshot.take())
    ]


def main() -> None:
    parser = options(__doc__ or "", rounds=10)
    parser.add_argument("--peer-pods", type=int, default=100, help="number of pods for ip, CNI and Mininet")
    parser.add_argument("--peer-every", type=int, default=3, help="ip, CNI and Mininet in every so many rounds only")
    chosen = parser.parse_args()
    move_into_sandbox()
    floor, some = Floor(), chosen.peer_pods
    prove_the_floor_builds_the_same(floor)
    script = _peers.ip_script(some)

    def per_pod(what: str, count: int, build: Callable[[], float], *, repeat: int = 1, every: int = 1) -> Job:
        return Job(what, lambda: {what: min(build() for _ in range(repeat)) / count}, every)

    slow = chosen.peer_every
    jobs = [
        per_pod("floor", MANY, lambda: floor_builds(floor, MANY)),
        per_pod("lab", MANY, lambda: lab_builds(MANY)),
        per_pod("floor again", MANY, lambda: floor_builds(floor, MANY)),
        per_pod("floor, few", FEW, lambda: floor_builds(floor, FEW), repeat=_FEW_REPEATED),
        per_pod("lab, few", FEW, lambda: lab_builds(FEW), repeat=_FEW_REPEATED),
        per_pod("floor again, few", FEW, lambda: floor_builds(floor, FEW), repeat=_FEW_REPEATED),
        per_pod("lab, some", some, lambda: lab_builds(some)),
        per_pod("lab again, some", some, lambda: lab_builds(some)),
        per_pod("ip", some, lambda: ip_builds(script, some), every=slow),
        per_pod("CNI", some, lambda: cni_builds(some), every=slow),
        per_pod("Mininet", some, lambda: mininet_builds(some), every=slow),
    ]
    times, left_out = in_turns(jobs, chosen.rounds)

    def peer(job: str, what: str) -> Row:
        if job in left_out:
            return Row(what, note=f"not measured: {left_out[job]}")
        return Row(
            what, times[job], against=f"lab, {some} pods", ratio=ratio(times[job], times["lab, some"]),
            a_a=a_a(times["lab, some"], times["lab again, some"]), at_least=10,
        )  # fmt: skip

    noise, noise_of_few = (a_a(times[f"floor{n}"], times[f"floor again{n}"]) for n in ("", ", few"))
    floor_grows = ratio(times["floor"], times["floor, few"])
    floor_grows_again = ratio(times["floor again"], times["floor again, few"])
    rows = [
        Row(f"C floor, {MANY} pods", times["floor"]),
        Row(
            f"lab, {MANY} pods", times["lab"], against="the floor",
            ratio=ratio(times["lab"], times["floor"]), a_a=noise, at_most=2,
        ),
        Row(f"C floor, {FEW} pods", times["floor, few"]),
        Row(
            f"lab, {FEW} pods", times["lab, few"], against="the floor",
            ratio=ratio(times["lab, few"], times["floor, few"]), a_a=noise_of_few,
        ),
        Row(f"growth of the floor, {MANY} pods", against=f"{FEW} pods", ratio=floor_grows),
        Row(
            f"growth of the lab, {MANY} pods", against=f"{FEW} pods", ratio=ratio(times["lab"], times["lab, few"]),
            a_a=a_a([floor_grows], [floor_grows_again]), at_most=floor_grows,
        ),
        Row(f"lab, {some} pods", times["lab, some"]),
        peer("ip", f"ip commands, {some} pods"),
        peer("CNI", f"CNI plugins, {some} pods"),
        peer("Mininet", f"Mininet, {some} pods"),
    ]  # fmt: skip
    report("Build: time per pod", rows)


if __name__ == "__main__":
    main()
