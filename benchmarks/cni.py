"""How long does it take until a CNI runtime has attached a pod?  By the course's plugins and by the reference ones.

Beside them stand other ways to a pod with the same network, which call no plugin: ``ip`` commands, Mininet, and the
helpers of the lab.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import _peers
from benchmarks._freed import settle
from benchmarks._measure import Job, Row, Times, Unmeasured, a_a, in_turns, options, ratio, report
from benchmarks._sandbox import BLOCK, fresh_node, move_into_sandbox, pod_names
from labhelpers.cni import Runtime
from labhelpers.errors import ToolMissing
from labhelpers.lab import Node

CHAINS = {"own": ("lab-bridge", "lab-host-local"), "reference": ("bridge", "host-local")}
_FEW_REPEATED = 3  # the fastest of so many: a short time is easily disturbed


def network(main: str, ipam: str) -> dict[str, Any]:
    """The same for both: a bridge with the gateway's address, and a default route."""
    ranges, routes = [[{"subnet": BLOCK, "gateway": "10.0.0.1"}]], [{"dst": "0.0.0.0/0"}]
    plugin = {"type": main, "bridge": Node.BRIDGE, "isGateway": True}
    plugin["ipam"] = {"type": ipam, "ranges": ranges, "routes": routes}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [plugin]}


def cni_attaches(chain: str, count: int, at_once: int = 1) -> float:
    """ADD of so many pods by our runtime, their namespaces included; seconds."""
    node = _quiet_node()
    runtime = Runtime(node, observe=False)
    runtime.configure(network(*CHAINS[chain]))
    try:
        runtime.versions(CHAINS[chain][0])
    except ToolMissing as missing:
        raise Unmeasured(missing.what) from None
    start = time.perf_counter()
    if at_once == 1:
        for name in pod_names(count):
            runtime.add(name)
    else:
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(runtime.add, pod_names(count)))
    seconds = time.perf_counter() - start
    _prove_each_has_an_address(node, count)
    return _plugged_in(node, count, seconds)


def lab_builds(count: int) -> float:
    node, names = _quiet_node(), pod_names(count)
    start = time.perf_counter()
    for name in names:
        node.pod(name)
    seconds = time.perf_counter() - start
    return _plugged_in(node, count, seconds)


def ip_builds(script: str, count: int) -> float:
    node = _quiet_node()
    start = time.perf_counter()
    _peers.ip_commands(script)
    seconds = time.perf_counter() - start
    return _plugged_in(node, count, seconds)


def pythons_start(count: int) -> float:
    """As many starts of Python as pods have plugins, and nothing else: what plugins in Python cannot go below."""
    start = time.perf_counter()
    for _ in range(count * len(CHAINS["own"])):
        subprocess.run([sys.executable, "-IS", "-c", ""], stdin=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def mininet_builds(count: int) -> float:
    return _peers.mininet(_quiet_node(), count)


def _quiet_node() -> Node:
    node = fresh_node()
    settle()
    return node


def _plugged_in(node: Node, count: int, seconds: float) -> float:
    """The seconds, if the bridge really has that many ports."""
    ports = sum(1 for link in node.links() if link.master == node.BRIDGE)
    if ports != count:
        raise SystemExit(f"{ports} of {count} pods have a cable: the time would mean nothing.")
    return seconds


def _prove_each_has_an_address(node: Node, count: int) -> None:
    leases = list(Path(f"{node.root}/var/lib/cni/networks/pods").glob("10.*"))
    owners = {path.read_text() for path in leases}
    if len(leases) != count or len(owners) != count:
        raise SystemExit(f"{len(leases)} addresses for {count} pods: the time would mean nothing.")


def main() -> None:
    parser = options(__doc__ or "", rounds=4)
    parser.add_argument("--pods", type=int, default=500, help="number of pods")
    parser.add_argument("--few", type=int, default=20, help="number of pods that the growth begins from")
    parser.add_argument("--at-once", type=int, default=8, help="ADDs side by side, in rows of their own")
    parser.add_argument("--peer-pods", type=int, default=100, help="number of pods for ip, Mininet and the helpers")
    parser.add_argument("--peer-every", type=int, default=2, help="ip and Mininet in every so many rounds only")
    chosen = parser.parse_args()
    move_into_sandbox()
    many, few, some, at_once = chosen.pods, chosen.few, chosen.peer_pods, chosen.at_once
    script = _peers.ip_script(some)

    def per_pod(what: str, count: int, build: Callable[[], float], *, repeat: int = 1, every: int = 1) -> Job:
        return Job(what, lambda: {what: min(build() for _ in range(repeat)) / count}, every)

    jobs = [
        *(per_pod(f"{chain}, many", many, partial(cni_attaches, chain, many)) for chain in CHAINS),
        per_pod("reference again, many", many, partial(cni_attaches, "reference", many)),
        *(per_pod(f"{chain}, few", few, partial(cni_attaches, chain, few), repeat=_FEW_REPEATED) for chain in CHAINS),
        per_pod("own, some", some, partial(cni_attaches, "own", some)),
        per_pod("Python", some, partial(pythons_start, some)),
        *(per_pod(f"{chain}, at once", some, partial(cni_attaches, chain, some, at_once)) for chain in CHAINS),
        per_pod("own, one", 1, partial(cni_attaches, "own", 1), repeat=_FEW_REPEATED),
        per_pod("reference, one", 1, partial(cni_attaches, "reference", 1), repeat=_FEW_REPEATED),
        per_pod("helpers", some, partial(lab_builds, some)),
        per_pod("ip", some, partial(ip_builds, script, some), every=chosen.peer_every),
        per_pod("Mininet", some, partial(mininet_builds, some), every=chosen.peer_every),
    ]
    times, left_out = in_turns(jobs, chosen.rounds)
    report("CNI: time per pod", _rows(times, left_out, many, few, some, at_once))


def _rows(times: Times, left_out: dict[str, str], many: int, few: int, some: int, at_once: int) -> list[Row]:
    def one(job: str, what: str, against: str = "", reference: str = "", **options: Any) -> Row:
        if job in left_out:
            return Row(what, note=f"not measured: {left_out[job]}")
        rate = f"{what}: {1 / min(times[job]):.0f} pods a second"
        if not reference or reference not in times:
            return Row(rate, times[job])
        return Row(rate, times[job], against=against, ratio=ratio(times[job], times[reference]), **options)

    has_reference = "reference, many" in times
    noise = a_a(times["reference, many"], times["reference again, many"]) if has_reference else None
    growth = {
        chain: ratio(times[f"{chain}, many"], times[f"{chain}, few"]) for chain in CHAINS if f"{chain}, many" in times
    }
    rows = []
    for job, count in (("one", 1), ("few", few), ("many", many)):
        rows += [
            one(f"reference, {job}", f"reference plugins, {_pods(count)}"),
            one(
                f"own, {job}", f"own plugins, {_pods(count)}", "the reference", f"reference, {job}",
                a_a=noise, at_most=1 if job == "many" else None,
            ),
        ]  # fmt: skip
    rows += [
        one("reference, at once", f"reference plugins, {_pods(some)}, {at_once} at once"),
        one("own, at once", f"own plugins, {_pods(some)}, {at_once} at once", "the reference", "reference, at once"),
    ]
    if has_reference:
        rows += [
            Row(f"growth of the reference, {_pods(many)}", against=_pods(few), ratio=growth["reference"]),
            Row(
                f"growth of our own, {_pods(many)}", against=_pods(few), ratio=growth["own"], a_a=noise,
                at_most=growth["reference"],
            ),
        ]  # fmt: skip
    own = "own, some"
    return [
        *rows,
        one(own, f"own plugins, {_pods(some)}"),
        one("Python", f"two Pythons that do nothing, {_pods(some)}", "own plugins", own),
        one("ip", f"ip commands, no plugin, {_pods(some)}", "own plugins", own),
        one("Mininet", f"Mininet, no plugin, {_pods(some)}", "own plugins", own),
        one("helpers", f"helpers of the lab, no plugin, {_pods(some)}", "own plugins", own),
    ]


def _pods(count: int) -> str:
    return "1 pod" if count == 1 else f"{count} pods"


if __name__ == "__main__":
    main()
