"""What does each carrier cost?  Throughput and latency between pods of two nodes, and the time to program many nodes.

Everything is compared with host-gw, where packets travel as the pods sent them.  What is carried by a program in user
space stands in for a product's kernel module here: it is labelled, and its numbers say nothing about the product.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial

from benchmarks._measure import Job, Row, Times, Unmeasured, a_a, in_turns, options, ratio, report
from benchmarks._sandbox import move_into_sandbox
from labhelpers.errors import KernelFeatureMissing, ToolMissing
from labhelpers.lab import Lab, Pod, checkpoint
from labhelpers.networks.route import Bgp, Carrier, HostGateway, IpInIp, Vxlan, VxlanLearning, WireGuard

#: measured on the wire, where BGP does the same as host-gw or IPIP
CARRIERS: tuple[type[Carrier], ...] = (HostGateway, Vxlan, VxlanLearning, IpInIp, WireGuard)
#: programmed on many nodes
BUILT: tuple[type[Carrier], ...] = (HostGateway, Vxlan, VxlanLearning, IpInIp, Bgp, WireGuard)
#: of these, those that start a daemon of several megabytes on each
DAEMONS: tuple[type[Carrier], ...] = (Bgp, WireGuard)
REFERENCE = HostGateway
_BITS = 8e9  # of the gigabyte whose time is the throughput
_PINGS = 2000
_PATIENCE = 60.0  # seconds until every node knows every way
_MOST_GROWTH = 1.2  # of the time for one way, when there are more nodes: the work grows with the ways and no faster


@contextmanager
def carried(kind: type[Carrier], lab: Lab) -> Iterator[Carrier]:
    """The carrier, once every node knows every way."""
    try:
        made = kind(lab)
    except (ToolMissing, KernelFeatureMissing) as missing:
        raise Unmeasured(missing.what) from None
    with made:
        made.wait(_PATIENCE)
        yield made


def wire(kind: type[Carrier], seconds: int, name: str) -> dict[str, float]:
    """Seconds for a gigabyte by TCP, and for a small packet there and back, from pod-a to pod-c."""
    lab = checkpoint("06")
    with carried(kind, lab) as made:
        made.fit_pods()
        near, far = lab.pod("pod-a"), lab.pod("pod-c")
        _prove_it_is_carried(made, near, far)
        return {f"{name}, throughput": _gigabyte(near, far, seconds), f"{name}, latency": _there_and_back(near, far)}


def _prove_it_is_carried(made: Carrier, near: Pod, far: Pod) -> None:
    """On the underlay there must be what the carrier makes of a packet."""
    with far.node.capture("eth0") as seen:
        if not near.ping(far):
            raise SystemExit(f"{made.name} does not carry: the numbers would mean nothing.")
    plain = any((one.source, one.protocol) == (near.address, "ICMP") for one in seen.packets)
    if plain == bool(made.overhead):
        raise SystemExit(f"{made.name} carries otherwise than it says: the numbers would mean nothing.")


def _gigabyte(near: Pod, far: Pod, seconds: int) -> float:
    if shutil.which("iperf3") is None:
        raise Unmeasured("iperf3 is not installed")
    with far.spawn("iperf3 --server --one-off --forceflush") as server:
        while "listening" not in server.stdout.readline():
            if not server.running:
                raise SystemExit("The iperf3 server ended at once.")
        said = near.run(f"iperf3 --client {far.address} --time {seconds} --json", check=True, timeout=seconds + 30)
        return _BITS / float(json.loads(said.stdout)["end"]["sum_received"]["bits_per_second"])


def _there_and_back(near: Pod, far: Pod) -> float:
    said = near.run(f"ping -q -f -c {_PINGS} {far.address}", check=True, timeout=60)
    found = re.search(r"= ([\d.]+)/", said.stdout)
    if not found:
        raise SystemExit(f"ping said something else than a minimum: {said.stdout}")
    return float(found[1]) / 1000


def build(kind: type[Carrier], count: int) -> dict[str, float]:
    """Seconds for each way from a node to another that a new carrier teaches."""
    lab = Lab()
    for number in range(count):
        lab.node(f"node-{number}")
    start = time.perf_counter()
    with carried(kind, lab) as made:
        seconds = time.perf_counter() - start
        legs = made.status()
    ways = count * (count - 1)
    if len(legs) != ways or not all(leg.ok for leg in legs):
        raise SystemExit(f"{sum(leg.ok for leg in legs)} of {ways} ways are there: the time would mean nothing.")
    return {f"{kind.name}, {count} nodes": seconds / ways}


def main() -> None:
    parser = options(__doc__ or "", rounds=4)
    parser.add_argument("--seconds", type=int, default=2, help="of traffic for each throughput")
    parser.add_argument("--nodes", type=int, nargs="+", default=[2, 10, 50], help="numbers of nodes to build")
    parser.add_argument("--daemon-nodes", type=int, default=10, help="most nodes that each get a daemon")
    chosen = parser.parse_args()
    move_into_sandbox()

    def on_wire(kind: type[Carrier], name: str) -> Job:
        return Job(name, partial(wire, kind, chosen.seconds, name))

    jobs = [on_wire(kind, kind.name) for kind in CARRIERS]
    jobs.append(on_wire(REFERENCE, "again"))
    counts = {kind: [n for n in chosen.nodes if kind not in DAEMONS or n <= chosen.daemon_nodes] for kind in BUILT}
    for kind, numbers in counts.items():
        jobs += [Job(f"{kind.name}, {n} nodes", partial(build, kind, n)) for n in numbers]
    times, left_out = in_turns(jobs, chosen.rounds)
    report("Carriers: a gigabyte by TCP", _on_the_wire(times, left_out, "throughput", lambda s: f"{8 / s:.2f} Gbit/s"))
    report("Carriers: a packet there and back", _on_the_wire(times, left_out, "latency", lambda s: f"{s * 1e6:.0f} µs"))
    report("Carriers: programming, for each way from a node to another", _built(times, left_out, counts))


def _on_the_wire(times: Times, left_out: dict[str, str], what: str, words: Callable[[float], str]) -> list[Row]:
    reference = times[f"{REFERENCE.name}, {what}"]
    noise = a_a(reference, times[f"again, {what}"])
    rows = []
    for kind in CARRIERS:
        found = times.get(f"{kind.name}, {what}")
        if found is None:
            rows.append(Row(kind.name, note=f"not measured: {left_out[kind.name]}"))
            continue
        is_reference = kind is REFERENCE
        rows.append(
            Row(
                f"{kind.name}: {words(min(found))}",
                found,
                against="" if is_reference else REFERENCE.name,
                ratio=None if is_reference else ratio(found, reference),
                a_a=None if is_reference else noise,
                note=_stand_in(kind),
            )
        )
    return rows


@cache
def _stand_in(kind: type[Carrier]) -> str:
    """The label of what is not the product, as the carrier itself says."""
    with carried(kind, checkpoint("06")) as made:
        return made.way.rpartition(": ")[2] if "user space" in made.way else ""


def _built(times: Times, left_out: dict[str, str], counts: dict[type[Carrier], list[int]]) -> list[Row]:
    rows = []
    for kind, numbers in counts.items():
        before = ""
        for number in numbers:
            what = f"{kind.name}, {number} nodes"
            if what in left_out:
                rows.append(Row(what, note=f"not measured: {left_out[what]}"))
                continue
            rows.append(
                Row(
                    f"{what}: {min(times[what]) * number * (number - 1):.3f} s in all",
                    times[what],
                    against=before,
                    ratio=ratio(times[what], times[before]) if before else None,
                    at_most=_MOST_GROWTH if before else None,
                )
            )
            before = what
    return rows


if __name__ == "__main__":
    main()
