"""``on_node``: run a command on a node of whichever cluster kubectl is configured for.

kubectl reaches pods, and a node only through them.  What reaches a node itself depends on what the node is: a namespace
of the sandbox or minikube's machine (``minikube ssh``), kind's container (``docker exec``), or somebody's machine, on
which ``kubectl debug`` starts a pod that has the node's file system below /host.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Sequence

from labhelpers.cluster import kubeconfig
from labhelpers.errors import LabError, NotFound, TimedOut, ToolMissing
from labhelpers.linux.process import Completed

__all__ = ["on_node", "way_to"]

_PATIENCE = 60.0  # seconds; a debug pod may have to pull its image first
_OFTEN = 0.2
_POD = re.compile(r"\bpod (\S+)")


def on_node(command: str, node: str = "") -> Completed:
    """Run a shell command on a node, as root where the cluster allows it; what it wrote is the result.

    Args:
        command: as typed at a shell, with pipes.
        node: its name; the first of ``kubectl get nodes`` by default.

    Raises:
        NotFound: there is no such node.
        ToolMissing: a program that leads there is not installed.
        LabError: kubectl does not reach the cluster, or the debug pod did not run.
        TimedOut.

    Shell: ``minikube ssh -n NODE -- COMMAND``, ``docker exec NODE sh -c COMMAND``, or
    ``kubectl debug node/NODE --profile=sysadmin --image=busybox -- chroot /host /bin/sh -c COMMAND``.
    """
    nodes = _kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split()
    if not nodes or (node and node not in nodes):
        raise NotFound(f"The cluster has no node {node!r}.", f"Nodes: {', '.join(nodes) or 'none'}.")
    name = node or nodes[0]
    way = way_to(_kubectl("config", "current-context").strip(), name, command)
    return _run(way) if way else _by_a_debug_pod(name, command)


def way_to(context: str, node: str, command: str) -> list[str]:
    """The command line that reaches a node, by the name of kubectl's context; none for a cluster of unknown kind."""
    if context == kubeconfig.NAME or context == "minikube":
        return ["minikube", "ssh", "-n", node, "--", command]
    if context.startswith("minikube"):  # minikube's contexts are called as its profiles
        return ["minikube", "ssh", "-p", context, "-n", node, "--", command]
    if context.startswith("kind-"):
        return [os.environ.get("KIND_EXPERIMENTAL_PROVIDER", "docker"), "exec", node, "sh", "-c", command]
    return []


def _by_a_debug_pod(node: str, command: str) -> Completed:
    """A pod with the node's file system, for this one command; it is deleted again."""
    # /bin/sh, not sh: a busybox that is chroot would otherwise find its own sh
    inside = ["chroot", "/host", "/bin/sh", "-c", command]
    said = _kubectl("debug", f"node/{node}", "--image=busybox", "--profile=sysadmin", "--", *inside)
    match = _POD.search(said)
    if match is None:
        raise LabError(f"kubectl debug did not say which pod it made: {said.strip()}", "See kubectl get pods.")
    pod = f"pod/{match[1]}"
    try:
        return Completed((command,), _exit_status(pod), _kubectl("logs", pod), "")
    finally:
        _run(["kubectl", "delete", pod, "--now", "--wait=false"])


def _exit_status(pod: str) -> int:
    """Of the pod's container, when it has ended.  Raises ``TimedOut``."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        # not `kubectl wait`: before 1.31 it cannot wait for something that is there, whatever it is
        status = _kubectl("get", pod, "-o", "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}")
        if status:
            return int(status)
        time.sleep(_OFTEN)
    waiting = _kubectl("get", pod, "-o", "jsonpath={.status.containerStatuses[0].state.waiting.message}")
    raise TimedOut(f"{pod} has not ended: {waiting or 'its command goes on'}.", "See kubectl get events.")


def _kubectl(*arguments: str) -> str:
    done = _run(["kubectl", *arguments])
    if not done.ok:
        raise LabError(f"`kubectl {shlex.join(arguments)}` failed: {done}.", "See `kubectl cluster-info`.")
    return done.stdout


def _run(args: Sequence[str]) -> Completed:
    try:
        done = subprocess.run(
            args, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_PATIENCE + 10
        )
    except FileNotFoundError:
        raise ToolMissing(f"The program {args[0]!r} is not installed.", "It leads to this cluster's nodes.") from None
    except subprocess.TimeoutExpired:
        raise TimedOut(f"`{shlex.join(args)}` did not end.", "Try it in a terminal.") from None
    return Completed(tuple(args), done.returncode, done.stdout, done.stderr)
