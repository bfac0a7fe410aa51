"""minikube's commands, typed as people type them, and the labs that use them."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
from collections.abc import Iterator
from select import select

import pytest

from labhelpers.cluster import Cluster
from labhelpers.cluster.node_access import on_node
from labhelpers.cluster.state import State
from tests.netns.kernel import eventually, links


def bash(script: str) -> subprocess.CompletedProcess[str]:
    """A script as a ``%%bash`` cell runs it: through a pipe."""
    return subprocess.run(["bash"], input=script, capture_output=True, text=True, timeout=120)


def minikube(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["minikube", *arguments], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )


@pytest.fixture(autouse=True)
def _no_cluster_remains() -> Iterator[None]:
    yield
    if State.read() is not None:
        Cluster.running().delete()


@pytest.fixture
def started() -> None:
    assert minikube("start", "--nodes", "2").returncode == 0


def test_it_is_the_sandboxs_own() -> None:
    found = shutil.which("minikube")
    assert found is not None and found.endswith("/labhelpers/cluster/bin/minikube")
    assert "not minikube's own program" in minikube("version").stdout


def test_start_makes_nodes_with_minikubes_names_and_delete_leaves_nothing() -> None:
    before = sorted(os.listdir("/run/netns"))
    done = minikube("start", "-n", "3")
    assert done.returncode == 0, done.stderr
    assert {"minikube", "minikube-m02", "minikube-m03"} <= set(os.listdir("/run/netns"))
    assert {"minikube", "minikube-m02", "minikube-m03"} <= links("underlay").keys()
    assert minikube("node", "list").stdout.split()[::2] == ["minikube", "minikube-m02", "minikube-m03"]
    assert minikube("delete").returncode == 0
    assert eventually(lambda: sorted(os.listdir("/run/netns")) == before)
    assert "nothing to delete" in minikube("delete").stdout


def test_a_second_start_changes_nothing(started: None) -> None:
    pid = Cluster.running().pid
    assert "running already" in minikube("start", "--nodes=4").stdout
    assert Cluster.running().pid == pid and len(Cluster.running().nodes) == 2


def test_status_says_what_runs(started: None) -> None:
    done = minikube("status")
    assert done.returncode == 0
    assert done.stdout.split("\n\n")[0].splitlines() == [
        "minikube", "type: Control Plane", "host: Running", "kubelet: Running", "apiserver: Running",
        "kubeconfig: Configured",
    ]  # fmt: skip
    Cluster.running().nodes[1].delete()
    done = minikube("status")
    assert done.returncode == 7 and "host: Stopped" in done.stdout.split("\n\n")[1]


@pytest.mark.parametrize("command", ["status", "ssh", "ip"])
def test_without_a_cluster_it_says_how_to_start_one(command: str) -> None:
    done = minikube(command)
    assert done.returncode == 85
    assert 'Profile "minikube" not found' in done.stderr and "minikube start" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["start", "--cni=kindnet"], "this network is not built in the course yet"),
        (["start", "--cni=nonsense"], "there is no network of this name"),
        (["start", "--cni=./calico.yaml"], "a manifest cannot be installed here"),
        (["start", "--nodes", "0"], "A cluster cannot have 0 nodes"),
        (["start", "--nodes", "many"], "invalid int value"),
        (["start", "-p", "other"], "There is no profile"),
        (["start", "--nonsense"], "nrecognized arguments"),
        (["dashboard"], "is not implemented here"),
        (["nonsense"], 'unknown command "nonsense" for "minikube"'),
        ([], "required"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_nothing_is_made(arguments: list[str], said: str) -> None:
    done = minikube(*arguments)
    assert done.returncode == 14 and said in done.stderr, done
    assert State.read() is None
    assert "Traceback" not in done.stderr


def test_options_about_the_machine_are_taken_and_said_to_be_ignored() -> None:
    done = minikube("start", "--driver=docker", "--memory", "4096")
    assert done.returncode == 0
    assert "--driver is ignored" in done.stdout and "--memory is ignored" in done.stdout


@pytest.mark.parametrize(("cni", "device"), [("bridge", ""), ("flannel", "flannel.1")])
def test_the_network_is_the_one_that_was_asked_for(cni: str, device: str) -> None:
    assert minikube("start", "--nodes=2", f"--cni={cni}").returncode == 0
    said = minikube("ssh", "--", "cat", "/etc/cni/net.d/*").stdout
    assert json.loads(said)["name"] == cni
    interfaces = json.loads(minikube("ssh", "ip -json link").stdout)
    assert not device or device in {one["ifname"] for one in interfaces}


def test_without_a_network_nodes_are_not_ready(started: None) -> None:
    minikube("delete")
    assert "not ready" in minikube("start", "--cni=false").stdout
    assert minikube("ssh", "ls /etc/cni/net.d").stdout == ""


# --- a shell on a node -----------------------------------------------------------------------------------------------


def test_a_command_runs_on_the_node_and_its_status_comes_back(started: None) -> None:
    assert minikube("ssh", "--", "hostname").stdout == "minikube\n"
    assert minikube("ssh", "-n", "minikube-m02", "hostname").stdout == "minikube-m02\n"
    assert minikube("ssh", "hostname; exit 5").returncode == 5
    assert minikube("ssh", "ls", "-d", "/etc/cni/net.d").stdout == "/etc/cni/net.d\n"
    assert minikube("ip").stdout == "192.168.1.10\n"
    assert minikube("ip", "-n", "minikube-m02").stdout == "192.168.1.11\n"
    assert "no node 'other'" in minikube("ssh", "-n", "other").stderr


def test_lines_of_a_script_up_to_exit_are_for_the_node_and_those_after_it_are_not(started: None) -> None:
    done = bash("minikube ssh\nhostname\nsudo -i\nhostname\nexit\nexit\nhostname\n")
    assert done.stdout.split() == ["minikube", "minikube", os.uname().nodename], done.stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("sudo hostname", "minikube"),
        ("sudo -n -E hostname", "minikube"),
        ("sudo -u root hostname", "minikube"),
        ("sudo COLOUR=red printenv COLOUR", "red"),
        ("sudo -- echo -i", "-i"),
        ("sudo sh -c 'exit 3' || echo $?", "3"),
    ],
)
def test_nodes_have_a_sudo(started: None, command: str, said: str) -> None:
    assert minikube("ssh", command).stdout.strip() == said


def test_sudo_refuses_what_cannot_be(started: None) -> None:
    assert minikube("ssh", "sudo -u nobody id").returncode == 1
    assert minikube("ssh", "sudo").returncode == 1


def test_in_a_terminal_the_shell_is_interactive(started: None) -> None:
    ours, theirs = pty.openpty()
    shell = subprocess.Popen(["minikube", "ssh"], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    os.write(ours, b"echo $((20 + 3)); exit\n")
    said = b""
    while shell.poll() is None or select([ours], [], [], 0)[0]:
        if select([ours], [], [], 0.1)[0]:
            try:
                said += os.read(ours, 1000)
            except OSError:
                break
    os.close(ours)
    assert shell.wait(10) == 0
    assert b"@minikube:/" in said and b"\r23\r\n" in said


# --- the labs as they are typed --------------------------------------------------------------------------------------


def test_labs_1_and_2_as_typed(started: None) -> None:
    done = bash(
        "kubectl create deployment web --image=nginx --replicas=3\n"
        "kubectl rollout status deployment/web --timeout=60s\n"
        "kubectl get pods -o wide\n"
        "kubectl run sender --image=busybox --command -- sleep 3600\n"
        "kubectl run receiver --image=nginx\n"
        "kubectl wait --for=condition=Ready pod/sender pod/receiver --timeout=60s\n"
        "RECEIVER_IP=$(kubectl get pod receiver -o jsonpath='{.status.podIP}')\n"
        'echo "Receiver IP: $RECEIVER_IP"\n'
        "kubectl exec sender -- wget -qO- http://$RECEIVER_IP\n"
    )
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^web-\S+ +1/1 +Running .* (10\.0\.\d\.\d+) +(minikube\S*)", done.stdout, re.MULTILINE)
    assert len({address for address, _ in rows}) == 3
    assert re.search(r"^Receiver IP: 10\.0\.\d\.\d+$", done.stdout, re.MULTILINE)
    assert "<title>Welcome to nginx!</title>" in done.stdout


def test_lab_3_as_typed() -> None:
    assert minikube("start").returncode == 0
    assert (
        bash("kubectl run web --image=nginx; kubectl wait --for=condition=Ready pod/web --timeout=60s").returncode == 0
    )
    done = bash(
        "minikube ssh\nip link show type bridge\ncat /etc/cni/net.d/*\nip link show | grep veth\nip route\nexit\n"
    )
    assert done.returncode == 0 and not done.stderr
    assert re.search(r"^\d+: cni0: ", done.stdout, re.MULTILINE)
    assert '"type": "lab-bridge"' in done.stdout
    assert re.search(r"^\d+: veth\w+@if\d+: .* master cni0 ", done.stdout, re.MULTILINE)
    assert "10.0.1.0/24 dev cni0" in done.stdout


def test_lab_4_as_typed() -> None:
    assert minikube("start").returncode == 0
    assert (
        bash("kubectl run web --image=nginx; kubectl wait --for=condition=Ready pod/web --timeout=60s").returncode == 0
    )
    first = bash("minikube ssh\nsudo -i\nip netns list\nexit\nexit\n").stdout
    (name,) = re.findall(r"^(cni-[0-9a-f]{8}-\S+)", first, re.MULTILINE)
    done = bash(
        f"minikube ssh\nsudo -i\nip netns exec {name} ip addr\nip netns exec {name} ip route\nexit\nexit\necho back\n"
    )
    assert re.search(r"inet 10\.0\.1\.\d+/24 .* eth0", done.stdout)
    assert "default via 10.0.1.1 dev eth0" in done.stdout
    assert done.stdout.splitlines()[-1] == "back"


def test_lab_5_as_typed(started: None) -> None:
    done = bash(
        "minikube delete\n"
        "minikube start --cni=calico\n"
        "kubectl get pods -n kube-system -l k8s-app=calico-node\n"
        "kubectl logs -n kube-system -l k8s-app=calico-node -c calico-node --tail=20\n"
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^calico-node-\S+ +1/1 +Running ", done.stdout, re.MULTILINE)
    assert "model of calico's agent, not the product" in done.stdout
    assert "/etc/cni/net.d/" in done.stdout
    assert not re.search(r"^\d+: cni0:", bash("minikube ssh\nip link show type bridge\nexit\n").stdout, re.MULTILINE)


def test_a_command_on_a_node_is_the_same_whatever_the_cluster_is(started: None) -> None:
    assert on_node("hostname; ip link show type bridge | wc -l").stdout.splitlines()[0] == "minikube"
    assert on_node("hostname", "minikube-m02").stdout == "minikube-m02\n"
    assert on_node("exit 4").returncode == 4
