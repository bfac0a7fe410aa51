"""The kernel for the learner's own cluster: no sandbox, and therefore no helper that changes a network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.sandbox.family import Family
from tests.sandbox.machine import kernel_on, machine
from tests.sandbox.notebook import JupyterNotebook


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The learner's own kubectl, in a folder of the learner's PATH."""
    folder = tmp_path_factory.mktemp("tools")
    (folder / "kubectl").write_text("#!/bin/sh\necho my own kubectl, $KUBECONFIG\n")
    (folder / "kubectl").chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def cluster(module_family: Family, tools: Path) -> Iterator[JupyterNotebook]:
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", "KUBECONFIG": "/my/config"}
    one = JupyterNotebook("pod-networking-cluster", environment=environment)
    yield one
    one.end()


def test_it_is_on_the_machine_itself(cluster: JupyterNotebook) -> None:
    here = [os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "mnt", "pid", "user")]
    assert cluster.printed("!cd /proc/self/ns; for one in net mnt pid user; do readlink $one; done").split() == here


def test_kubectl_is_the_learners(cluster: JupyterNotebook, tools: Path) -> None:
    assert cluster.printed("!command -v kubectl; kubectl").splitlines() == [
        f"{tools}/kubectl",
        "my own kubectl, /my/config",
    ]


def test_the_courses_python_comes_first(cluster: JupyterNotebook) -> None:
    assert cluster.printed("!command -v python") == cluster.printed("import sys; print(sys.executable)")


@pytest.fixture(scope="module")
def on_a_machine(module_family: Family, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterNotebook]:
    """The same kernel where it could do no harm if it did not refuse: with a network and a /run to spoil."""
    folder = tmp_path_factory.mktemp("share")
    prefix = [
        *machine("mount -t tmpfs tmpfs /run"),
        "unshare",
        "--net",
        "sh",
        "-c",
        'ip link set lo up; exec "$@"',
        "sh",
    ]
    with pytest.MonkeyPatch.context() as patch:
        name = kernel_on(folder, prefix, patch, "labhelpers.sandbox.cluster")
        with TemporaryDirectory(dir="/tmp") as short_path:
            one = JupyterNotebook(name, transport="ipc", ip=f"{short_path}/socket")
            yield one
            one.end()


@pytest.mark.parametrize(
    "cell",
    [
        "from labhelpers import Lab; Lab()",
        "from labhelpers import checkpoint; checkpoint('03')",
        "from labhelpers.course import settle; settle()",
        "from labhelpers.linux import namespace; namespace.create('red')",
        "from labhelpers.linux import namespace, veth\n"
        "with namespace.home().changes() as changes: veth.add(changes, veth.Plug('a', ''), veth.Plug('b', ''))",
        "from labhelpers.linux import namespace, nft; nft.apply(namespace.home(), 'add table inet fence')",
        "from labhelpers.linux import sysctl; sysctl.write('net.ipv4.ip_forward', 1)",
    ],
)
def test_helpers_that_would_change_the_machine_refuse(on_a_machine: JupyterNotebook, cell: str) -> None:
    look = "!ip link; ls /run; sysctl net.ipv4.ip_forward; nft list ruleset"
    before = on_a_machine.printed(look)
    answer = on_a_machine.run(cell)
    assert answer.error == (
        "NotInSandbox: This notebook runs on the kernel for your own cluster, which has no network of its own. "
        "Choose the kernel 'Pod networking (sandbox)' to build namespaces here."
    )
    assert on_a_machine.printed(look) == before


def test_it_ends_with_nothing_left(family: Family) -> None:
    notebook = JupyterNotebook("pod-networking-cluster")
    assert notebook.run("1 + 1").result == "2"
    notebook.end()
