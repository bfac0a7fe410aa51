"""What is measured with traffic, in every round."""

from __future__ import annotations

import json
import re
from statistics import median

from labhelpers.errors import LabError
from labhelpers.linux import connects, process, usage
from labhelpers.measure.site import End, Site

__all__ = ["connections", "latency", "own_programs", "throughput"]

_GIGA = 1e9


def throughput(site: Site, seconds: int) -> dict[str, float]:
    """Gigabits a second by TCP from one node to the other, and the processor time that they took.

    Raises:
        ToolMissing: iperf3 is not installed.
        LabError: it failed.
    """
    process.arguments(["iperf3"])
    near, far, programs = site.near, site.far, own_programs(site)
    with far.where.spawn("iperf3 --server --one-off --forceflush") as server:
        while "listening" not in (line := server.stdout.readline()):
            if not line:
                raise LabError("The iperf3 server ended at once.", "Is something on its port, 5201?")
        before = usage.processor_time(programs)
        command = f"iperf3 --client {far.address} --time {seconds} --json"
        said = near.where.run(command, timeout=seconds + 60)
        theirs = usage.processor_time(programs) - before
    if not said.ok:
        raise LabError(f"iperf3 failed: {said}.", "Does the network carry long packets? walk(…, size=1400).")
    end = json.loads(said.stdout)["end"]
    gigabits = float(end["sum_received"]["bits_per_second"]) * float(end["sum_received"]["seconds"]) / _GIGA
    ends = end["cpu_utilization_percent"]
    ours = (float(ends["host_total"]) + float(ends["remote_total"])) / 100 * float(end["sum_sent"]["seconds"])
    return {
        "throughput": float(end["sum_received"]["bits_per_second"]) / _GIGA,
        "processor": (ours + theirs) / gigabits,
    }


def latency(near: End, far: End, count: int) -> float:
    """Microseconds there and back, of the quickest of so many pings that follow one another at once.

    Shell: ``ping -q -f -c COUNT ADDRESS``.
    """
    said = near.where.run(f"ping -q -f -c {count} {far.address}", timeout=120)
    found = re.search(r"= ([\d.]+)/", said.stdout)
    if not found:
        raise LabError(f"ping got no answer: {said}.", "Does the network carry?")
    return float(found[1]) * 1000


def connections(site: Site, count: int) -> float:
    """How many connections can be opened in a second, one after the other, by the median of so many."""
    near, far = site.near, site.far
    return 1 / median(connects.connection_times(near.where._kernel, far.where._kernel, far.address, count=count))


def own_programs(site: Site) -> tuple[int, ...]:
    """The pids of the network's programs on the nodes."""
    return usage.processes_in((node.inode for node in site.nodes), but=(node.pid for node in site.nodes))
