"""Paths that would lead out of a container: nothing outside is read or written by ``kubectl cp`` and ``logs``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.kubectl import Kubectl, cluster_with_kubectl

SECRET = "only on the node"


@pytest.fixture
def kubectl() -> Iterator[Kubectl]:
    with cluster_with_kubectl(1) as it:
        it.sleeper("box")
        yield it


def everything_of(folder: str) -> set[str]:
    return {f"{where}/{name}" for where, folders, files in os.walk(folder) for name in (*folders, *files)}


def test_no_path_leads_out_of_a_container(kubectl: Kubectl) -> None:
    root = kubectl.cluster.nodes[0].root
    on_node = Path(f"{root}/run/secret.txt")
    on_node.write_text(SECRET)
    on_node.chmod(0o644)
    with tempfile.TemporaryDirectory() as here:
        _reading(kubectl, Path(here))
        _writing(kubectl, Path(here), root)
    _asking_for_logs(kubectl)
    assert on_node.read_text() == SECRET


def _reading(kubectl: Kubectl, here: Path) -> None:
    """``..`` stays at the container's root, and its links are followed in the container."""
    links = ("/run/secret.txt", "/proc/1/root/run/secret.txt", "../../../../../run/secret.txt")
    for number, target in enumerate(links):
        kubectl(f"exec box -- ln -s {target} /tmp/link-{number}")
        assert "No such file" in kubectl.refused(f"exec box -- cat /tmp/link-{number}")
    for number, name in enumerate(("../../../../run/secret.txt", "/run/secret.txt", "tmp/link-0", "tmp/link-2")):
        kubectl.run("cp", f"box:{name}", str(here / f"got-{number}"))
    found = [path for path in here.rglob("*") if path.is_file()]
    assert all(SECRET not in path.read_text() for path in found)


def _writing(kubectl: Kubectl, here: Path, root: str) -> None:
    """A file that is copied in through ``..`` or a link lands in the container, or nowhere."""
    (here / "evil").write_text("from outside")
    before = {name for name in everything_of(f"{root}/run") if "/containers/" not in name}
    kubectl("exec box -- mkdir -p /run/inside")
    kubectl("exec box -- ln -s /run /tmp/way-out")
    for place in ("/../../../../run/evil-1", "/tmp/way-out/evil-2"):
        kubectl(f"cp {here}/evil box:{place}")
    assert kubectl("exec box -- sh -c", "cat /run/evil-1 /run/evil-2") == 2 * "from outside"
    after = {name for name in everything_of(f"{root}/run") if "/containers/" not in name}
    assert after == before
    assert not list(Path("/run").glob("evil-*")) and not list(Path(root, "run").glob("evil-*"))


def _asking_for_logs(kubectl: Kubectl) -> None:
    """Names that are paths are no container's, and a log that a container made a link of is not followed."""
    for name in ("../../../../run/secret.txt", "..", "/run/secret.txt", "box/../box", "box%2f..%2fbox"):
        said = kubectl.run("logs", "box", "-c", name)
        assert said.returncode == 1 and SECRET not in said.stdout
        assert "is not valid for pod box" in said.stderr
    odd = kubectl("get --raw", "/api/v1/namespaces/default/pods/box/log?container=box")
    assert odd == ""
    for path in ("box%2f..%2f..", "..%2f..%2fbox"):
        assert kubectl.run("get", "--raw", f"/api/v1/namespaces/default/pods/{path}/log").returncode == 1
