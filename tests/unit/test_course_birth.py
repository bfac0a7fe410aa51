"""How a pod came to be, put together from its traces."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from labhelpers.course.birth import Birth, calls_of


def event(second: int, reason: str, message: str = "", component: str = "kubelet") -> dict[str, Any]:
    when = f"2026-11-25T12:00:{second:02}.500000Z"
    return {"reason": reason, "message": message, "source": {"component": component}, "eventTime": when}


def pod(node: str = "", **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": {"nodeName": node} if node else {}, "status": status}


READY = [{"type": "Ready", "status": "True"}]
SCHEDULED = event(1, "Scheduled", "Successfully assigned default/web to node-1", "default-scheduler")
SANDBOX = [
    event(2, "SandboxCreated", "Created network namespace cni-1"),
    event(5, "AddedInterface", "Add eth0 [10.0.1.2]"),
]


def witness(folder: Path, printed: str, after: str) -> None:
    for number, (name, text) in enumerate(
        (("before", "lo UNKNOWN 127.0.0.1/8\n"), ("after", after), ("stdout", printed))
    ):
        file = folder / f"web.ADD.{name}"
        file.write_text(text)
        begin = 1795608000 + 3 + number  # 12:00:03
        os.utime(file, (begin, begin))


def test_a_whole_birth_is_in_the_order_of_its_traces(tmp_path: Path) -> None:
    port = "veth1@if2  UP  02:51:d4:fa:bf:04 <UP>"
    witness(
        tmp_path,
        json.dumps({"ips": [{"address": "10.0.1.2/24"}]}),
        f"lo UNKNOWN 127.0.0.1/8\neth0@if3 UP 10.0.1.2/24\n{port}\n",
    )
    events = [SCHEDULED, *SANDBOX, event(6, "Started", "Started container web")]
    birth = Birth(pod("node-1", conditions=READY, podIP="10.0.1.2"), events, calls_of(tmp_path, "web"))
    assert [message.text for _, message in birth.steps] == [
        "create pod web",
        "watch: web has no node",
        "assigned to node-1",
        "watch: web is on node-1",
        "make a sandbox",
        "network namespace made",
        "ADD eth0",
        "eth0 UP 10.0.1.2/24",
        "veth1 is a port of cni0",
        "result, 10.0.1.2/24",
        "Add eth0 [10.0.1.2]",
        "container started",
        "status: 10.0.1.2, Ready",
    ]
    assert [one.when for one in birth.timed().messages] == [
        *("", "", "0 ms", "1000 ms", "1000 ms", "1000 ms"),
        *("1500 ms", "", "", "2500 ms", "4000 ms", "5000 ms", ""),
    ]


def test_a_pod_that_no_node_takes_ends_at_the_scheduler() -> None:
    failed = event(1, "FailedScheduling", "0/2 nodes are available", "default-scheduler")
    steps = [message for _, message in Birth(pod(conditions=[]), [failed]).steps]
    assert (steps[-1].source, steps[-1].target, steps[-1].text) == (
        "scheduler",
        "API server",
        "0/2 nodes are available",
    )
    assert not any("kubelet" in (one.source, one.target) for one in steps)


def test_a_pod_with_a_node_from_the_start_has_no_arrow_of_the_scheduler() -> None:
    steps = [message for _, message in Birth(pod("node-1"), SANDBOX).steps]
    assert not any("scheduler" in (one.source, one.target) for one in steps)


def test_a_plugins_error_is_told_without_the_sandbox_id_and_once() -> None:
    said = 'Failed to create pod sandbox: rpc error: failed to setup network for sandbox "{}": no address'
    events = [SCHEDULED, *(event(2 + n, "FailedCreatePodSandBox", said.format(n)) for n in range(3))]
    texts = [message.text for _, message in Birth(pod("node-1"), events).steps]
    assert texts[-1] == "no network: no address"
    assert texts.count("no network: no address") == 1


def test_what_a_plugin_refused_is_its_answer(tmp_path: Path) -> None:
    witness(tmp_path, json.dumps({"code": 11, "msg": "no address left"}), "lo UNKNOWN 127.0.0.1/8\n")
    assert [call.answer for call in calls_of(tmp_path, "web")] == ["error 11: no address left"]
    assert calls_of(tmp_path, "other") == ()


def test_a_program_that_ended_is_told_with_its_exit_code() -> None:
    container = {"name": "web", "state": {"waiting": {}}, "lastState": {"terminated": {"exitCode": 3}}}
    birth = Birth(pod("node-1", containerStatuses=[container]), [SCHEDULED, *SANDBOX])
    assert birth.steps[-1][1].text == "status: web ended with exit code 3"


def test_a_probe_that_fails_is_told_to_the_api_server() -> None:
    failed = event(9, "Unhealthy", "Readiness probe failed: no such file")
    started = event(6, "Started", "Started container web")
    steps = [one for _, one in Birth(pod("node-1", conditions=[]), [SCHEDULED, *SANDBOX, started, failed]).steps]
    assert (steps[-1].source, steps[-1].target) == ("kubelet", "API server")
    assert steps[-1].text == "Readiness probe failed: no such file"
