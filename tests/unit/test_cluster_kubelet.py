"""The kubelet's rules that need no kernel: files, variables, waiting times, states, turns."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from labhelpers.cluster.api.discovery import VERSION as API_VERSION
from labhelpers.cluster.images import Image
from labhelpers.cluster.images.catalogue import Command
from labhelpers.cluster.images.reference import Reference
from labhelpers.cluster.kubelet import node_status
from labhelpers.cluster.kubelet.backoff import Backoff
from labhelpers.cluster.kubelet.environment import CannotConfigure, command, environment, expanded, field_of
from labhelpers.cluster.kubelet.etc import hostname_of, hosts, resolv_conf
from labhelpers.cluster.kubelet.ignored import ignored
from labhelpers.cluster.kubelet.report import restored
from labhelpers.cluster.kubelet.state import ContainerState
from labhelpers.cluster.kubelet.status import pod_status
from labhelpers.cluster.kubelet.turns import Turns
from labhelpers.errors import BadInput
from labhelpers.linux.container.capabilities import DEFAULT, adjusted

NOW, LATER = "2026-01-31T12:00:00Z", "2026-01-31T12:00:09Z"
ENDED_WELL = {"exitCode": 0, "reason": "Completed"}
ENDED_BADLY = {"exitCode": 3, "reason": "Error"}


def pod(name: str = "web", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "default", "uid": "1", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "nginx"}], **spec},
    }


def image(entrypoint: tuple[str, ...] = ("/entry",), cmd: tuple[str, ...] = ("serve",)) -> Image:
    return Image(Reference.parse("nginx"), "nginx", Command(entrypoint, cmd), "SIGTERM", "nginx 1")


# --- the files of /etc -----------------------------------------------------------------------------------------------


def test_a_pod_without_cluster_dns_asks_whom_its_node_asks() -> None:
    assert resolv_conf(pod(), [], "nameserver 9.9.9.9\n") == "nameserver 9.9.9.9\n"
    assert resolv_conf(pod(dnsPolicy="Default"), ["10.0.0.2"], "nameserver 9.9.9.9\n") == "nameserver 9.9.9.9\n"
    assert resolv_conf(pod(hostNetwork=True), ["10.0.0.2"], "own\n") == "own\n"


def test_a_pods_own_dns_configuration_is_added() -> None:
    config = {
        "nameservers": ["1.1.1.1"],
        "searches": ["mine"],
        "options": [{"name": "ndots", "value": "2"}, {"name": "x"}],
    }
    assert resolv_conf(pod(dnsConfig=config), ["10.0.0.2"], "").splitlines() == [
        "search default.svc.cluster.local svc.cluster.local cluster.local mine",
        "nameserver 10.0.0.2",
        "nameserver 1.1.1.1",
        "options ndots:2 x",
    ]
    alone = resolv_conf(pod(dnsPolicy="None", dnsConfig=config), ["10.0.0.2"], "own")
    assert alone.splitlines() == ["search mine", "nameserver 1.1.1.1", "options ndots:2 x"]


def test_a_host_name_is_the_pods_or_the_one_it_asks_for_and_short_enough() -> None:
    assert hostname_of(pod()) == "web"
    assert hostname_of(pod(hostname="other")) == "other"
    assert hostname_of(pod("a" * 62 + "-bcd")) == "a" * 62
    subdomain = hosts(pod(subdomain="net"), "10.0.1.2", "")
    assert subdomain.endswith("10.0.1.2\tweb.net.default.svc.cluster.local\tweb\n")


# --- command and environment -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        ({}, ["/entry", "serve"]),
        ({"args": ["a"]}, ["/entry", "a"]),
        ({"command": ["c"]}, ["c"]),
        ({"command": ["c"], "args": ["a"]}, ["c", "a"]),
    ],
)
def test_command_and_arguments_stand_for_those_of_the_image(given: dict[str, Any], whole: list[str]) -> None:
    assert command(given, image(), {}) == whole


def test_an_image_without_a_program_needs_one() -> None:
    with pytest.raises(CannotConfigure, match="no command specified"):
        command({}, image((), ()), {})


@pytest.mark.parametrize(
    ("text", "filled"),
    [("$(A)", "1"), ("$$(A)", "$(A)"), ("$(B)", "$(B)"), ("$$$(A)", "$1"), ("$A $(A)$(A)", "$A 11"), ("$(", "$(")],
)
def test_references_are_filled_in(text: str, filled: str) -> None:
    assert expanded(text, {"A": "1"}) == filled


def test_fields_of_the_pod_are_told_and_others_refused() -> None:
    field = field_of(pod(), {"status.podIP": "10.0.1.2"})
    asked = ("metadata.name", "metadata.labels['app']", "metadata.labels['no']", "status.podIP")
    assert [field(one) for one in asked] == ["web", "web", "", "10.0.1.2"]
    with pytest.raises(CannotConfigure, match="unsupported fieldPath: spec"):
        field("spec.containers")


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"envFrom": [{"secretRef": {"name": "s"}}]}, "secrets are not implemented"),
        ({"envFrom": [{"configMapRef": {"name": "none"}}]}, 'configmap "none" not found'),
        ({"env": [{"name": "X", "valueFrom": {"secretKeyRef": {}}}]}, "secretKeyRef is not implemented"),
        (
            {"env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "there", "key": "k"}}}]},
            "couldn't find key k",
        ),
    ],
)
def test_what_a_variable_cannot_come_from_is_said(container: dict[str, Any], message: str) -> None:
    with pytest.raises(CannotConfigure, match=message):
        environment(container, str, {"there": {"other": "x"}}.get)


# --- waiting times ---------------------------------------------------------------------------------------------------


def test_waiting_times_double_up_to_five_minutes_and_are_forgotten_after_ten() -> None:
    clock = [0.0]
    backoff = Backoff(clock=lambda: clock[0])
    waits = []
    for _ in range(7):
        backoff.attempt()
        waits.append(backoff.wait)
        clock[0] += backoff.wait
    assert waits == [10, 20, 40, 80, 160, 300, 300]
    clock[0] += 600
    backoff.attempt()
    assert backoff.wait == 10


# --- states ----------------------------------------------------------------------------------------------------------


def states(*ended: dict[str, Any] | None, **fields: Any) -> list[ContainerState]:
    return [
        ContainerState({"name": f"c{number}", "image": "x"}, ended=one, **fields) for number, one in enumerate(ended)
    ]


@pytest.mark.parametrize(
    ("containers", "policy", "phase"),
    [
        (states(None), "Always", "Pending"),
        (states(ENDED_WELL), "Never", "Succeeded"),
        (states(ENDED_WELL, ENDED_BADLY), "Never", "Failed"),
        (states(None, last=ENDED_BADLY), "Always", "Running"),  # it waits to be started again
        (states(ENDED_WELL, None), "OnFailure", "Pending"),
        (states(None, is_init=True) + states(None), "Always", "Pending"),
        (states(ENDED_BADLY, is_init=True) + states(None), "Never", "Failed"),
        (states(ENDED_WELL, is_init=True) + states(ENDED_WELL), "Never", "Succeeded"),
    ],
)
def test_the_phase_follows_from_the_containers(containers: list[ContainerState], policy: str, phase: str) -> None:
    status = pod_status(
        pod(restartPolicy=policy), containers, addresses=(), host="192.168.1.10", has_sandbox=True, now=NOW
    )
    assert status["phase"] == phase


def test_what_did_not_change_keeps_its_time_and_others_conditions_stay() -> None:
    def written(before: dict[str, Any], now: str, ready: bool) -> dict[str, Any]:
        one = ContainerState({"name": "web", "image": "x"}, last=ENDED_BADLY, ready=ready)
        return pod_status(
            {**pod(), "status": before}, [one], addresses=("10.0.1.2",), host="h", has_sandbox=True, now=now
        )

    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": NOW}
    first = written({"conditions": [scheduled]}, NOW, False)
    assert written(first, LATER, False) == first
    second = {one["type"]: one for one in written(first, LATER, True)["conditions"]}
    assert second["Ready"]["lastTransitionTime"] == LATER and "reason" not in second["Ready"]
    assert second["Initialized"]["lastTransitionTime"] == NOW
    assert second["PodScheduled"] == scheduled


def test_a_kubelet_that_begins_anew_counts_on_where_it_was() -> None:
    running = {"name": "web", "restartCount": 2, "state": {"running": {"startedAt": NOW}}, "containerID": "x"}
    (one,) = restored({**pod(), "status": {"containerStatuses": [running]}})
    assert one.restarts == 2 and one.crashed and one.last is not None
    assert (one.last["exitCode"], one.last["reason"], one.last["startedAt"]) == (255, "Unknown", NOW)


def test_a_pod_that_asks_for_nothing_special_is_told_nothing() -> None:
    assert not list(ignored(pod(securityContext={}), one_user=True))


def test_the_volume_of_the_service_accounts_token_stays_empty_and_that_is_said() -> None:
    place = {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    volume = {"name": "token", "projected": {"sources": []}}
    given = pod(containers=[{"name": "web", "volumeMounts": [place]}], volumes=[volume])
    assert [said.partition(" stays empty")[0] for said in ignored(given, one_user=True)] == ["spec.volumes{token}"]
    elsewhere = pod(containers=[{"name": "web", "volumeMounts": [{**place, "mountPath": "/x"}]}], volumes=[volume])
    assert not list(ignored(elsewhere, one_user=True))


def test_each_thing_that_has_no_effect_is_said_once() -> None:
    web = {
        "name": "web",
        "lifecycle": {"preStop": {"exec": {"command": ["true"]}}},
        "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}},
        "securityContext": {"runAsUser": 5, "allowPrivilegeEscalation": False},
    }
    given = pod(
        containers=[web],
        shareProcessNamespace=True,
        initContainers=[{"name": "side", "restartPolicy": "Always"}],
        securityContext={"sysctls": [{"name": "net.x", "value": "1"}]},
    )
    said = [sentence.split(" has no effect")[0] for sentence in ignored(given, one_user=True)]
    assert said == [
        "spec.shareProcessNamespace",
        "spec.securityContext.sysctls",
        "spec.initContainers{side}.restartPolicy",
        "spec.containers{web}.lifecycle",
        "spec.containers{web}.resources.limits",
        "spec.containers{web}.securityContext.allowPrivilegeEscalation",
        "spec.containers{web}.securityContext.runAsUser",
    ]
    assert len(list(ignored(given, one_user=False))) == len(said) - 1


# --- the rest --------------------------------------------------------------------------------------------------------


def test_capabilities_are_added_and_dropped() -> None:
    assert adjusted() == DEFAULT
    assert "NET_ADMIN" in adjusted(["CAP_NET_ADMIN"]) and "NET_RAW" not in adjusted(drop=["net_raw"])
    assert adjusted(["NET_RAW"], ["ALL"]) == ("NET_RAW",)
    assert set(DEFAULT) < set(adjusted(["ALL"]))
    with pytest.raises(BadInput, match="no capability 'FLYING'"):
        adjusted(["FLYING"])


def test_turns_are_taken_in_the_order_of_joining() -> None:
    turns, order = Turns(), list[int]()
    people = [object() for _ in range(8)]
    for one in people:
        turns.join(one)

    def take(number: int) -> None:
        with turns.turn(people[number]):
            order.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in reversed(range(8)) if number != 3]
    for thread in threads:
        thread.start()
    turns.leave(people[3])
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2, 4, 5, 6, 7]


def test_kubelet_and_api_server_follow_the_same_version() -> None:
    assert node_status.VERSION == API_VERSION
