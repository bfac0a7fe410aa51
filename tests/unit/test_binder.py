"""What Binder would build, read from the Dockerfile that repo2docker prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

CLONE = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def dockerfile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Printed from a copy of binder/ alone, since repo2docker reads nothing else."""
    copy = tmp_path_factory.mktemp("course")
    (copy / "binder").mkdir()
    for file in (CLONE / "binder").iterdir():
        (copy / "binder" / file.name).write_bytes(file.read_bytes())
    options = ["--no-build", "--no-run", "--debug", "--user-id=1000", "--user-name=jovyan", "."]
    done = subprocess.run(
        [sys.executable, "-m", "repo2docker", *options], cwd=copy, capture_output=True, text=True, check=True
    )
    return done.stderr + done.stdout


def test_every_system_package_of_the_list_is_installed(dockerfile: str) -> None:
    installs = re.findall(r"apt-get install --yes --no-install-recommends ([^&]*)&&", dockerfile)
    installed = {package for words in installs for package in words.split()}
    assert installed == set((CLONE / "binder/apt.txt").read_text().split())


def test_the_environment_is_ours_with_its_python(dockerfile: str) -> None:
    assert 'env update -p ${NB_PYTHON_PREFIX} --file "binder/environment.yml"' in dockerfile
    python = re.search(r"python=(3\.\d+)", (CLONE / "binder/environment.yml").read_text())
    assert python is not None
    assert f"environment.py-{python[1]}" in decoded(dockerfile)


def decoded(dockerfile: str) -> str:
    """Repo2docker writes a file's name with its odd characters as -2e, -2f …"""
    return re.sub(r"-(2[0-9a-f]|5f)", lambda code: chr(int(code[1], 16)), dockerfile)


def test_scripts_are_run(dockerfile: str) -> None:
    assert "RUN ./binder/postBuild" in dockerfile
    assert 'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in dockerfile


def test_post_build_registers_kernels_and_settings_and_start_becomes_the_server() -> None:
    commands = (CLONE / "binder/postBuild").read_text()
    assert "python -m labhelpers.sandbox.install --sys-prefix" in commands
    assert "python tools/jupyter_settings.py" in commands
    assert (CLONE / "binder/start").read_text().rstrip().endswith('exec "$@"')


def test_start_runs_what_it_is_given_whatever_the_machine_allows(tmp_path: Path) -> None:
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\nexit 69\n")
    fake.chmod(0o755)
    done = subprocess.run(
        ["bash", str(CLONE / "binder/start"), "echo", "the", "server"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "read the recorded outputs" in done.stdout
    assert done.stdout.endswith("the server\n")
