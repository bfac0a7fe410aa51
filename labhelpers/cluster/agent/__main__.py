"""``python -m labhelpers.cluster.agent``: the agent of the node on which it is started, until SIGTERM.

It is told by its environment: ``NODE_NAME``, and ``NETWORK`` as ``spelled`` writes it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

from labhelpers.cluster.agent.agent import NodeAgent, known_nodes, say
from labhelpers.cluster.agent.door import SOCKET, TOKEN
from labhelpers.cluster.client import ApiStore, Unreachable
from labhelpers.cluster.controllers.loop import Manager
from labhelpers.cluster.pod_network import network_named
from labhelpers.lab import Node
from labhelpers.lab.label import Label
from labhelpers.linux import namespace
from labhelpers.networks.route import Known
from labhelpers.store import NODES, Store

_AGAIN = 0.1  # seconds


def _me(store: Store, name: str) -> Known:
    """The node's own object, as soon as its kubelet has registered it."""
    while True:
        try:
            found = [one for one in known_nodes(store.list(NODES)) if one.name == name]
        except Unreachable as error:
            say(str(error), "WARN")
            found = []
        if found:
            return found[0]
        time.sleep(_AGAIN)


def main() -> None:
    """Serve the node."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    network = network_named(os.environ["NETWORK"])
    assert network is not None
    store = ApiStore(f"unix:{SOCKET}", token=Path(TOKEN).read_text().strip())
    me = _me(store, os.environ["NODE_NAME"])
    label = Label("node", me.name, owner="lab")
    block = IPv4Network(me.pod_cidr)
    node = Node._join(replace(namespace.home(), name=me.name), label, pid=os.getpid(), address=me.address, block=block)
    manager = Manager(store, [NodeAgent(store, node, network)])
    stop.wait()
    say("told to end; what is in the kernel stays and carries on")
    manager.close()


if __name__ == "__main__":
    main()
