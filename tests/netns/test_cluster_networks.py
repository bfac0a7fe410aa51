"""Networks in a cluster: agents of a DaemonSet that make nodes ready, die, come back, and enforce policies."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from labhelpers.cluster import Cluster
from labhelpers.networks import Calico
from labhelpers.networks.http_policy import HttpPolicy
from labhelpers.trace import observe
from tests.netns.kernel import eventually, shell

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


_DENY = """kubectl apply -f - <<'END'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {matchLabels: {run: server}}, policyTypes: [Ingress]}
END"""


def test_flows_between_its_pods_have_their_names_and_the_policy_that_refuses(cluster: Cluster) -> None:
    shell("kubectl run server --image=nginx && kubectl run client --image=curlimages/curl --command -- sleep infinity")
    shell("kubectl wait --for=condition=Ready pod/server pod/client --timeout=60s")
    address = shell("kubectl get pod server -o jsonpath={.status.podIP}")
    fetch = f"kubectl exec client -- curl -sS -m 2 -o /dev/null -w %{{http_code}} http://{address}"

    def status() -> str:
        return subprocess.run(fetch, shell=True, check=False, capture_output=True, text=True).stdout

    try:
        with observe(cluster, to="server", protocol="TCP") as flows:
            assert eventually(lambda: status() == "200", timeout=60)
        assert {(one.source, one.destination, one.port, one.verdict) for one in flows.rows} == {
            ("default/client", "default/server", 80, "forwarded")
        }
        shell(_DENY)
        with observe(cluster, to="server", verdict="dropped") as flows:
            assert eventually(lambda: status() == "000", timeout=60)
            assert flows.wait_for(lambda one: one.port == 80, timeout=60)
        assert {(one.source, one.policy) for one in flows.rows} == {("default/client", "default/deny")}
        with HttpPolicy("server", 80, [{"path": "/allowed"}], cluster=cluster):
            with observe(cluster, protocol="HTTP") as flows:
                assert status() == "403"
            (one,) = flows.rows
            assert (one.source, one.method, one.path, one.status) == ("default/client", "GET", "/", 403)
    finally:
        shell("kubectl delete pod server client --now; kubectl delete networkpolicy deny --ignore-not-found")
