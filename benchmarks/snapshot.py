"""How long does it take to read all tables of 500 pods?  Beside a C program and ``ip -j``."""

from __future__ import annotations

import json
import os
import subprocess
import time

from benchmarks._freed import settle
from benchmarks._measure import Job, Row, a_a, in_turns, options, ratio, report
from benchmarks._sandbox import Floor, fresh_node, move_into_sandbox, pod_names
from labhelpers.linux.namespace import FOLDER
from labhelpers.topology import Snapshot

PODS = 500
_TABLES = ("ip -details address", "ip route show table all", "ip neighbour", "bridge fdb", "ip rule")


def lab_reads(expected: list[int]) -> float:
    start = time.perf_counter()
    snapshot = Snapshot.take()
    seconds = time.perf_counter() - start
    if rows_of(snapshot) != expected or len(snapshot.cables) != PODS + 1:
        raise SystemExit(f"The snapshot has {rows_of(snapshot)} rows, the floor reads {expected}: not the same work.")
    return seconds


def rows_of(snapshot: Snapshot) -> list[int]:
    """Links, addresses, routes, neighbours, forwarding entries, rules: as floor.c counts them."""
    addresses = sum(len(link.addresses) for one in snapshot for link in one.links)
    routes, neighbours, fdb, rules = (
        sum(len(getattr(one, table)) for one in snapshot) for table in ("routes", "neighbours", "fdb", "rules")
    )
    return [sum(len(one.links) for one in snapshot), addresses, routes, neighbours, fdb, rules]


def ip_reads() -> float:
    start = time.perf_counter()
    for name in sorted(os.listdir(FOLDER)):
        for command in _TABLES:
            tool, *rest = command.split()
            done = subprocess.run([tool, "-n", name, "-json", *rest], check=True, stdout=subprocess.PIPE)
            json.loads(done.stdout or b"[]")
    return time.perf_counter() - start


def main() -> None:
    parser = options(__doc__ or "", rounds=15)
    parser.add_argument("--ip-every", type=int, default=8, help="`ip -j` in every so many rounds only")
    chosen = parser.parse_args()
    move_into_sandbox()
    floor = Floor()
    fresh_node().pods(pod_names(PODS))
    settle()
    _, expected = floor.snapshot()
    jobs = [
        Job("floor", lambda: {"floor": floor.snapshot()[0]}),
        Job("snapshot", lambda: {"snapshot": lab_reads(expected)}),
        Job("floor again", lambda: {"floor again": floor.snapshot()[0]}),
        Job("ip -j", lambda: {"ip -j": ip_reads()}, every=chosen.ip_every),
    ]
    times, _ = in_turns(jobs, chosen.rounds)
    noise = a_a(times["floor"], times["floor again"])
    rows = [
        Row("C floor", times["floor"]),
        Row(
            "Snapshot.take()", times["snapshot"], against="the floor",
            ratio=ratio(times["snapshot"], times["floor"]), a_a=noise, at_most=5,
        ),
        Row(
            "ip -j, decoded", times["ip -j"], against="Snapshot.take()",
            ratio=ratio(times["ip -j"], times["snapshot"]),
        ),
    ]  # fmt: skip
    report(f"Snapshot of {PODS} pods", rows)


if __name__ == "__main__":
    main()
