"""Chapter 09 on a learner's own cluster: what its first cells do to it, and what it says of the difference."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

CHAPTER = Path(__file__).resolve().parents[2] / "notebooks/09-labs-with-kubectl.ipynb"


def _cells() -> dict[str, str]:
    return {cell["id"]: "".join(cell["source"]) for cell in json.loads(CHAPTER.read_text())["cells"]}


@pytest.mark.parametrize(
    ("sandbox", "commands"),
    [("", ["start --nodes 2"]), ("0", ["start --nodes 2"]), ("1", ["delete", "start --nodes 2"])],
)
def test_the_first_cell_deletes_a_cluster_in_the_sandbox_only(
    tmp_path: Path, sandbox: str, commands: list[str]
) -> None:
    program, log = tmp_path / "minikube", tmp_path / "asked"
    program.write_text(f'#!/bin/sh\necho "$*" >> {log}\n')
    program.chmod(0o755)
    magic, _, script = _cells()["cluster-start"].partition("\n")
    assert magic == "%%bash"
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"} | (
        {"POD_NETWORKING_SANDBOX": sandbox} if sandbox else {}
    )
    subprocess.run(["bash"], input=script, text=True, env=environment, check=True)
    assert log.read_text().splitlines() == commands


def test_the_one_cell_that_deletes_it_anyway_is_announced() -> None:
    cells = _cells()
    deleting = {name for name, text in cells.items() if text.startswith("%%bash") and "minikube delete" in text}
    assert deleting == {"cluster-start", "lab5-delete"}
    assert "**lab 5 deletes minikube's cluster.**" in cells["real"]


def test_as_many_commands_were_compared_as_it_says() -> None:
    recorded = (CHAPTER.parents[1] / "tests/netns/data/kubectl").glob("*.txt")
    commands = [line for file in recorded for line in file.read_text().splitlines() if line.startswith("$ ")]
    assert "More than 150 `kubectl` commands" in _cells()["differences"]
    assert len(commands) > 150
