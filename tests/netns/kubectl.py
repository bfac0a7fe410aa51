"""The real kubectl against a cluster, and what it says."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from labhelpers.cluster import Cluster
from labhelpers.lab import Lab

__all__ = ["Kubectl", "cluster_with_kubectl"]

_PATIENCE = 60.0


class Kubectl:
    """Each call is one kubectl."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def run(self, *arguments: str, input: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["kubectl", *arguments], capture_output=True, text=True, input=input, timeout=_PATIENCE, check=False
        )

    def __call__(self, line: str, *more: str, input: str = "") -> str:
        """Words and further arguments; it must end well.  Returns what it says."""
        done = self.run(*line.split(), *more, input=input)
        assert done.returncode == 0, f"kubectl {line}: {done.stderr}"
        return done.stdout.rstrip("\n")

    def refused(self, line: str, *more: str, input: str = "") -> str:
        """It must not end well.  Returns the error."""
        done = self.run(*line.split(), *more, input=input)
        assert done.returncode == 1, f"kubectl {line}: {done.stdout}"
        return done.stderr.rstrip("\n")

    def json(self, line: str) -> Any:
        return json.loads(self(f"{line} -o json"))

    def background(self, *arguments: str, **streams: Any) -> subprocess.Popen[str]:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **streams}
        return subprocess.Popen(["kubectl", *arguments], text=True, **options)

    def address(self, pod: str) -> str:
        return self(f"get pod {pod}", "-o", "jsonpath={.status.podIP}")

    def sleeper(self, name: str, **where: str) -> None:
        """A pod that waits to be told what to do, on a node if that is said."""
        place = json.dumps({"spec": {"nodeName": where["node"]}}) if where else "{}"
        self(f"run {name} --image=busybox --overrides", place, "--command", "--", "sleep", "3600")
        self(f"wait --for=condition=Ready pod/{name} --timeout=30s")


@contextmanager
def cluster_with_kubectl(nodes: int = 2, **options: Any) -> Iterator[Kubectl]:
    """A cluster, until the end of the block."""
    home = os.environ.get("HOME", "/")
    if not os.access(home, os.W_OK):  # kubectl keeps what it discovers there
        os.environ["HOME"] = os.environ.get("TMPDIR", "/tmp")
    with Lab() as lab, Cluster(nodes, lab=lab, **options) as cluster:
        yield Kubectl(cluster)
