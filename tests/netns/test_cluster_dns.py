"""The cluster's DNS: names are looked up by the pods' own programs, and a real dnsmasq answers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.netns.kernel import eventually
from tests.netns.kubectl import Kubectl, cluster_with_kubectl

PATIENCE = 60.0
DNS = "-n kube-system -l k8s-app=kube-dns"


@pytest.fixture
def kubectl() -> Iterator[Kubectl]:
    """A client that is older than the DNS, and a service of two pods."""
    with cluster_with_kubectl(2) as it:
        it.sleeper("client")
        it("create deployment web --image=nginx --replicas=2")
        it("expose deployment web --port=80")
        it("rollout status deployment/web --timeout=60s")
        done = subprocess.run(["minikube", "addons", "enable", "dns"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        it("-n kube-system rollout status deployment/kube-dns --timeout=60s")
        yield it


def addresses(kubectl: Kubectl, what: str) -> set[str]:
    return {one["status"]["podIP"] for one in kubectl.json(f"get pods {what}")["items"]}


def looked_up(kubectl: Kubectl, name: str) -> set[str]:
    """The addresses that busybox's nslookup prints after the server's own."""
    said = kubectl.run("exec", "client", "--", "nslookup", name).stdout
    lines = said.partition("Name:")[2].splitlines()
    return {line.split()[-1] for line in lines if line.startswith("Address")}


def test_pods_look_names_up(kubectl: Kubectl) -> None:
    _pods_ask_the_dns_pod_also_those_that_ran_before(kubectl)
    _a_services_name_is_its_ready_pods(kubectl)
    _a_pods_address_has_a_name_and_what_is_unknown_has_none(kubectl)


def _pods_ask_the_dns_pod_also_those_that_ran_before(kubectl: Kubectl) -> None:
    (server,) = addresses(kubectl, DNS)
    lines = [
        "search default.svc.cluster.local svc.cluster.local cluster.local", f"nameserver {server}", "options ndots:5",
    ]  # fmt: skip
    assert eventually(lambda: kubectl("exec client -- cat /etc/resolv.conf").splitlines() == lines, PATIENCE)


def _a_services_name_is_its_ready_pods(kubectl: Kubectl) -> None:
    pods = addresses(kubectl, "-l app=web")
    assert len(pods) == 2
    assert eventually(lambda: looked_up(kubectl, "web.default.svc.cluster.local") == pods, PATIENCE)
    assert eventually(lambda: looked_up(kubectl, "web") == pods, PATIENCE)
    assert "Welcome to nginx!" in kubectl("exec client -- wget -qO- http://web")
    kubectl("scale deployment web --replicas=1")
    assert eventually(lambda: len(looked_up(kubectl, "web.default.svc.cluster.local")) == 1, PATIENCE)
    kubectl("scale deployment web --replicas=2")
    assert eventually(lambda: len(looked_up(kubectl, "web.default.svc.cluster.local")) == 2, PATIENCE)


def _a_pods_address_has_a_name_and_what_is_unknown_has_none(kubectl: Kubectl) -> None:
    own = kubectl.address("client")
    name = f"{own.replace('.', '-')}.default.pod.cluster.local"
    assert eventually(lambda: looked_up(kubectl, name) == {own}, PATIENCE)
    for unknown in ("nothing.default.svc.cluster.local", "example.com"):
        refused = kubectl.run("exec", "client", "--", "nslookup", unknown)
        assert refused.returncode != 0 and "NXDOMAIN" in refused.stdout + refused.stderr
    assert f"query[A] {name}" in kubectl("-n kube-system logs deployment/kube-dns")


@pytest.mark.once
def test_a_killed_dns_comes_back_and_so_does_a_deleted_one_until_it_is_disabled(kubectl: Kubectl) -> None:
    (before,) = addresses(kubectl, DNS)
    pod = kubectl(f"get pods {DNS} -o name")
    kubectl.run("-n", "kube-system", "exec", pod, "--", "kill", "1")

    def restarted() -> bool:
        (one,) = kubectl.json(f"get pods {DNS}")["items"][0]["status"]["containerStatuses"]
        return bool(one["restartCount"] and one["ready"])

    assert eventually(restarted, PATIENCE)
    assert addresses(kubectl, DNS) == {before}
    assert eventually(lambda: len(looked_up(kubectl, "web")) == 2, PATIENCE)
    kubectl(f"-n kube-system delete {pod} --wait=true")
    kubectl("-n kube-system rollout status deployment/kube-dns --timeout=60s")
    assert eventually(lambda: addresses(kubectl, DNS) != {before}, PATIENCE)
    assert eventually(lambda: len(looked_up(kubectl, "web")) == 2, PATIENCE)
    done = subprocess.run(["minikube", "addons", "disable", "dns"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert eventually(lambda: not kubectl.json("-n kube-system get pods,configmaps,deployments")["items"], PATIENCE)
    assert eventually(lambda: "nameserver 10." not in kubectl("exec client -- cat /etc/resolv.conf"), PATIENCE)
