"""A DaemonSet as kubectl rolls it out, tells its history and takes it back."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.netns.kernel import eventually
from tests.netns.kubectl import Kubectl, cluster_with_kubectl

PATIENCE = 60.0
LABELS = {"app": "daemon"}
CONTAINER = {"name": "c", "image": "busybox", "command": ["sleep", "3600"]}
DAEMONSET = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "daemon"},
    "spec": {
        "selector": {"matchLabels": LABELS},
        "template": {
            "metadata": {"labels": LABELS},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [CONTAINER]},
        },
    },
}


@pytest.fixture
def kubectl() -> Iterator[Kubectl]:
    with cluster_with_kubectl(2) as one:
        yield one


def _rolled_out(kubectl: Kubectl) -> None:
    assert "successfully rolled out" in kubectl("rollout status daemonset/daemon --timeout=60s")


def _numbers(kubectl: Kubectl) -> list[str]:
    return [line.split()[0] for line in kubectl("rollout history daemonset/daemon").splitlines()[2:] if line]


def test_a_daemons_history_is_told_and_gone_back_in(kubectl: Kubectl) -> None:
    kubectl("apply -f -", input=json.dumps(DAEMONSET))
    _rolled_out(kubectl)
    kubectl("set env daemonset/daemon COLOUR=red")
    _rolled_out(kubectl)
    assert _numbers(kubectl) == ["1", "2"]
    assert "COLOUR" not in kubectl("rollout history daemonset/daemon --revision=1")
    assert "COLOUR:\tred" in kubectl("rollout history daemonset/daemon --revision=2")
    header, *rows = kubectl("get controllerrevisions").splitlines()
    assert header.split() == ["NAME", "CONTROLLER", "REVISION", "AGE"]
    assert {row.split()[1] for row in rows} == {"daemonset.apps/daemon"}
    assert kubectl("rollout undo daemonset/daemon") == "daemonset.apps/daemon rolled back"
    _rolled_out(kubectl)
    assert _numbers(kubectl) == ["2", "3"]
    colours = "jsonpath={.items[*].spec.containers[0].env[*].value}"
    assert kubectl("get pods -l app=daemon -o", colours) == ""
    kubectl("rollout undo daemonset/daemon --to-revision=2")
    _rolled_out(kubectl)
    kubectl("wait --for=condition=Ready pod -l app=daemon --timeout=60s")
    assert kubectl("get pods -l app=daemon -o", colours) == "red red"
    assert "unable to find specified revision 9" in kubectl.refused("rollout undo daemonset/daemon --to-revision=9")
    kubectl("delete daemonset daemon")
    assert eventually(lambda: kubectl("get controllerrevisions -o name") == "", PATIENCE)
