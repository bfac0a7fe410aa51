"""Another process with a runtime on node-1, which is killed before a step of ADD.

usage: killed_runtime.py PID STEP     process that keeps the node; which step, 0 for none
"""

from __future__ import annotations

import os
import signal
import sys
from ipaddress import IPv4Network

from labhelpers.cni import Runtime, chain
from labhelpers.lab import Node
from labhelpers.lab.label import Label
from labhelpers.linux import namespace
from tests.netns.faults import fault_at


def _kill(step: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    pid, number = int(sys.argv[1]), int(sys.argv[2])
    label = Label("node", "node-1", owner="lab")
    block = IPv4Network("10.0.1.0/24")
    node = Node._join(namespace.attach("node-1"), label, pid=pid, address="192.168.1.10", block=block)
    runtime = Runtime(node, folders=("/opt/cni/bin", "/run/plugins"), observe=False)
    with fault_at(number, _kill, [(chain, "run"), (os, "replace")]):
        runtime.add("web")
