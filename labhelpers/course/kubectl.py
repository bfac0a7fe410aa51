"""Ask the cluster with the real kubectl, and have a new cluster for a chapter or an exercise."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from labhelpers.cluster import Cluster
from labhelpers.errors import LabError, NotFound, TimedOut, ToolMissing
from labhelpers.lab import Lab
from labhelpers.networks import Network

__all__ = ["ask", "events_of", "kubectl", "new_cluster", "reasons_of", "status_of", "until"]

# seconds
_PATIENCE = 20.0
_OFTEN = 0.1


def new_cluster(nodes: int = 2, *, network: Network | str = "bridge", names: Sequence[str] | None = None) -> Cluster:
    """Delete the cluster that runs in this sandbox, if one does, and make a new one.

    Args:
        names: of the nodes, if not node-1 and so on.

    Raises:
        LabError: see ``Cluster``.
    """
    try:
        Cluster.running().delete()
    except NotFound:
        pass
    Lab()  # removes what a cluster that was killed has left
    return Cluster(nodes, network=network, names=names)


def kubectl(*arguments: str) -> str:
    """Run kubectl and return what it says.

    Raises:
        NotFound: kubectl has not found what it was asked for.
        ToolMissing: there is no kubectl.
        LabError: it failed otherwise.
    """
    command = ["kubectl", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except FileNotFoundError:
        raise ToolMissing("There is no kubectl on this machine.", "Run make env in a terminal.") from None
    except subprocess.TimeoutExpired:
        raise TimedOut(f"{' '.join(command)} did not end.", "Run the cells from the top.") from None
    if done.returncode:
        kind = NotFound if "(NotFound)" in done.stderr else LabError
        raise kind(f"kubectl said: {done.stderr.strip()}", "Run the cells from the top if the cluster is gone.")
    return done.stdout


def ask(*arguments: str) -> Any:
    """What ``kubectl … -o json`` says, as a value.  Changes nothing; raises what ``kubectl`` raises."""
    return json.loads(kubectl(*arguments, "-o", "json"))


def events_of(name: str, namespace: str = "default") -> list[dict[str, Any]]:
    """The events about a pod, in order of time.  Changes nothing.

    Shell: ``kubectl get events --field-selector involvedObject.name=NAME``.
    """
    found = ask(
        "get", "events", "-n", namespace, f"--field-selector=involvedObject.kind=Pod,involvedObject.name={name}"
    )
    return sorted(found["items"], key=lambda event: str(event.get("eventTime") or event.get("firstTimestamp") or ""))


def reasons_of(name: str, namespace: str = "default") -> list[str]:
    """The reasons of the events about a pod, in order of time.  Changes nothing."""
    return [str(event["reason"]) for event in events_of(name, namespace)]


def status_of(name: str, namespace: str = "default") -> str:
    """What ``kubectl get pods`` has in its column STATUS, such as ``Running``; ``""`` without such a pod."""
    words = kubectl("get", "pods", "-n", namespace, f"--field-selector=metadata.name={name}", "--no-headers").split()
    return words[2] if len(words) > 2 else ""


def until(name: str, status: str, namespace: str = "default") -> None:
    """Wait until ``kubectl get pods`` has this in its column STATUS.

    Raises:
        TimedOut: it has not, after 20 seconds.
    """
    end = time.monotonic() + _PATIENCE
    while (seen := status_of(name, namespace)) != status:
        if time.monotonic() > end:
            raise TimedOut(f"The pod {name} is {seen or 'not there'} and not {status}.", "Run the cell again.")
        time.sleep(_OFTEN)
