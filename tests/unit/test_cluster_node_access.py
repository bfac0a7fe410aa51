"""Which programs lead to a node, by the kind of the cluster.  Stand-ins for them note how they were called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from labhelpers.cluster import node_access
from labhelpers.cluster.node_access import on_node
from labhelpers.errors import LabError, NotFound, TimedOut, ToolMissing

KUBECTL = """\
#!/bin/sh
echo kubectl "$@" >> "$CALLS"
case "$*" in
"get nodes"*) echo "one two" ;;
"config current-context") echo "$CONTEXT" ;;
debug*) echo "Creating debugging pod node-debugger-one-x7 with container debugger on node one." ;;
*exitCode*) if [ "$NEVER" ]; then :; elif [ -e "$CALLS.ended" ]; then echo 3; else touch "$CALLS.ended"; fi ;;
*waiting*) echo "Back-off pulling image busybox" ;;
logs*) echo "said on the node" ;;
esac
"""
OTHER = """\
#!/bin/sh
echo $(basename "$0") "$@" >> "$CALLS"
echo "said on the node"
exit 3
"""
Calls = Callable[[], list[str]]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    for name, text in {"kubectl": KUBECTL, "minikube": OTHER, "docker": OTHER, "podman": OTHER}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return lambda: (tmp_path / "calls").read_text().splitlines()


@pytest.mark.parametrize(
    ("context", "call"),
    [
        ("pod-networking", "minikube ssh -n two -- ip route | wc -l"),
        ("minikube", "minikube ssh -n two -- ip route | wc -l"),
        ("minikube-lab", "minikube ssh -p minikube-lab -n two -- ip route | wc -l"),
        ("kind-lab", "docker exec two sh -c ip route | wc -l"),
    ],
)
def test_the_way_to_a_node_is_that_of_its_cluster(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, context: str, call: str
) -> None:
    monkeypatch.setenv("CONTEXT", context)
    done = on_node("ip route | wc -l", "two")
    assert (done.returncode, done.stdout) == (3, "said on the node\n")
    assert calls()[-1] == call


def test_kinds_nodes_are_containers_of_the_program_that_kind_was_told(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTEXT", "kind-kind")
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "podman")
    assert on_node("hostname", "one").returncode == 3
    assert calls()[-1] == "podman exec one sh -c hostname"


def test_to_any_other_node_leads_a_debug_pod_which_is_deleted(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTEXT", "work")
    done = on_node("ip route")
    assert (done.returncode, done.stdout) == (3, "said on the node\n")
    made, *_, deleted = calls()[2:]
    assert made == "kubectl debug node/one --image=busybox --profile=sysadmin -- chroot /host /bin/sh -c ip route"
    assert deleted == "kubectl delete pod/node-debugger-one-x7 --now --wait=false"


def test_a_debug_pod_that_does_not_run_is_deleted_and_says_why(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTEXT", "work")
    monkeypatch.setenv("NEVER", "1")
    monkeypatch.setattr(node_access, "_PATIENCE", 0.5)
    with pytest.raises(TimedOut, match="node-debugger-one-x7 has not ended: Back-off pulling image busybox"):
        on_node("ip route")
    assert calls()[-1] == "kubectl delete pod/node-debugger-one-x7 --now --wait=false"


def test_a_node_that_is_not_there_is_not_found(calls: Calls) -> None:
    with pytest.raises(NotFound, match="Nodes: one, two"):
        on_node("true", "three")


def test_what_kubectl_says_is_passed_on(calls: Calls, tmp_path: Path) -> None:
    (tmp_path / "kubectl").write_text("#!/bin/sh\necho 'connection refused' >&2\nexit 1\n")
    with pytest.raises(LabError, match="connection refused"):
        on_node("true")


def test_without_kubectl_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="'kubectl' is not installed"):
        on_node("true")
