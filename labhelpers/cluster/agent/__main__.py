"""``python -m labhelpers.cluster.agent``: the agent of the node on which it is started, until SIGTERM.

It is told by its environment: ``NODE_NAME``, and ``NETWORK`` as ``spelled`` writes it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

from labhelpers.cluster.agent.agent import NodeAgent, known_nodes, say
from labhelpers.cluster.agent.door import SOCKET, TOKEN
from labhelpers.cluster.client import ApiStore, Unreachable
from labhelpers.cluster.controllers.loop import Manager
from labhelpers.cluster.pod_network import network_named
from labhelpers.errors import BadInput
from labhelpers.lab import Node
from labhelpers.lab.label import Label
from labhelpers.linux import namespace
from labhelpers.networks import Network
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


def _told(environment: Mapping[str, str]) -> tuple[str, Network]:
    """The node's name, and the network whose agent this is.

    Raises:
        BadInput: the environment does not say.
    """
    for variable in ("NODE_NAME", "NETWORK"):
        if not environment.get(variable):
            raise BadInput(f"The agent is not told its {variable}.", "Set it in the DaemonSet's env.")
    network = network_named(environment["NETWORK"])
    if network is None or network.agent is None:
        raise BadInput(f"{environment['NETWORK']} has no agent.", "Set NETWORK to calico, for example.")
    return environment["NODE_NAME"], network


def main() -> None:
    """Serve the node."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        name, network = _told(os.environ)
    except BadInput as error:
        sys.exit(f"{error.what} {error.to_do}")
    store = ApiStore(f"unix:{SOCKET}", token=Path(TOKEN).read_text().strip())
    me = _me(store, name)
    label = Label("node", me.name, owner="lab")
    block = IPv4Network(me.pod_cidr)
    node = Node._join(replace(namespace.home(), name=me.name), label, pid=os.getpid(), address=me.address, block=block)
    manager = Manager(store, [NodeAgent(store, node, network)])
    stop.wait()
    say("told to end; what is in the kernel stays and carries on")
    manager.close()


if __name__ == "__main__":
    main()
