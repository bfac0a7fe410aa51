"""Images: their names, what stands for which, and what is in one that was assembled."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from labhelpers.cluster.images import CannotPull, Shelf
from labhelpers.cluster.images import assemble as assembling
from labhelpers.cluster.images.catalogue import CATALOGUE, find
from labhelpers.cluster.images.reference import Reference
from labhelpers.cluster.pod_network import NETWORKS, network_named, spelled
from labhelpers.errors import BadInput


@pytest.mark.parametrize(
    ("text", "whole", "familiar"),
    [
        ("nginx", "docker.io/library/nginx:latest", "nginx"),
        ("nginx:alpine", "docker.io/library/nginx:alpine", "nginx"),
        ("library/nginx:1.27", "docker.io/library/nginx:1.27", "nginx"),
        ("docker.io/nginx", "docker.io/library/nginx:latest", "nginx"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx:latest", "nginx"),
        ("nicolaka/netshoot", "docker.io/nicolaka/netshoot:latest", "nicolaka/netshoot"),
        ("registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9", "registry.k8s.io/pause"),
        ("localhost:5000/a/b:c", "localhost:5000/a/b:c", "localhost:5000/a/b"),
        (f"nginx@sha256:{'0' * 64}", f"docker.io/library/nginx@sha256:{'0' * 64}", "nginx"),
        (f"nginx:1@sha256:{'0' * 64}", f"docker.io/library/nginx:1@sha256:{'0' * 64}", "nginx"),
    ],
)
def test_a_name_is_read_as_a_runtime_reads_it(text: str, whole: str, familiar: str) -> None:
    reference = Reference.parse(text)
    assert (str(reference), reference.familiar) == (whole, familiar)
    assert Reference.parse(whole) == reference


@pytest.mark.parametrize(
    "text", ["", "Nginx", "nginx:", "nginx:a b", "nginx@", "nginx@sha256:12", "a//b", "/nginx", "nginx/", "..", "a:b:c"]
)
def test_a_name_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="invalid reference format"):
        Reference.parse(text)


def test_a_repository_is_stood_for_once() -> None:
    names = [name for recipe in CATALOGUE for name in recipe.stands_for]
    assert len(names) == len(set(names))
    assert all(Reference.parse(name).familiar == name for name in names)


def test_what_nothing_stands_for_is_refused_with_a_list(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    with pytest.raises(CannotPull) as told:
        shelf.pull("redis:7")
    assert told.value.what.startswith('nothing here stands for "docker.io/library/redis:7"')
    assert {"busybox,", "nginx,"} <= set(told.value.to_do.split())
    assert not list(tmp_path.iterdir())


def test_what_is_not_installed_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = assembling._which
    monkeypatch.setattr(assembling, "_which", lambda name: None if name == "nginx" else there(name))
    with pytest.raises(CannotPull, match="nginx is not installed") as told:
        Shelf(tmp_path).pull("nginx")
    assert "apt-get install nginx-light" in told.value.to_do
    with pytest.raises(CannotPull) as told:
        Shelf(tmp_path).pull("redis")
    assert "nginx," not in told.value.to_do.split()
    assert not list(tmp_path.iterdir())


def test_an_image_is_there_once_it_was_pulled_by_its_name(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    assert not shelf.has("busybox")
    image = shelf.pull("busybox")
    assert shelf.has("docker.io/library/busybox:latest")
    assert not shelf.has("busybox:1.36") and not shelf.has("Busybox")
    assert image.command == ((), ("sh",))
    assert shelf.pull("busybox:1.36").id == image.id


def test_it_is_said_what_stands_in_with_the_version_that_the_package_manager_has(tmp_path: Path) -> None:
    image = Shelf(tmp_path).pull("busybox:1.36")
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}", "busybox-static"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert image.origin == asked.stdout
    assert image.stands_in == f"{asked.stdout}, installed on this machine, stands for it"


@pytest.mark.parametrize("name", ["busybox", "nginx", "nicolaka/netshoot"])
def test_every_program_of_an_image_finds_its_libraries_in_it(tmp_path: Path, name: str) -> None:
    root = tmp_path / Shelf(tmp_path).pull(name).folder
    programs = [path for folder in ("usr/bin", "usr/sbin", "bin") for path in (root / folder).iterdir()]
    assert root / "bin/sh" in programs
    for program in programs:
        inside = root / os.readlink(program).lstrip("/") if program.is_symlink() else program
        assert inside.is_file() and os.access(inside, os.X_OK), f"{program} leads nowhere"
        said = subprocess.run(["ldd", inside], capture_output=True, text=True, check=False).stdout
        for library in (word for word in said.split() if word.startswith("/")):
            assert (root / library.lstrip("/")).is_file(), f"{program} needs {library}"


def test_an_attempt_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(assembling, "_users", full)
    with pytest.raises(CannotPull, match="No space left"):
        Shelf(tmp_path).pull("busybox")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_enforces_has_an_agent_in_clusters_and_every_agents_image_is_known(name: str) -> None:
    network = network_named(name)
    assert network is not None
    assert network == network_named(spelled(network))
    assert network.agent or not network.enforces, "nobody would enforce its policies in a cluster"
    if network.agent:
        found = find(Reference.parse(network.agent.image).familiar)
        assert found and found.name == "node-agent"
