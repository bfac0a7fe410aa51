"""Record what a real control plane answers to kubectl: ``kubectl_answers.py FILE``, with a command a line.

Run it in a sandbox, ``python -m labhelpers.sandbox.run -- python tools/kubectl_answers.py FILE``, with the control
plane's programs on the PATH or in the folder that POD_NETWORKING_KUBERNETES names.  It prints a transcript.  Two lab
nodes join, so commands may make pods; what goes through a kubelet's port (logs, exec) does not work there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the tests are no installed package

from labhelpers.cluster.credentials import store_of
from labhelpers.cluster.join import JoinedNodes
from labhelpers.cluster.pod_network import network_named
from tests.netns.control_plane import control_plane
from tests.netns.kernel import eventually

_PATIENCE = 120.0


def _answer(command: str) -> tuple[str, int]:
    done = subprocess.run(
        ["bash", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    return done.stdout, done.returncode


def _nodes_are_ready() -> bool:
    return _answer("kubectl get nodes --no-headers")[0].count(" Ready ") == 2


def main() -> None:
    """Print each command, its answer and its exit status."""
    commands = Path(sys.argv[1]).read_text().splitlines()
    with tempfile.TemporaryDirectory() as name, control_plane(Path(name)) as kubeconfig:
        os.environ.update(HOME=name, KUBECONFIG=str(kubeconfig))
        with JoinedNodes(store_of(kubeconfig), ["node1", "node2"], network_named("bridge")):
            assert eventually(_nodes_are_ready, _PATIENCE), _answer("kubectl describe nodes")[0]
            for command in commands:
                said, status = _answer(command)
                end = "" if not said or said.endswith("\n") else "\n"
                print(f"$ {command}\n{said}{end}[rc {status}]", flush=True)


if __name__ == "__main__":
    main()
