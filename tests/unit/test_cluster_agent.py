"""A network's agent that is started wrongly says so."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"NETWORK": "calico"}, "The agent is not told its NODE_NAME."),
        ({"NODE_NAME": "node-1"}, "The agent is not told its NETWORK."),
        ({"NODE_NAME": "node-1", "NETWORK": ""}, "The agent is not told its NETWORK."),
        ({"NODE_NAME": "node-1", "NETWORK": "bridge"}, "bridge has no agent."),
        ({"NODE_NAME": "node-1", "NETWORK": "none"}, "none has no agent."),
        ({"NODE_NAME": "node-1", "NETWORK": "nonsense"}, "There is no network 'nonsense' for a cluster here."),
    ],
)
def test_what_it_is_not_told_is_named(environment: dict[str, str], said: str) -> None:
    command = [sys.executable, "-m", "labhelpers.cluster.agent"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(said), done.stderr
    assert "Traceback" not in done.stderr
