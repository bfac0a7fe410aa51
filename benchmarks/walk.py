"""How long does a packet walk take, by its hops and by the namespaces it listens in?  Beside ``tcpdump`` in each."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from benchmarks._measure import Job, Row, Unmeasured, a_a, in_turns, options, ratio, report
from benchmarks._sandbox import move_into_sandbox
from labhelpers.lab import Lab, Namespace
from labhelpers.trace import walk

_SETTLED = 0.3  # seconds that tcpdump is given to open its sockets


class Chain:
    """A line of routers between two ends: the packet passes two interfaces from each namespace to the next."""

    def __init__(self, routers: int, idle: int = 0) -> None:
        lab = Lab()
        self.names = ["source", *(f"router-{number}" for number in range(routers)), "target"]
        ends = [lab.namespace(name) for name in self.names]
        for number, (left, right) in enumerate(pairwise(ends)):
            lab.veth((left, "right"), (right, "left"))
            left.add_address("right", f"10.{number}.0.1/24")
            right.add_address("left", f"10.{number}.0.2/24")
            left.up("right")
            right.up("left")
        for number, end in enumerate(ends):
            if 0 < number < len(ends) - 1:
                end.sysctl("net.ipv4.ip_forward", 1)
            for other in range(len(ends) - 1):
                if other > number:
                    end.add_route(f"10.{other}.0.0/24", via=f"10.{number}.0.2")
                elif other < number - 1:
                    end.add_route(f"10.{other}.0.0/24", via=f"10.{number - 1}.0.1")
        for number in range(idle):
            self.names.append(lab.namespace(f"idle-{number}").name)
        self.lab, self.address, self.hops = lab, f"10.{len(ends) - 2}.0.2", 4 * (len(ends) - 1)
        self.source: Namespace = ends[0]

    def walked(self) -> float:
        start = time.perf_counter()
        seen = walk(self.source, self.address)
        seconds = time.perf_counter() - start
        return self._complete(len(seen.hops), seconds)

    def dumped(self) -> float:
        """``tcpdump`` in every namespace, one ping, and the lines of all of them; the time to wait is not counted."""
        with tempfile.TemporaryDirectory(dir="/run") as folder:
            start = time.perf_counter()
            running = []
            for name in self.names:
                with Path(folder, name).open("w") as file:
                    command = ["ip", "netns", "exec", name, "tcpdump", "-Z", "root", "-n", "-l", "-i", "any", "icmp"]
                    running.append(subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL))
            time.sleep(_SETTLED)
            if any(one.poll() is not None for one in running):
                for one in running:
                    one.kill()
                    one.wait()
                raise Unmeasured("tcpdump does not run here")
            self.source.ping(self.address)
            time.sleep(_SETTLED)
            for one in running:
                one.send_signal(signal.SIGINT)
            for one in running:
                one.wait()
            seconds = time.perf_counter() - start - 2 * _SETTLED
            lines = sum(Path(folder, name).read_text().count("ICMP echo re") for name in self.names)
        return self._complete(lines, seconds)

    def _complete(self, seen: int, seconds: float) -> float:
        if seen != self.hops:
            raise SystemExit(f"{seen} of {self.hops} hops were seen: the time would mean nothing.")
        return seconds


def _job(name: str, routers: int, measure: Callable[[Chain], float], *, idle: int = 0, every: int = 1) -> Job:
    def run() -> dict[str, float]:
        chain = Chain(routers, idle)
        chain.source.ping(chain.address)  # ARP is not measured
        return {name: min(measure(chain) for _ in range(3 if every == 1 else 1))}

    return Job(name, run, every)


def main() -> None:
    parser = options(__doc__ or "", rounds=6)
    parser.add_argument("--peer-every", type=int, default=3, help="tcpdump in every so many rounds only")
    chosen = parser.parse_args()
    move_into_sandbox()
    jobs = [
        _job("8 hops", 1, Chain.walked),
        _job("40 hops", 9, Chain.walked),
        _job("40 hops again", 9, Chain.walked),
        _job("120 hops", 29, Chain.walked),
        _job("8 hops, 100 namespaces", 1, Chain.walked, idle=97),
        _job("tcpdump", 9, Chain.dumped, every=chosen.peer_every),
    ]
    times, left_out = in_turns(jobs, chosen.rounds)
    noise = a_a(times["40 hops"], times["40 hops again"])
    rows = [
        Row("8 hops, 3 namespaces", times["8 hops"]),
        *(
            Row(what, times[name], against="8 hops", ratio=ratio(times[name], times["8 hops"]), a_a=noise)
            for what, name in (
                ("40 hops, 11 namespaces", "40 hops"),
                ("120 hops, 31 namespaces", "120 hops"),
                ("8 hops, 100 namespaces", "8 hops, 100 namespaces"),
            )
        ),
    ]
    if "tcpdump" in left_out:
        rows.append(Row("tcpdump in 11 namespaces", note=f"not measured: {left_out['tcpdump']}"))
    else:
        against = ratio(times["tcpdump"], times["40 hops"])
        rows.append(Row("tcpdump in 11 namespaces", times["tcpdump"], "a walk of 40 hops", against, noise, at_least=1))
    report("A packet walk", rows)


if __name__ == "__main__":
    main()
