"""Networks in a cluster: agents of a DaemonSet that make nodes ready, die, come back, and enforce policies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labhelpers.cluster import Cluster
from labhelpers.networks import Calico
from tests.netns.kernel import shell

pytestmark = pytest.mark.once
_LOGS = "kubectl logs -n kube-system --tail=-1 -l k8s-app=calico-node"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    made = Cluster(2, network=Calico("vxlan"))
    try:
        shell("kubectl wait --for=condition=Ready nodes --all --timeout=60s")
        shell("kubectl create deployment web --image=busybox --replicas=2 -- sleep infinity")
        shell("kubectl rollout status deployment/web --timeout=60s")
        yield made
    finally:
        made.delete()


def test_its_agents_are_pods_whose_logs_say_that_they_are_a_model(cluster: Cluster) -> None:
    assert shell("kubectl get ds -n kube-system calico-node -o jsonpath={.status.numberReady}") == "2"
    assert "the course's model of calico's agent, not the product" in shell(_LOGS)


def test_pods_of_two_nodes_reach_each_other(cluster: Cluster) -> None:
    first, second = shell("kubectl get pods -l app=web -o jsonpath={.items[*].status.podIP}").split()
    name = shell("kubectl get pods -l app=web -o jsonpath={.items[0].metadata.name}")
    assert "0% packet loss" in shell(f"kubectl exec {name} -- ping -c 1 -W 5 {second}")
    assert first != second
