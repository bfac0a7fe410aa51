"""What a cluster refuses, as the real kubectl shows it.  Nothing here changes anything, so one cluster is enough."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.netns.kubectl import Kubectl, cluster_with_kubectl


@pytest.fixture(scope="module")
def shared() -> Iterator[Kubectl]:
    """One cluster for all tests of this module."""
    with cluster_with_kubectl(1) as one:
        one("version")  # it keeps what it discovers
        yield one


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("get pod nosuch", 'Error from server (NotFound): pods "nosuch" not found'),
        ("run x --image=nginx -n nosuch", 'namespaces "nosuch" not found'),
        ("run Bad --image=nginx", 'The Pod "Bad" is invalid'),
        ("get jobs", 'the server doesn\'t have a resource type "jobs"'),
        ("delete namespace default", "this namespace may not be deleted"),
        ("top pods", "Metrics API not available"),
        ("get pods --field-selector spec.x=y", "field label not supported: spec.x"),
        ("exec nosuch -- ls", 'pods "nosuch" not found'),
        ("create job x --image=busybox", "this cluster has no jobs.batch"),
        ("get --raw /api/v1/namespaces/default/secrets", "this cluster has no secrets"),
        ("create service nodeport x --tcp=80", "nothing routes a service of type NodePort; use ClusterIP"),
        ("debug node/node-1 --image=busybox -- ls", "to a node leads `minikube ssh`"),
    ],
)
def test_what_cannot_be_is_refused_in_words(shared: Kubectl, line: str, words: str) -> None:
    assert words in shared.refused(line)


def test_who_has_no_token_is_told_nothing(shared: Kubectl) -> None:
    done = subprocess.run(
        ["curl", "-sk", f"{shared.cluster.url}/api/v1/pods"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["reason"] == "Unauthorized"
    refused = subprocess.run(["curl", "-s", shared.cluster.url], capture_output=True, check=False)
    assert refused.returncode == 60, "a certificate that nobody vouches for"
