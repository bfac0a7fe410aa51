"""Requests to a pod of Cilium's, with a proxy in front of it and without."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

from labhelpers.cni import CniPod
from labhelpers.lab import Lab
from labhelpers.networks.cilium.network import Cilium
from labhelpers.networks.http_policy import HttpPolicy
from labhelpers.networks.policy import Objects

__all__ = ["answers", "judge"]

_PATIENCE = 30.0  # seconds
_SERVER = str(Path(__file__).with_name("http_server.py"))


def judge(datapath: str, tunnel: str) -> None:
    """Install it, ask from the same node and from another, with a policy about requests and after it."""
    lab = Lab()
    try:
        nodes = [lab.node(f"node-{number}") for number in (1, 2)]
        with Cilium(datapath, tunnel=tunnel).install(lab) as net:
            near, web, far = net.pod(nodes[0], "near"), net.pod(nodes[0], "web"), net.pod(nodes[1], "far")
            net.wait()
            nothing: Objects = {"pods": [], "namespaces": [], "networkpolicies": []}
            net.apply(nothing)
            with web.spawn([sys.executable, _SERVER, "80"]) as server:
                assert server.stdout.readline() == "ready\n"
                with HttpPolicy(web, 80, [{"method": "GET", "path": "/public"}]):
                    for _ in range(2):
                        for client in (near, far):
                            assert answers(client, web, "/admin") == 403
                            assert answers(client, web, "/public") == 200
                            saw = json.loads(server.stdout.readline())
                            assert (saw["client"], saw["path"]) == (client.address, "/public")
                        net.apply(nothing)  # which leaves it so
                for client in (near, far):
                    assert answers(client, web, "/admin") == 200
                    assert json.loads(server.stdout.readline())["client"] == client.address
    finally:
        lab.reset()


def answers(client: CniPod, web: CniPod, path: str) -> int:
    """The status of the answer to a request."""
    address = web.address
    with client._kernel.visit(lambda: socket.socket()) as tcp:
        tcp.settimeout(_PATIENCE)
        tcp.connect((address, 80))
        tcp.sendall(f"GET {path} HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n".encode())
        return int(tcp.recv(4096).split()[1])
