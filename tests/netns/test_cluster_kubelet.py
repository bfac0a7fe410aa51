"""A pod's life on a node: from the store to Ready, and to nothing again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labhelpers.cluster.api.defaults import set_defaults
from labhelpers.lab.label import Label
from labhelpers.store import CONFIGMAPS, EVENTS, NODES, PODS, Conflict, MemoryStore, Object, Resource
from labhelpers.topology import Snapshot
from tests.netns.cni import cables, leases, names, on_node
from tests.netns.kernel import eventually
from tests.netns.kubelets import Kubelets, configure, kubelets

POLITE = ("sh", "-c", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done")


@pytest.fixture
def here() -> Iterator[Kubelets]:
    with kubelets() as it:
        yield it


@pytest.fixture
def unconnected() -> Iterator[Kubelets]:
    with kubelets(connected=False) as it:
        yield it


def in_pod(here: Kubelets, *command: str) -> Any:
    """What ``ip -json`` says in the one namespace that pods have on the node."""
    (name,) = names(here.node)
    return json.loads(on_node(here.node, "ip", "netns", "exec", name, *command))


def remains(here: Kubelets) -> list[str]:
    """What of pods is left on the node."""
    root = here.node.root
    files = [
        str(path)
        for folder in ("run/kubelet/pods", "run/containerd/containers", "var/log/pods", "var/log/containers")
        for path in Path(root, folder).glob("*")
    ]
    return [*names(here.node), *cables(here.node), *leases(here.node), *files]


# --- the way to Ready ------------------------------------------------------------------------------------------------


def test_each_step_is_an_event_in_the_real_order(here: Kubelets) -> None:
    here.run()
    assert here.reasons() == [
        "SandboxCreated", "AddedInterface", "Pulling", "Pulled", "Created", "Started",
    ]  # fmt: skip


def test_the_namespace_is_the_kubelets_and_has_the_address_that_the_status_says(here: Kubelets) -> None:
    here.run()
    (name,) = names(here.node)
    assert name.startswith("cni-")
    links = {one["ifname"]: one for one in in_pod(here, "ip", "-json", "-details", "address")}
    address = next(one["local"] for one in links["eth0"]["addr_info"] if one["family"] == "inet")
    assert address == here.status()["podIP"]
    assert Label.parse(links["lo"]["ifalias"]) == Label("pod", "default/web", here.node.name, "kubelet")


def test_a_picture_shows_the_pod_by_its_name(here: Kubelets) -> None:
    here.run()
    (pod,) = (one for one in Snapshot.take().namespaces if one.owner == "kubelet")
    assert (pod.role, pod.name, pod.node) == ("pod", "default/web", here.node.name)


def test_a_pod_reaches_the_nginx_of_another_node() -> None:
    with kubelets(2) as here:
        second = here.lab.nodes[1]
        here.run("sender")
        here.run("receiver", "nginx:alpine", spec_nodeName=second.name)
        address = here.status("receiver")["podIP"]
        assert address.startswith("10.0.2.")
        status, said = here.exec("sender", "wget", "-qO-", f"http://{address}")
        assert status == 0 and "Welcome to nginx!" in said


def test_what_stands_for_an_image_is_said(here: Kubelets) -> None:
    here.run("web", "nginx:1.27")
    messages = dict(here.events())
    assert messages["Pulling"] == 'Pulling image "nginx:1.27"'
    assert messages["Pulled"].startswith('Successfully pulled image "nginx:1.27": nginx')
    assert messages["Pulled"].endswith("stand for it")
    assert here.container()["image"] == "docker.io/library/nginx:1.27"
    here.run("again", "nginx:1.27")
    assert dict(here.events("again"))["Pulled"] == 'Container image "nginx:1.27" already present on machine'


def test_the_files_that_a_kubelet_keeps_in_etc(here: Kubelets) -> None:
    here.run(spec_hostAliases=[{"ip": "10.9.9.9", "hostnames": ["far", "away"]}])
    _, hosts = here.exec("web", "cat", "/etc/hosts")
    assert hosts.splitlines()[0] == "# Kubernetes-managed hosts file."
    assert f"{here.status()['podIP']}\tweb" in hosts.splitlines()
    assert "10.9.9.9\tfar\taway" in hosts.splitlines()
    assert here.exec("web", "hostname") == (0, "web\n")
    assert here.exec("web", "cat", "/etc/hostname") == (0, "web\n")


def test_the_clusters_dns_is_asked_where_there_is_one(here: Kubelets) -> None:
    dns = here.run("dns")
    dns["metadata"]["namespace"] = "kube-system"
    dns["metadata"]["labels"] = {"k8s-app": "kube-dns"}
    made = here.store.create(PODS, {**dns, "spec": {**dns["spec"], "nodeName": "elsewhere"}})
    here.store.update(PODS, {**made, "status": {"podIP": "10.0.9.9"}}, subresource="status")
    here.run("web")
    assert here.exec("web", "cat", "/etc/resolv.conf")[1].splitlines() == [
        "search default.svc.cluster.local svc.cluster.local cluster.local",
        "nameserver 10.0.9.9",
        "options ndots:5",
    ]


def test_a_pod_on_the_nodes_network_has_the_nodes_address_and_name(here: Kubelets) -> None:
    here.run(spec_hostNetwork=True)
    assert here.status()["podIP"] == here.node.address
    assert here.exec("web", "hostname") == (0, f"{here.node.name}\n")
    assert here.exec("web", "cat", "/sys/class/net/eth0/address") == (
        0,
        on_node(here.node, "cat", "/sys/class/net/eth0/address"),
    )
    assert names(here.node) == []
    here.delete()
    assert here.node.exists and not remains(here)


# --- when the network is not there -----------------------------------------------------------------------------------


def test_without_a_network_configuration_the_node_is_not_ready_and_pods_wait(unconnected: Kubelets) -> None:
    here = unconnected
    here.create("web", "busybox", "sleep", "3600")
    assert here.comes(lambda: "NetworkNotReady" in here.reasons())
    condition = here.store.get(NODES, here.node.name)["status"]["conditions"][-1]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Ready", "False", "KubeletNotReady")
    assert condition["message"].endswith("cni plugin not initialized")
    assert here.waiting() == "ContainerCreating" and names(here.node) == []
    configure(here.node)
    assert here.comes(here.ready)
    assert here.store.get(NODES, here.node.name)["status"]["conditions"][-1]["status"] == "True"


def test_a_pod_on_the_nodes_network_needs_no_network_configuration(unconnected: Kubelets) -> None:
    unconnected.run(spec_hostNetwork=True)


def test_an_image_that_is_corrected_is_pulled_at_once(here: Kubelets) -> None:
    def change(image: str) -> None:
        container = {**here.pod()["spec"]["containers"][0], "image": image}
        here.store.patch(PODS, "web", {"spec": {"containers": [container]}}, "default")

    here.create("web", "ngnix", spec_terminationGracePeriodSeconds=1)
    assert here.comes(lambda: here.waiting() == "ImagePullBackOff")
    change("nginx")
    assert here.comes(here.ready)
    change("nginx:1")
    assert here.comes(lambda: here.container().get("restartCount") == 1 and here.ready())
    assert ("Killing", "Container web definition changed, will be restarted") in here.events()


def test_events_are_listed_in_order_of_time(here: Kubelets) -> None:
    here.run("web", "nginx")
    listed = [one["reason"] for one in here.store.list(EVENTS) if one["involvedObject"]["name"] == "web"]
    assert listed == ["SandboxCreated", "AddedInterface", "Pulling", "Pulled", "Created", "Started"]


def test_when_a_plugin_fails_the_pod_waits_nothing_is_left_and_it_is_tried_again(here: Kubelets) -> None:
    configure(here.node, isDefaultGateway="yes")  # which is no boolean
    here.create("web", "busybox", "sleep", "3600")
    assert here.comes(lambda: "FailedCreatePodSandBox" in here.reasons())
    message = dict(here.events())["FailedCreatePodSandBox"]
    assert 'plugin type="lab-bridge" failed (add): ' in message and "isDefaultGateway" in message
    assert here.waiting() == "ContainerCreating"
    assert eventually(lambda: not names(here.node)) and not cables(here.node) and not leases(here.node)
    configure(here.node)
    assert here.comes(here.ready)


# --- images, commands ------------------------------------------------------------------------------------------------


def test_an_unknown_image_is_refused_with_the_list_of_what_there_is(here: Kubelets) -> None:
    here.create("web", "redis:7")
    assert here.comes(lambda: here.waiting() == "ImagePullBackOff")
    assert here.status()["phase"] == "Pending"
    messages = [message for reason, message in here.events() if reason == "Failed"]
    assert messages[0].startswith('Failed to pull image "redis:7": nothing here stands for')
    assert "busybox," in messages[0]
    assert messages[1:] == ["Error: ErrImagePull", "Error: ImagePullBackOff"]
    here.delete(grace=0)
    assert eventually(lambda: not remains(here))


@pytest.mark.parametrize(
    ("namespace", "host_network", "privileged", "missing"),
    [
        ("default", True, True, "to be in the namespace kube-system."),
        ("kube-system", False, True, "hostNetwork: true."),
        ("kube-system", True, False, "privileged: true."),
        ("default", False, False, "to be in the namespace kube-system, hostNetwork: true, privileged: true."),
    ],
)
@pytest.mark.parametrize("image", ["calico/node:v3.32.1", "docker.io/flannel/flannel"])
def test_the_image_of_a_networks_agent_gives_the_nodes_files_to_nobody_else(
    here: Kubelets, image: str, namespace: str, host_network: bool, privileged: bool, missing: str
) -> None:
    container = {
        "name": "web",
        "image": image,
        "command": ["touch", "/run/was-here"],
        "securityContext": {"privileged": privileged},
    }
    spec = {"nodeName": here.node.name, "hostNetwork": host_network, "containers": [container]}
    pod = {"metadata": {"name": "web", "namespace": namespace}, "spec": spec}
    set_defaults(PODS, pod)
    here.store.create(PODS, pod)
    try:
        assert here.comes(lambda: [one for one in here.events() if one[1] == "Error: ErrImagePull"])
        said = next(message for reason, message in here.events() if reason == "Failed")
        assert said.startswith(f'Failed to pull image "{image}": ') and f"the pod needs {missing}" in said
        assert not Path(f"{here.node.root}/run/was-here").exists()
    finally:
        here.store.delete(PODS, "web", namespace, grace=0)
        assert here.comes(lambda: not here.there())


def test_an_agent_in_kube_system_runs_in_the_nodes_files(here: Kubelets) -> None:
    container = {
        "name": "web",
        "image": "calico/node",
        "command": ["touch", "/run/was-here"],
        "securityContext": {"privileged": True},
    }
    spec = {"nodeName": here.node.name, "hostNetwork": True, "restartPolicy": "Never", "containers": [container]}
    pod = {"metadata": {"name": "web", "namespace": "kube-system"}, "spec": spec}
    set_defaults(PODS, pod)
    here.store.create(PODS, pod)
    assert here.comes(Path(f"{here.node.root}/run/was-here").exists)
    here.store.delete(PODS, "web", "kube-system", grace=0)
    assert here.comes(lambda: not here.there())
    Path(f"{here.node.root}/run/was-here").unlink()


@pytest.mark.parametrize(
    ("image", "policy", "reason"),
    [("Red Is", "Always", "InvalidImageName"), ("alpine:never", "Never", "ErrImageNeverPull")],
)
def test_an_image_that_cannot_be_is_told_apart(here: Kubelets, image: str, policy: str, reason: str) -> None:
    here.create("web", image, imagePullPolicy=policy)
    assert here.comes(lambda: here.waiting() == reason)


def test_a_program_that_is_not_there_is_named(here: Kubelets) -> None:
    here.create("web", "busybox", "nothing")
    assert here.comes(lambda: here.container().get("lastState", {}).get("terminated"))
    last = here.container()["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (128, "StartError")
    assert 'exec: "nothing": executable file not found in $PATH' in last["message"]


def test_command_and_arguments_replace_those_of_the_image(here: Kubelets) -> None:
    here.create(
        "args", "nginx", args=["echo", "$(WHO)", "$$(WHO)", "$(NOBODY)"], env=[{"name": "WHO", "value": "me"}],
        spec_restartPolicy="Never",
    )  # fmt: skip
    assert here.comes(lambda: here.status("args").get("phase") == "Succeeded")
    assert here.logs("args") == "me $(WHO) $(NOBODY)\n"


# --- restarts --------------------------------------------------------------------------------------------------------


def test_what_ends_is_started_again_at_once_and_then_after_a_while(here: Kubelets) -> None:
    here.create("web", "busybox", "sh", "-c", "echo I was here; exit 3")
    assert here.comes(lambda: here.waiting() == "CrashLoopBackOff")
    container = here.container()
    assert container["restartCount"] == 1 and not container["ready"]
    assert container["lastState"]["terminated"]["exitCode"] == 3
    assert container["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=web")
    assert here.status()["phase"] == "Running"
    assert "BackOff" in here.reasons()
    assert here.logs(previous=True) == "I was here\n"


@pytest.mark.parametrize(
    ("policy", "status", "phase"), [("Never", 0, "Succeeded"), ("Never", 4, "Failed"), ("OnFailure", 0, "Succeeded")]
)
def test_what_is_not_started_again_has_ended_and_gives_its_network_back(
    here: Kubelets, policy: str, status: int, phase: str
) -> None:
    here.create("web", "busybox", "sh", "-c", f"echo done; exit {status}", spec_restartPolicy=policy)
    assert here.comes(lambda: here.status().get("phase") == phase)
    assert here.container()["state"]["terminated"]["exitCode"] == status
    assert here.comes(lambda: not names(here.node)) and not leases(here.node)
    assert here.logs() == "done\n"
    here.delete(grace=0)
    assert eventually(lambda: not remains(here))


def test_what_failed_is_started_again_where_the_policy_says_on_failure(here: Kubelets) -> None:
    here.create("web", "busybox", "false", spec_restartPolicy="OnFailure")
    assert here.comes(lambda: here.container().get("restartCount") == 1)


def test_a_container_that_is_killed_is_started_again_and_keeps_its_address(here: Kubelets) -> None:
    address = here.run()["status"]["podIP"]
    os.kill(_process_of(here), signal.SIGKILL)
    assert here.comes(lambda: here.container()["restartCount"] == 1 and here.ready())
    assert here.container()["lastState"]["terminated"]["exitCode"] == 137
    assert here.status()["podIP"] == address


def _process_of(here: Kubelets, name: str = "web") -> int:
    worker = next(iter(here.kubelet._workers.values()))
    started = worker.containers[0].started
    assert started is not None
    return started.running.pid


def test_a_sandbox_that_is_killed_is_made_anew(here: Kubelets) -> None:
    here.run()
    before = names(here.node)
    worker = next(iter(here.kubelet._workers.values()))
    assert worker.sandbox is not None
    os.kill(worker.sandbox.running.pid, signal.SIGKILL)
    assert here.comes(lambda: here.container()["restartCount"] == 1 and here.ready())
    assert "SandboxChanged" in here.reasons()
    assert names(here.node) != before and len(names(here.node)) == 1
    assert here.comes(lambda: len(cables(here.node)) == 1)
    assert here.exec("web", "cat", "/sys/class/net/eth0/operstate") == (0, "up\n")


# --- the end ---------------------------------------------------------------------------------------------------------


def test_a_pod_is_asked_to_end_and_leaves_nothing(here: Kubelets) -> None:
    here.run("web", "busybox", *POLITE)
    log = Path(here.node.root, "var/log/pods")
    assert eventually(lambda: any("ready" in path.read_text() for path in log.glob("*/*/*.log")))
    here.store.delete(PODS, "web", "default", grace=30)
    assert here.comes(lambda: not here.there())
    assert ("Killing", "Stopping container web") in here.events()
    assert eventually(lambda: not remains(here))


def test_who_does_not_end_is_ended_when_the_time_is_over(here: Kubelets) -> None:
    here.run()
    process = _process_of(here)
    here.delete(grace=1)
    assert not os.path.exists(f"/proc/{process}") and eventually(lambda: not remains(here))


def test_a_second_delete_shortens_the_time(here: Kubelets) -> None:
    here.run()
    here.store.delete(PODS, "web", "default", grace=3600)
    assert here.comes(lambda: "Killing" in here.reasons())
    assert here.there()
    here.delete(grace=1)


def test_a_pod_that_was_deleted_by_force_is_taken_away_all_the_same(here: Kubelets) -> None:
    here.run()
    here.store.delete(PODS, "web", "default", grace=0)
    assert not here.there()
    assert here.comes(lambda: not remains(here))


def test_a_pod_of_the_same_name_made_at_once_is_another(here: Kubelets) -> None:
    first = here.run()
    here.store.delete(PODS, "web", "default", grace=0)
    second = here.run()
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    assert here.comes(lambda: len(names(here.node)) == 1)
    assert here.exec("web", "true") == (0, "")


def test_a_pod_is_not_forgotten_while_its_network_cannot_be_taken_down(here: Kubelets) -> None:
    here.run()
    plugin = Path("/opt/cni/bin/lab-bridge")
    plugin.chmod(0o644)
    try:
        here.store.delete(PODS, "web", "default", grace=1)
        assert here.comes(lambda: "FailedKillPod" in here.reasons())
        assert here.there() and leases(here.node)
    finally:
        plugin.chmod(0o755)
    assert here.comes(lambda: not here.there()) and not remains(here)


# --- several containers ----------------------------------------------------------------------------------------------


def test_init_containers_run_one_after_the_other_before_the_rest(here: Kubelets) -> None:
    share = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}], "image": "busybox"}
    init = [
        {"name": f"init-{n}", "command": ["sh", "-c", f"sleep 0.1; echo {n} >> /shared/order"], **share} for n in "12"
    ]
    here.run(
        volumeMounts=share["volumeMounts"], spec_initContainers=init, spec_volumes=[{"name": "shared", "emptyDir": {}}]
    )
    assert here.exec("web", "cat", "/shared/order") == (0, "1\n2\n")
    states = [one["state"]["terminated"]["reason"] for one in here.status()["initContainerStatuses"]]
    assert states == ["Completed", "Completed"]


def test_while_an_init_container_fails_the_others_wait(here: Kubelets) -> None:
    here.create(
        "web", "busybox", "sleep", "9", spec_initContainers=[{"name": "init", "image": "busybox", "command": ["false"]}]
    )
    assert here.comes(lambda: here.status().get("initContainerStatuses", [{}])[0].get("restartCount") == 1)
    assert here.status()["phase"] == "Pending" and here.waiting() == "PodInitializing"


def test_containers_of_a_pod_share_its_network_and_not_their_processes(here: Kubelets) -> None:
    server = {"name": "web", "image": "nginx"}
    client = {"name": "client", "image": "busybox", "command": ["sleep", "3600"]}
    here.run(spec_containers=[server, client])
    status, said = here.exec("web", "wget", "-qO-", "http://127.0.0.1", container="client")
    assert status == 0 and "Welcome to nginx!" in said
    assert "nginx" not in here.exec("web", "ps", container="client")[1]


# --- configuration ---------------------------------------------------------------------------------------------------


def test_variables_come_from_the_pod_itself_and_from_config_maps(here: Kubelets) -> None:
    here.config_map("settings", colour="red", size="large")
    env: list[dict[str, Any]] = [
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
        {"name": "BOTH", "value": "$(NAME) is $(COLOUR)"},
        {"name": "NOT", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "x", "optional": True}}},
    ]
    here.run(env=env, envFrom=[{"configMapRef": {"name": "settings"}, "prefix": "MY_"}])
    said = dict(line.split("=", 1) for line in here.exec("web", "env")[1].splitlines())
    wanted = {"NAME": "web", "IP": here.status()["podIP"], "COLOUR": "red", "BOTH": "web is red", "MY_size": "large"}
    assert wanted.items() <= said.items() and "NOT" not in said


def test_a_config_map_that_is_not_there_is_waited_for(here: Kubelets) -> None:
    here.create(
        "web", "busybox", "sleep", "9",
        env=[{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "x"}}}],
    )  # fmt: skip
    assert here.comes(lambda: here.waiting() == "CreateContainerConfigError")
    assert ("Failed", 'Error: configmap "late" not found') in here.events()
    here.config_map("late", x="1")
    assert here.comes(here.ready)


def test_volumes_of_a_config_map_of_the_pod_and_of_the_node(here: Kubelets) -> None:
    here.config_map("site", **{"index.html": "mine\n"})
    Path(here.node.root, "run/on-node").write_text("node\n")
    volumes = [
        {"name": "site", "configMap": {"name": "site"}},
        {"name": "node", "hostPath": {"path": "/run/on-node", "type": "File"}},
        {"name": "pod", "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]
    mounts = [
        {"name": "site", "mountPath": "/usr/share/nginx/html", "readOnly": True},
        {"name": "node", "mountPath": "/node"},
        {"name": "pod", "mountPath": "/pod"},
    ]
    here.run("web", "nginx", volumeMounts=mounts, spec_volumes=volumes)
    assert here.exec("web", "wget", "-qO-", "http://127.0.0.1") == (0, "mine\n")
    assert here.exec("web", "cat", "/node", "/pod/name") == (0, "node\nweb")
    assert here.exec("web", "touch", "/usr/share/nginx/html/x")[0] == 1


def test_a_volume_that_is_not_implemented_is_refused_in_words(here: Kubelets) -> None:
    here.create("web", "busybox", "sleep", "9", spec_volumes=[{"name": "s", "secret": {"secretName": "x"}}])
    assert here.comes(lambda: "FailedMount" in here.reasons())
    assert "secret is not implemented in this cluster" in dict(here.events())["FailedMount"]
    assert here.waiting() == "ContainerCreating"


def test_what_a_pod_asks_for_and_does_not_get_is_said(here: Kubelets) -> None:
    here.run(resources={"limits": {"memory": "1Gi"}}, securityContext={"runAsUser": 1000})
    said = [message for reason, message in here.events() if reason == "NotImplemented"]
    assert said[0] == "spec.containers{web}.resources.limits has no effect: a container may use all of the machine"
    one_user = Path("/proc/self/uid_map").read_text().split()[2] == "1"
    assert any("runAsUser has no effect" in one for one in said) == one_user
    assert here.exec("web", "id", "-u") == (0, "0\n" if one_user else "1000\n")


# --- probes ----------------------------------------------------------------------------------------------------------


def test_a_pod_is_ready_when_its_probe_says_so_and_no_longer_when_not(here: Kubelets) -> None:
    probe = {"exec": {"command": ["test", "-e", "/ready"]}, "periodSeconds": 1, "failureThreshold": 1}
    here.create("web", "busybox", "sleep", "3600", readinessProbe=probe)
    assert here.comes(lambda: "Unhealthy" in here.reasons())
    assert here.status()["phase"] == "Running" and not here.ready()
    here.exec("web", "touch", "/ready")
    assert here.comes(here.ready)
    here.exec("web", "rm", "/ready")
    assert here.comes(lambda: not here.ready())


def test_who_fails_its_liveness_probe_is_started_again(here: Kubelets) -> None:
    probe = {"httpGet": {"port": 81}, "periodSeconds": 1, "failureThreshold": 1}
    here.create("web", "nginx", livenessProbe=probe, spec_terminationGracePeriodSeconds=1)
    assert here.comes(lambda: here.container().get("restartCount") == 1)
    assert ("Killing", "Container web failed liveness probe, will be restarted") in here.events()


def test_http_and_tcp_probes_come_from_the_node(here: Kubelets) -> None:
    http = {"httpGet": {"port": "web", "path": "/"}, "periodSeconds": 1}
    ports = [{"name": "web", "containerPort": 80}]
    here.run(
        "web", "nginx", ports=ports, readinessProbe=http, startupProbe={"tcpSocket": {"port": 80}, "periodSeconds": 1}
    )
    assert f"{_gateway(here)} - - " in here.logs() and "kube-probe" in here.logs()


def _gateway(here: Kubelets) -> str:
    links = json.loads(on_node(here.node, "ip", "-json", "address", "show", "cni0"))
    return str(links[0]["addr_info"][0]["local"])


# --- faults ----------------------------------------------------------------------------------------------------------


def test_a_status_that_somebody_else_writes_at_the_same_time_is_decided_again(
    here: Kubelets, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = MemoryStore.update
    refused: list[Object] = []

    def busy(self: MemoryStore, resource: Resource, obj: Object, *, subresource: str = "") -> Object:
        if resource == PODS and subresource == "status" and len(refused) < 5:
            refused.append(obj)
            raise Conflict("the object has been modified")
        return real(self, resource, obj, subresource=subresource)

    monkeypatch.setattr(MemoryStore, "update", busy)
    here.run()
    assert len(refused) == 5


def test_a_kubelet_that_begins_anew_cleans_up_and_runs_the_pods_again(here: Kubelets) -> None:
    here.run()
    before = names(here.node)
    here.kubelet.stop()
    here.shim.close()
    here.shim = type(here.shim)()
    try:
        here.begin(here.node)
        assert here.comes(lambda: here.container()["restartCount"] == 1 and here.ready())
        assert here.container()["lastState"]["terminated"]["reason"] == "Unknown"
        assert len(names(here.node)) == 1 == len(leases(here.node))
        assert here.exec("web", "true") == (0, "") and before
        here.delete()
    finally:
        here.kubelet.stop()
        here.shim.close()


def test_a_node_that_is_killed_says_nothing_more_and_one_that_returns_runs_its_pods(here: Kubelets) -> None:
    here.run()
    kubelet, process = here.kubelet, _process_of(here)
    here.node.delete()
    assert here.comes(lambda: not kubelet.alive)
    assert not os.path.exists(f"/proc/{process}")
    assert here.status()["phase"] == "Running"  # nobody has said otherwise
    node = here.lab.node("node-1")
    configure(node)
    here.begin(node)
    assert here.comes(lambda: here.container()["restartCount"] == 1 and here.ready())
    assert here.exec("web", "true") == (0, "")


def test_when_the_shim_is_killed_no_process_is_left_and_all_pods_are_run_again(here: Kubelets) -> None:
    here.run("web", "nginx")
    here.run("client")
    process = _process_of(here)
    os.kill(here.shim.pid, signal.SIGKILL)
    assert here.comes(lambda: not os.path.exists(f"/proc/{process}"))
    assert here.comes(lambda: all(here.container(name)["restartCount"] == 1 for name in ("web", "client")))
    assert here.comes(lambda: here.ready("web") and here.ready("client"))
    # a container is ready when it runs, and nginx listens a little later
    assert here.comes(lambda: here.exec("client", "wget", "-qO-", f"http://{here.status()['podIP']}")[0] == 0)
    assert here.comes(lambda: len(names(here.node)) == len(cables(here.node)) == 2)


def test_many_pods_at_once_get_addresses_in_the_order_in_which_they_came(here: Kubelets) -> None:
    for number in range(20):
        here.create(f"web-{number}", "busybox", "sleep", "3600")
    assert here.comes(lambda: all(here.ready(f"web-{number}") for number in range(20)))
    addresses = [here.status(f"web-{number}")["podIP"] for number in range(20)]
    assert addresses == [f"10.0.1.{number + 2}" for number in range(20)]  # in the order in which they came
    assert len(names(here.node)) == len(cables(here.node)) == 20
    for number in range(20):
        here.store.delete(PODS, f"web-{number}", "default", grace=1)
    assert here.comes(lambda: not here.store.list(PODS).items)
    assert not remains(here)


def test_a_pod_whose_sandbox_cannot_be_made_holds_nobody_up(here: Kubelets) -> None:
    here.create("first", "busybox", "sleep", "9", ports=[{"containerPort": 80, "hostPort": 70000}])
    here.create("second", "redis")
    here.run("third")
    assert here.status("third")["podIP"]


def test_a_node_says_what_machine_it_is(here: Kubelets) -> None:
    node = here.store.get(NODES, "node-1")
    info = node["status"]["nodeInfo"]
    assert info["kernelVersion"] == subprocess.run(["uname", "-r"], capture_output=True, text=True).stdout.strip()
    assert node["spec"]["podCIDR"] == here.node.pod_cidr
    assert {"type": "InternalIP", "address": here.node.address} in node["status"]["addresses"]


def test_a_config_map_that_is_changed_reaches_the_files_of_a_pod_that_runs(here: Kubelets) -> None:
    here.config_map("settings", colour="blue", size="small")
    volume = {"name": "v", "configMap": {"name": "settings"}}
    here.run(volumeMounts=[{"name": "v", "mountPath": "/etc/settings"}], spec_volumes=[volume])
    assert here.exec("web", "cat", "/etc/settings/colour") == (0, "blue")
    changed = here.store.get(CONFIGMAPS, "settings", "default")
    here.store.update(CONFIGMAPS, {**changed, "data": {"colour": "red", "shape": "round"}})
    assert here.comes(lambda: here.exec("web", "cat", "/etc/settings/colour") == (0, "red"))
    assert here.comes(lambda: here.exec("web", "ls", "-A", "/etc/settings")[1].split() == ["colour", "shape"])


def test_no_link_in_a_volume_leads_to_the_node(here: Kubelets) -> None:
    mounted = [{"name": "v", "mountPath": "/all"}]
    make = "mkdir /all/out; rmdir /all/out; ln -s /run /all/out"
    init = {"name": "first", "image": "busybox", "command": ["sh", "-c", make], "volumeMounts": mounted}
    here.create(
        "web",
        "busybox",
        "sleep",
        "3600",
        volumeMounts=[{"name": "v", "mountPath": "/in", "subPath": "out/kubelet"}],
        spec_initContainers=[init],
        spec_volumes=[{"name": "v", "emptyDir": {}}],
    )
    assert here.comes(lambda: here.waiting() == "CreateContainerError")
    assert "leads through a link" in here.container()["state"]["waiting"]["message"]


def test_a_container_cannot_change_the_files_of_its_config_map(here: Kubelets) -> None:
    here.config_map("settings", colour="blue")
    volume = {"name": "v", "configMap": {"name": "settings"}}
    here.run(volumeMounts=[{"name": "v", "mountPath": "/etc/settings"}], spec_volumes=[volume])
    status, said = here.exec("web", "ln", "-sf", "/etc/passwd", "/etc/settings/.colour.new")
    assert status != 0 and "Read-only file system" in said
