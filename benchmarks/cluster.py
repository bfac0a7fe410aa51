"""How long do a cluster, a pod, a hundred pods and an answer to kubectl take, and how much memory?"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks._measure import Job, Row, Times, Unmeasured, a_a, in_turns, options, ratio, report
from benchmarks._sandbox import move_into_sandbox
from labhelpers import Cluster, Lab

_READY = "--for=condition=Ready"
_PATIENCE = "--timeout=120s"
#: seconds, and megabytes for a cluster of two nodes
_START, _RUN, _HUNDRED, _HUNDRED_REFERENCE, _MEMORY = 1.0, 0.5, 20.0, 40.0, 80.0
_ANSWER = 1.3  # times kubectl's own floor
_BUSYBOX = ("--image=busybox", "--", "sleep", "3600")
_NGINX = ("--image=nginx",)
#: what minikube's bridge chains, by the plugins of the package containernetworking-plugins
_CHAIN = ("bridge", "host-local", "portmap", "firewall")


def kubectl(*arguments: str) -> str:
    """What it says; it must end well."""
    done = subprocess.run(["kubectl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"kubectl {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def timed(*arguments: str) -> float:
    start = time.perf_counter()
    kubectl(*arguments)
    return time.perf_counter() - start


def starts() -> dict[str, float]:
    """From the call until two nodes are Ready, and what its process and the shim then take."""
    begin = time.perf_counter()
    with Lab() as lab, Cluster(2, lab=lab) as cluster:
        while kubectl("get", "nodes").count(" Ready ") < 2:  # kubectl wait takes a quarter of a second for itself
            pass
        seconds = time.perf_counter() - begin
        return {"start": seconds, "memory": _megabytes(cluster.pid)}


def _megabytes(pid: int) -> float:
    """Proportional set size of a process and its children, holders of nodes included."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pages = (Path(f"/proc/{one}/smaps_rollup").read_text() for one in (pid, *children))
    return sum(int(line.split()[1]) for text in pages for line in text.splitlines() if line.startswith("Pss:")) / 1024


def answers() -> dict[str, float]:
    """One pod after the other; and with twenty pods there, one command after the other."""
    with Lab() as lab, Cluster(2, lab=lab):
        found = {"run": min(_runs(f"one-{number}") for number in range(5))}
        kubectl("create", "deployment", "web", "--image=busybox", "--replicas=20", "--", "sleep", "3600")
        kubectl("rollout", "status", "deployment/web", _PATIENCE)
        commands = {
            "get": ("get", "pods"),
            "floor": ("get", "--raw", "/version"),
            "floor again": ("get", "--raw", "/version"),
        }
        for name, command in commands.items():
            found[name] = min(timed(*command) for _ in range(5))
        found["client"] = min(timed("version", "--client") for _ in range(5))
        return found


def _runs(name: str) -> float:
    start = time.perf_counter()
    kubectl("run", name, "--image=busybox", "--command", "--", "sleep", "3600")
    kubectl("wait", _READY, f"pod/{name}", _PATIENCE)
    return time.perf_counter() - start


def hundred(name: str, nodes: int, pods: int, image: Sequence[str], *, reference: bool = False) -> dict[str, float]:
    """From ``kubectl create deployment`` until all of its pods are Ready."""
    with Lab() as lab, Cluster(nodes, lab=lab) as cluster:
        if reference:
            _use_reference_chain(cluster)
        start = time.perf_counter()
        kubectl("create", "deployment", "web", f"--replicas={pods}", *image)
        kubectl("rollout", "status", "deployment/web", _PATIENCE)
        seconds = time.perf_counter() - start
        there = json.loads(kubectl("get", "pods", "-o", "json"))["items"]
        running = [one["status"]["podIP"] for one in there if one["status"]["phase"] == "Running"]
        if len(set(running)) != pods:
            raise SystemExit(
                f"{len(set(running))} of {pods} pods run at an address of their own: the time means nothing."
            )
        if image == _NGINX and "nginx" not in cluster.nodes[0].run(["curl", "-s", f"http://{running[-1]}"]).stdout:
            raise SystemExit("The last of the pods does not answer: the time means nothing.")
        return {name: seconds}


def _use_reference_chain(cluster: Cluster) -> None:
    """Write a new configuration on every node, in place of the course's own plugins."""
    for node in cluster.nodes:
        if missing := [name for name in _CHAIN if not Path(f"{node.root}/opt/cni/bin/{name}").exists()]:
            raise Unmeasured(f"no plugin {', '.join(missing)}: apt-get install containernetworking-plugins")
        ranges = [[{"subnet": node.pod_cidr}]]
        ipam = {"type": "host-local", "ranges": ranges}  # isDefaultGateway adds the route
        bridge = {"type": "bridge", "bridge": "cni0", "isDefaultGateway": True, "ipMasq": True, "hairpinMode": True}
        plugins = [
            {**bridge, "ipam": ipam},
            {"type": "portmap", "capabilities": {"portMappings": True}},
            {"type": "firewall"},
        ]
        text = json.dumps({"cniVersion": "1.0.0", "name": "bridge", "plugins": plugins})
        # the first file by name is the node's configuration
        Path(f"{node.root}/etc/cni/net.d/00-reference.conflist").write_text(text)


def main() -> None:
    parser = options(__doc__ or "", rounds=3)
    parser.add_argument("--pods", type=int, default=100, help="number of pods")
    parser.add_argument("--nodes", type=int, default=10, help="number of nodes they are on")
    chosen = parser.parse_args()
    move_into_sandbox()
    if not any(os.access(f"{folder}/kubectl", os.X_OK) for folder in os.environ["PATH"].split(":")):
        raise SystemExit("There is no kubectl: make env fetches one.")
    measured: list[tuple[str, Callable[[], dict[str, float]]]] = [
        ("start", starts),
        ("answers", answers),
        ("hundred", lambda: hundred("hundred", chosen.nodes, chosen.pods, _BUSYBOX)),
        ("reference", lambda: hundred("reference", chosen.nodes, chosen.pods, _NGINX, reference=True)),
    ]
    before = os.getloadavg()[0]
    times, left_out = in_turns([Job(name, run) for name, run in measured], chosen.rounds)
    if set(left_out) - {"reference"}:
        raise Unmeasured(str(left_out))
    report("Cluster", _rows(times, chosen.nodes, chosen.pods, left_out))
    print(f"The machine's load was {before:.1f} before, and {os.getloadavg()[0]:.1f} after.")


def _rows(times: Times, nodes: int, pods: int, left_out: Mapping[str, str]) -> list[Row]:
    def absolute(what: str, name: str, target: float) -> Row:
        if name in left_out:
            return Row(what, note=left_out[name])
        return Row(what, times[name], against=f"{target:g} s", ratio=min(times[name]) / target, at_most=1)

    memory = min(times["memory"])
    return [
        absolute("a cluster of 2 nodes, until both are Ready", "start", _START),
        Row(f"its memory: {memory:.0f} MB", against=f"{_MEMORY:g} MB", ratio=memory / _MEMORY, at_most=1),
        absolute("kubectl run, and wait until Ready", "run", _RUN),
        absolute(f"{pods} busybox pods on {nodes} nodes, until all are Ready", "hundred", _HUNDRED),
        absolute(f"{pods} nginx pods on {nodes} nodes, reference plugins", "reference", _HUNDRED_REFERENCE),
        Row("kubectl version --client: no server", times["client"]),
        Row("kubectl get --raw /version: one round trip", times["floor"]),
        Row(
            "kubectl get pods, of 20", times["get"], against="one round trip",
            ratio=ratio(times["get"], times["floor"]), a_a=a_a(times["floor"], times["floor again"]), at_most=_ANSWER,
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    main()
