"""Pods that a CNI runtime made, whose names are on their node only, go with the node and with the lab."""

from __future__ import annotations

import pytest

from labhelpers.cni import Runtime
from labhelpers.lab import Lab
from labhelpers.linux.process import namespaces_of_processes

CONFIG = {
    "cniVersion": "1.1.0",
    "name": "pods",
    "plugins": [{"type": "lab-bridge", "ipam": {"type": "lab-host-local", "subnet": "10.0.1.0/24"}}],
}


def _in_use() -> set[int]:
    return {inode for _, inode in namespaces_of_processes()}


@pytest.mark.parametrize("end", ["the node is deleted", "the lab is reset"])
def test_they_go_although_a_program_runs_in_them(lab: Lab, end: str) -> None:
    node = lab.node("node-1")
    runtime = Runtime(node, observe=False)
    runtime.configure(CONFIG)
    runtime.add("web")
    inode = runtime["web"].inode
    server = runtime["web"].spawn(["sleep", "600"])
    assert inode in _in_use()
    if end == "the lab is reset":
        lab.reset()
    else:
        node.delete()
    assert not server.running
    assert inode not in _in_use()
    server.stop()
