"""How long until a changed policy is enforced, what do a thousand cost to load, and what do they cost a packet?"""

from __future__ import annotations

import socket
import subprocess
import time
from statistics import median

from benchmarks._measure import Job, Row, Times, a_a, in_turns, options, ratio, report
from benchmarks._sandbox import move_into_sandbox
from labhelpers import Lab
from labhelpers.lab import Node
from labhelpers.measure.crowd import EACH, PODS, Object, crowd, open_port, pod_object
from labhelpers.networks.policy import Enforcer, through_the_node
from labhelpers.networks.route import HostGateway

#: seconds
_ENFORCED, _THOUSAND = 0.1, 3.0
_RTT = 1.2  # times that with ten policies
_POLICIES = 1000
_TIMES = 400  # connections, of which the fastest counts


class Three:
    """Three nodes with a pod each, and a policy of the last one's that opens and closes a port."""

    def __init__(self, lab: Lab) -> None:
        self.nodes = [lab.node(f"node-{number}") for number in (1, 2, 3)]
        self.carrier = HostGateway(lab)
        self.pods = [node.pod(f"pod-{number}") for number, node in enumerate(self.nodes)]
        self.enforcers = [Enforcer(node) for node in self.nodes]
        pods = [pod_object(pod.name, pod.address, pod.node.name, {"app": pod.name}) for pod in self.pods]
        self.objects: dict[str, list[Object]] = {
            "pods": pods,
            "namespaces": [{"metadata": {"name": "default"}}],
            "networkpolicies": [],
        }
        self.listening = self.pods[2].listen(80)
        self.open = True
        self.change()  # the first load makes the table

    def change(self) -> None:
        """Open the port if it is closed, else close it: on all nodes."""
        self.open = not self.open
        policy = open_port("one", {"matchLabels": {"app": "pod-2"}}, 80 if self.open else 81)
        self.objects["networkpolicies"] = [policy]
        for enforcer in self.enforcers:
            enforcer.apply(self.objects)

    def enforced(self) -> dict[str, float]:
        """From the changed objects until a packet finds the port open: compile, load on three nodes, connect."""
        while self.open:
            self.change()
        start = time.perf_counter()
        self.change()
        with self.pods[0]._kernel.visit(lambda: socket.socket()) as tcp:
            tcp.settimeout(5)
            tcp.connect((self.pods[2].address, 80))
        return {"enforced": time.perf_counter() - start}

    def same_by_nft(self) -> dict[str, float]:
        """The same texts, in the same places, by the program."""
        texts = {}
        for enforcer, node in zip(self.enforcers, self.nodes, strict=True):
            policy = open_port("one", {"matchLabels": {"app": "pod-2"}}, 82)
            texts[node.name] = enforcer.apply({**self.objects, "networkpolicies": [policy]}).commands
            enforcer.apply(self.objects)  # and back, so that the text fits again
        start = time.perf_counter()
        for name, text in texts.items():
            done = subprocess.run(["ip", "netns", "exec", name, "nft", "-f", "-"], input=text, text=True, check=False)
            assert done.returncode == 0
        seconds = time.perf_counter() - start
        for enforcer in self.enforcers:
            enforcer.apply(self.objects)
        return {"nft": seconds}

    def same_by_library(self) -> dict[str, float]:
        """Compile and load one change on three nodes."""
        start = time.perf_counter()
        self.change()
        return {"library": time.perf_counter() - start}


def loads(node: Node, kind: str) -> dict[str, float]:
    """Compile a thousand policies and load them into a node that has none; then take one of them away."""
    objects = crowd(_POLICIES, node.name, broad=kind == "broad")
    enforcer = Enforcer(node)
    start = time.perf_counter()
    enforcer.apply(objects)
    loaded = time.perf_counter()
    objects["networkpolicies"].pop()
    enforcer.apply(objects)
    done = time.perf_counter()
    enforcer.clean()
    return {kind: loaded - start, f"{kind}, one less": done - loaded}


class Two:
    """Two pods of one node, reached through its firewall, with policies of many others around them."""

    def __init__(self, lab: Lab) -> None:
        self.node = lab.node("node-4")
        self.a, self.b = self.node.pods(["pod-x", "pod-y"])
        through_the_node(self.node)
        self.enforcer = Enforcer(self.node)
        self.listening = self.b.listen(80)
        self.own = [
            pod_object(pod.name, pod.address, "node-4", {"group": "0", "app": pod.name}) for pod in (self.a, self.b)
        ]

    def connects(self, policies: int, *, broad: bool = False) -> float:
        """The fastest of many connections: the first packet of each is asked about."""
        objects = crowd(policies, self.node.name, broad=broad)
        objects["pods"] += self.own
        # the last by name, so that all the others that select the pod are asked before it
        objects["networkpolicies"].append(open_port("the-last", {"matchLabels": {"app": "pod-y"}}, 80))
        self.enforcer.apply(objects)
        times = []
        for _ in range(_TIMES):
            with self.a._kernel.visit(lambda: socket.socket()) as tcp:
                start = time.perf_counter()
                tcp.connect((self.b.address, 80))
                times.append(time.perf_counter() - start)
        return min(times)


def _rows(times: Times) -> list[Row]:
    enforced = sorted(times["enforced"])
    p95 = enforced[min(len(enforced) - 1, round(0.95 * len(enforced)))]
    by_rtt = a_a(times["ten"], times["ten again"])
    return [
        Row("a policy changed on 3 nodes until a packet passes", enforced, f"{_ENFORCED:g} s, median",
            median(enforced) / _ENFORCED, at_most=1),
        Row(f"… 95 of 100 within {1000 * p95:.1f} ms"),
        Row("one change on 3 nodes, compiled and loaded", times["library"], "nft -f of the same text",
            ratio(times["library"], times["nft"]), a_a(times["nft"], times["nft again"]), at_most=1),
        Row(f"{_POLICIES} policies, each of {EACH} of {PODS} pods", times["narrow"], f"{_THOUSAND:g} s",
            min(times["narrow"]) / _THOUSAND, at_most=1),
        Row("… one less of them", times["narrow, one less"]),
        Row(f"{_POLICIES} policies, each of all {PODS} pods", times["broad"]),
        Row("… one less of them", times["broad, one less"]),
        Row(f"a connection with {_POLICIES} policies around", times["thousand"], "10 policies",
            ratio(times["thousand"], times["ten"]), by_rtt, at_most=_RTT),
        Row(f"a connection with {_POLICIES} policies that all select its pods", times["thousand, broad"],
            "10 policies", ratio(times["thousand, broad"], times["ten"]), by_rtt),
    ]  # fmt: skip


def main() -> None:
    """Measure and print."""
    arguments = options(__doc__, rounds=20).parse_args()
    move_into_sandbox()
    with Lab() as lab:
        three, two, empty = Three(lab), Two(lab), lab.node("node-5")
        jobs = [
            Job("enforced", three.enforced),
            Job("library", three.same_by_library),
            Job("nft", three.same_by_nft),
            Job("nft again", lambda: {"nft again": three.same_by_nft()["nft"]}),
            Job("narrow", lambda: loads(empty, "narrow"), every=5),
            Job("broad", lambda: loads(empty, "broad"), every=5),
            Job("ten", lambda: {"ten": two.connects(10)}),
            Job("ten again", lambda: {"ten again": two.connects(10)}),
            Job("thousand", lambda: {"thousand": two.connects(_POLICIES)}, every=2),
            Job("thousand, broad", lambda: {"thousand, broad": two.connects(_POLICIES, broad=True)}, every=5),
        ]
        times, _ = in_turns(jobs, arguments.rounds)
    report("NetworkPolicy", _rows(times))


if __name__ == "__main__":
    main()
