"""A whole cluster, driven by the real kubectl as a learner would; what it claims is compared with the kernel."""

from __future__ import annotations

import json
import os
import signal
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from labhelpers.cluster import Cluster
from labhelpers.errors import AlreadyExists, BadInput, NotFound
from labhelpers.lab import Lab
from tests.netns.cni import on_node
from tests.netns.kernel import eventually, ip
from tests.netns.kubectl import Kubectl, cluster_with_kubectl

PATIENCE = 30.0
MANIFEST = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "two", "labels": {"app": "two"}},
    "spec": {"containers": [{"name": "c", "image": "busybox", "command": ["sleep", "3600"]}]},
}


@pytest.fixture
def kubectl() -> Iterator[Kubectl]:
    with cluster_with_kubectl() as one:
        yield one


def test_a_deployment_is_rolled_out_changed_and_rolled_back(kubectl: Kubectl) -> None:
    assert kubectl("create deployment web --image=nginx --replicas=3") == "deployment.apps/web created"
    assert "successfully rolled out" in kubectl("rollout status deployment/web --timeout=30s")
    header, *rows = kubectl("get pods -l app=web -o wide").splitlines()
    assert header.split()[:8] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED"]
    assert {row.split()[2] for row in rows} == {"Running"}
    assert {row.split()[6] for row in rows} == {"node-1", "node-2"}
    kubectl("set env deployment/web A=b")
    assert "successfully rolled out" in kubectl("rollout status deployment/web --timeout=30s")
    assert [line.split()[0] for line in kubectl("rollout history deployment/web").splitlines()[2:4]] == ["1", "2"]
    kubectl("rollout undo deployment/web")
    assert "successfully rolled out" in kubectl("rollout status deployment/web --timeout=30s")
    assert "env" not in kubectl.json("get deployment web")["spec"]["template"]["spec"]["containers"][0]
    kubectl("scale deployment web --replicas=1")
    kubectl("wait --for=jsonpath={.status.replicas}=1 deployment/web --timeout=30s")
    kubectl("delete deployment web")
    assert eventually(lambda: kubectl("get pods,replicasets -o name") == "", PATIENCE)


def test_pods_on_two_nodes_reach_each_other_at_the_addresses_that_kubectl_names(kubectl: Kubectl) -> None:
    kubectl("run receiver --image=nginx")
    kubectl("wait --for=condition=Ready pod/receiver --timeout=30s")
    receiver = kubectl.json("get pod receiver")
    other = "node-2" if receiver["spec"]["nodeName"] == "node-1" else "node-1"
    kubectl.sleeper("sender", node=other)
    address = kubectl.address("receiver")
    assert "Welcome to nginx" in kubectl("exec sender -- wget -qO-", f"http://{address}")
    assert f"{kubectl.address('sender')} - - " in kubectl("logs receiver")
    assert f"inet {kubectl.address('sender')}/24" in kubectl("exec sender -- ip address")
    names = on_node(kubectl.cluster.node(other), "ip", "netns", "list").split()
    assert [one for one in names if one.startswith("cni-")]


def test_a_pods_life_is_told_in_events(kubectl: Kubectl) -> None:
    kubectl.sleeper("web")
    told = kubectl("describe pod web")
    reasons = [line.split()[1] for line in told.partition("Events:")[2].splitlines()[3:]]
    assert [one for one in reasons if one in ("Scheduled", "Pulled", "Created", "Started")] == [
        "Scheduled", "Pulled", "Created", "Started",
    ]  # fmt: skip
    assert "Successfully assigned default/web to node-" in told


def test_exec_carries_input_output_and_the_exit_status(kubectl: Kubectl) -> None:
    kubectl.sleeper("box")
    assert kubectl("exec -i box -- cat", input="hello\n" * 10_000).count("hello") == 10_000
    done = kubectl.run("exec", "box", "--", "sh", "-c", "echo no >&2; exit 7")
    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr.splitlines() == ["no", "command terminated with exit code 7"]
    assert "executable file not found" in kubectl.refused("exec box -- nothing")
    assert kubectl("exec box -- hostname") == "box"


def test_the_old_transport_carries_the_same(kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false")
    monkeypatch.setenv("KUBECTL_PORT_FORWARD_WEBSOCKETS", "false")
    kubectl.sleeper("box")
    assert kubectl("exec -i box -- cat", input="hello\n" * 10_000).count("hello") == 10_000
    assert kubectl.run("exec", "box", "--", "sh", "-c", "exit 7").returncode == 7


def test_files_are_copied_both_ways(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl.sleeper("box")
    data = os.urandom(300_000)
    (tmp_path / "there").write_bytes(data)
    kubectl("cp", str(tmp_path / "there"), "box:/tmp/there")
    kubectl("cp", "box:/tmp/there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data


def test_a_port_is_forwarded(kubectl: Kubectl) -> None:
    kubectl("run web --image=nginx")
    kubectl("wait --for=condition=Ready pod/web --timeout=30s")
    with kubectl.background("port-forward", "pod/web", ":80") as process:
        assert process.stdout is not None
        port = process.stdout.readline().split("127.0.0.1:")[1].split()[0]
        for _ in range(3):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                assert b"Welcome to nginx" in answer.read()
        process.terminate()


def test_logs_are_followed_while_they_are_written(kubectl: Kubectl) -> None:
    script = "echo one; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo two"
    kubectl("run teller --image=busybox --restart=Never --command -- sh -c", script)
    kubectl("wait --for=condition=Ready pod/teller --timeout=30s")
    with kubectl.background("logs", "-f", "teller") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "one\n"
        kubectl("exec teller -- touch /tmp/go")
        assert process.stdout.read() == "two\n"
    assert kubectl("logs teller --tail=1") == "two"


def test_what_is_applied_is_created_changed_and_left(kubectl: Kubectl) -> None:
    manifest = json.dumps(MANIFEST)
    assert kubectl("apply -f -", input=manifest) == "pod/two created"
    assert kubectl("apply -f -", input=manifest) == "pod/two unchanged"
    changed = manifest.replace('"app": "two"', '"app": "three"')
    assert kubectl("apply -f -", input=changed) == "pod/two configured"
    assert kubectl("get pods -l app=three -o name") == "pod/two"
    wrong = manifest.replace('"image"', '"imag"')
    assert 'unknown field "spec.containers[0].imag"' in kubectl.refused("apply -f -", input=wrong)
    assert "no server-side apply" in kubectl.refused("apply --server-side -f -", input=manifest)
    assert "List of ports to expose" in kubectl("explain pod.spec.containers.ports")


def test_a_deleted_pod_leaves_nothing_on_its_node(kubectl: Kubectl) -> None:
    kubectl.sleeper("web", node="node-1")
    node = kubectl.cluster.node("node-1")

    def what_is_there() -> tuple[int, int]:
        ports = [one for one in ip("link", namespace="node-1") if one.get("master") == "cni0"]
        return len([one for one in on_node(node, "ip", "netns", "list").split() if one.startswith("cni-")]), len(ports)

    assert what_is_there() == (1, 1)
    kubectl("delete pod web --grace-period=1")
    assert kubectl("get pods -o name") == ""
    assert eventually(lambda: what_is_there() == (0, 0), PATIENCE)


def test_a_namespace_goes_with_what_is_in_it(kubectl: Kubectl) -> None:
    kubectl("create namespace team")
    kubectl("create deployment web --image=nginx -n team")
    kubectl("rollout status deployment/web -n team --timeout=30s")
    kubectl("delete namespace team --timeout=60s")
    assert kubectl("get all,endpoints,serviceaccounts -n team -o name") == ""


def test_pods_of_a_node_that_is_deleted_are_replaced_elsewhere(kubectl: Kubectl) -> None:
    kubectl("create deployment web --image=nginx --replicas=2")
    kubectl("rollout status deployment/web --timeout=30s")
    kubectl.cluster.node("node-2").delete()
    kubectl("delete node node-2")
    there = "jsonpath={.items[*].spec.nodeName}"
    assert eventually(lambda: kubectl("get pods -l app=web -o", there) == "node-1 node-1", PATIENCE)
    kubectl("rollout status deployment/web --timeout=30s")


def test_fifty_kubectls_at_once_are_all_answered(kubectl: Kubectl) -> None:
    kubectl("version")  # so that not all of them discover what there is
    done: list[int] = []

    def one(number: int) -> None:
        line = f"create configmap c{number} --from-literal=a={number}"
        done.append(kubectl.run(*line.split()).returncode)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [0] * 50
    assert len(kubectl("get configmaps -o name").splitlines()) == 50
    assert sorted(kubectl("get configmaps -o name --chunk-size=7").splitlines()) == sorted(
        f"configmap/c{number}" for number in range(50)
    )


def test_a_kubectl_that_is_killed_ends_its_program_and_nothing_else(kubectl: Kubectl) -> None:
    kubectl.sleeper("box")
    with kubectl.background("exec", "box", "--", "sh", "-c", "echo begun; exec sleep 4711") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGKILL)
    assert eventually(lambda: "4711" not in kubectl("exec box -- ps"), PATIENCE)
    assert kubectl("get pod box -o", "jsonpath={.status.containerStatuses[0].restartCount}") == "0"


def test_nodes_without_a_network_are_not_ready_and_say_why() -> None:
    with cluster_with_kubectl(1, network="none") as kubectl:
        assert eventually(lambda: "NotReady" in kubectl("get nodes"), PATIENCE)
        assert "cni plugin not initialized" in kubectl("describe node node-1")
        kubectl("run web --image=nginx")
        why = "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }."
        assert eventually(lambda: why in kubectl("describe pod web"), PATIENCE)


def test_flannels_packets_go_through_its_tunnel() -> None:
    with cluster_with_kubectl(2, network="flannel") as kubectl:
        kubectl.sleeper("a", node="node-1")
        kubectl.sleeper("b", node="node-2")
        before = ip("-statistics", "link", "show", "flannel.1", namespace="node-1")[0]["stats64"]["tx"]["packets"]
        assert "3 packets received" in kubectl("exec a -- ping -c 3 -i 0.2", kubectl.address("b"))
        after = ip("-statistics", "link", "show", "flannel.1", namespace="node-1")[0]["stats64"]["tx"]["packets"]
        assert after - before >= 3


def test_a_cluster_is_saved_and_loaded(tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    with cluster_with_kubectl(2) as kubectl:
        kubectl("create configmap c --from-literal=a=b")
        kubectl("create deployment web --image=nginx")
        kubectl("rollout status deployment/web --timeout=30s")
        names = kubectl("get pods,configmaps,replicasets -o name")
        kubectl.cluster.save(saved)
    with Lab() as lab, Cluster.load(saved, lab=lab) as cluster:
        again = Kubectl(cluster)
        assert again("get pods,configmaps,replicasets -o name") == names
        again("wait --for=condition=Ready pod -l app=web --timeout=30s")
        again.sleeper("box")
        pod = again("get pods -l app=web -o", "jsonpath={.items[0].status.podIP}")
        assert "Welcome to nginx" in again("exec box -- wget -qO-", f"http://{pod}")
    with pytest.raises(BadInput, match="no saved cluster"):
        Cluster.load(tmp_path / "nothing")


def test_a_sandbox_has_one_cluster_and_everybody_finds_it(kubectl: Kubectl) -> None:
    found = Cluster.running()
    assert (found.pid, found.url) == (kubectl.cluster.pid, kubectl.cluster.url)
    assert [(one.name, one.address, one.pod_cidr) for one in found.nodes] == [
        ("node-1", "192.168.1.10", "10.0.1.0/24"),
        ("node-2", "192.168.1.11", "10.0.2.0/24"),
    ]
    with pytest.raises(AlreadyExists, match="a cluster in this sandbox already"):
        Cluster()
    with pytest.raises(NotFound, match="no node 'node-9'"):
        found.node("node-9")


def test_a_cluster_that_was_killed_is_cleared_up_by_delete_and_by_the_next(kubectl: Kubectl) -> None:
    kubectl.sleeper("box")
    os.kill(kubectl.cluster.pid, signal.SIGKILL)
    assert eventually(lambda: not kubectl.cluster.runs, PATIENCE)
    assert Path("/run/netns/node-1").exists()
    with Cluster(1) as again:
        assert [one.name for one in again.nodes] == ["node-1"]
        assert not Path("/run/netns/node-2").exists()
        os.kill(again.pid, signal.SIGKILL)
    assert not Path("/run/netns/node-1").exists()
    assert not Path("/run/netns/underlay").exists()
    kubectl.cluster.delete()


def test_what_has_a_killed_clusters_name_by_now_is_left_alone() -> None:
    with Lab() as lab:
        killed = Cluster(1, lab=lab)
        os.kill(killed.pid, signal.SIGKILL)
        assert eventually(lambda: not killed.runs, PATIENCE)
        lab.reset()
        mine = lab.node("node-1")
        with pytest.raises(AlreadyExists, match="'node-1'"):
            Cluster(1)
        killed.delete()
        assert mine.exists


def test_a_name_that_is_taken_leaves_nothing_half_built() -> None:
    with Lab() as lab:
        lab.node("node-2")
        with pytest.raises(AlreadyExists, match="'node-2'"):
            Cluster(2)
        assert not Path("/run/netns/node-1").exists()


@pytest.mark.parametrize("nodes", [0, -1, True, "2", 51])
def test_a_number_of_nodes_that_is_none_is_refused(nodes: int) -> None:
    with pytest.raises(BadInput, match="cannot have"):
        Cluster(nodes)


def test_an_unknown_network_is_refused_before_anything_is_made() -> None:
    with pytest.raises(BadInput, match=r"no network 'kindnet'.*bridge, flannel, calico, canal, cilium, weave, none"):
        Cluster(1, network="kindnet")
    assert not Path("/run/netns/node-1").exists()
