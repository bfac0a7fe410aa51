"""How long until a network is ready on three nodes, beside a cluster whose network needs no agents?"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from functools import partial
from itertools import permutations

from benchmarks._measure import Job, Row, Times, a_a, in_turns, options, ratio, report
from benchmarks._sandbox import move_into_sandbox
from labhelpers import Cluster, Lab
from labhelpers.cni import CniPod
from labhelpers.cni import pod as cni_pods
from labhelpers.errors import KernelFeatureMissing, ToolMissing
from labhelpers.networks import Calico, Canal, Flannel, Network, PlainBridge

NETWORKS: dict[str, Network] = {
    "Flannel, VXLAN": Flannel("vxlan"),
    "Flannel, host-gw": Flannel("host-gw"),
    "Flannel, WireGuard": Flannel("wireguard"),
    "Calico, IPIP and BGP": Calico("ipip"),
    "Calico, VXLAN": Calico("vxlan"),
    "Calico, BGP": Calico("bgp"),
    "Calico, WireGuard": Calico(wireguard=True),
    "Canal": Canal(),
}
#: no agents: whoever makes the nodes also configures them
_FLOOR = PlainBridge()
_NODES = 3
_READY = 5.0  # seconds
_PATIENCE = 60.0  # seconds


def _until(claim: Callable[[], object], what: str) -> None:
    end = time.monotonic() + _PATIENCE
    while not claim():
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not after {_PATIENCE:g} s.")
        time.sleep(0.005)


def in_cluster(network: Network, name: str) -> dict[str, float]:
    """From the call until every node is Ready and has a route to the others' pods; and until pods reach each other."""
    start = time.perf_counter()
    with Lab() as lab, Cluster(_NODES, network=network, lab=lab):
        _until(partial(_has_ways, lab), f"{name}: a way from each node to each")
        ready = time.perf_counter() - start
        _kubectl("create", "deployment", "web", "--image=busybox", f"--replicas={_NODES}", "--", "sleep", "3600")
        _until(partial(_reach, lab), f"{name}: pods that reach each other")
        return {f"{name}, ready": ready, f"{name}, pods": time.perf_counter() - start}


def _kubectl(*arguments: str) -> str:
    return subprocess.run(["kubectl", *arguments], capture_output=True, text=True, check=True).stdout


def _has_ways(lab: Lab) -> bool:
    """Has every node a route to every other node's pods, in whatever table?"""
    return all(b.pod_cidr in {one.destination for one in a.routes()} for a, b in permutations(lab.nodes, 2))


def _reach(lab: Lab) -> bool:
    """Does every pod answer every other one?"""
    there = [one["status"].get("podIP") for one in json.loads(_kubectl("get", "pods", "-o", "json"))["items"]]
    pods: list[CniPod] = [cni_pods.find(node, one) for node in lab.nodes for one in cni_pods.listed(node)]
    if len(pods) != _NODES or None in there:
        return False
    return all(a.ping(b, timeout=0.5).ok for a, b in permutations(pods, 2))


def on_lab(network: Network, name: str) -> dict[str, float]:
    """From ``install`` on nodes that are there, without a cluster, until every node has its ways."""
    with Lab() as lab:
        for number in range(_NODES):
            lab.node(f"node-{number + 1}")
        start = time.perf_counter()
        try:
            with network.install(lab) as installed:
                installed.wait(_PATIENCE)
                seconds = time.perf_counter() - start
                if not all(leg.ok for leg in installed.status()):
                    raise SystemExit(f"{name}: not every way is there, and the time means nothing.")
        except (ToolMissing, KernelFeatureMissing) as missing:
            raise SystemExit(missing.what) from None
    return {f"{name}, lab": seconds}


def _rows(times: Times) -> list[Row]:
    floor = {what: times[f"floor, {what}"] for what in ("ready", "pods", "lab")}
    noise = {what: a_a(floor[what], times[f"again, {what}"]) for what in floor}
    rows = [
        Row(f"no agents: {words}", floor[what])
        for what, words in (("ready", "3 nodes ready"), ("pods", "pods reach each other"), ("lab", "on a lab"))
    ]
    for name in NETWORKS:
        ready, pods, lab = (times[f"{name}, {what}"] for what in ("ready", "pods", "lab"))
        rows += [
            Row(name, ready, f"{_READY:g} s", min(ready) / _READY, noise["ready"], at_most=1),
            Row("… to no agents", ready, "no agents", ratio(ready, floor["ready"]), noise["ready"]),
            Row("… until pods reach each other", pods, "no agents", ratio(pods, floor["pods"]), noise["pods"]),
            Row("… on a lab, without a cluster", lab, "no agents", ratio(lab, floor["lab"]), noise["lab"]),
        ]
    return rows


def main() -> None:
    """Measure and print."""
    parser = options(__doc__ or "", rounds=3)
    rounds = parser.parse_args().rounds
    move_into_sandbox()
    measured = {"floor": _FLOOR, "again": _FLOOR, **NETWORKS}
    jobs = [Job(f"{name}, in a cluster", partial(in_cluster, network, name)) for name, network in measured.items()]
    jobs += [Job(f"{name}, on a lab", partial(on_lab, network, name)) for name, network in measured.items()]
    times, _ = in_turns(jobs, rounds)
    report(f"Networks on {_NODES} nodes, until ready", _rows(times))


if __name__ == "__main__":
    main()
