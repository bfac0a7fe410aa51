"""Weave on three nodes, and somebody who speaks as its routers do and says what the tests want."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from labhelpers.cni import CniPod
from labhelpers.lab import Lab, Node
from labhelpers.linux import process
from labhelpers.networks import Network
from labhelpers.networks.route.mesh import Mesh
from labhelpers.networks.weave import messages
from labhelpers.networks.weave.announcement import Announcement
from labhelpers.networks.weave.session import Session, new_keys
from labhelpers.networks.weave.settings import FAST, PORT, ROUTER
from tests.netns.kernel import bridge, eventually
from tests.netns.wire import Outer

__all__ = [
    "FAST_PORT",
    "LINE",
    "PATIENCE",
    "Stranger",
    "Woven",
    "calling",
    "forge",
    "is_carried",
    "sealed_datagrams",
    "senders",
    "woven",
]

PATIENCE = 45.0
LINE = [("node-1", "node-2"), ("node-2", "node-3")]
FAST_PORT = 6784


class Woven:
    """Three nodes, a pod on each."""

    def __init__(self, network: Network) -> None:
        self.lab = Lab()
        self.nodes = [self.lab.node(f"node-{number}") for number in (1, 2, 3)]
        self.installed = network.install(self.lab)
        self.pods = [self.installed.pod(node, f"pod-{node.name[-1]}") for node in self.nodes]
        self.installed.wait()

    @property
    def mesh(self) -> Mesh:
        assert isinstance(self.installed.carrier, Mesh)
        return self.installed.carrier

    def asked(self, number: int) -> dict[str, Any]:
        return self.mesh.ask(self.nodes[number - 1])

    def refused(self, number: int, reason: str) -> int:
        return int(self.asked(number)["refused"].get(reason, 0))

    def pid(self, number: int) -> int:
        (pid,) = process.find(self.nodes[number - 1].inode, ROUTER)
        return pid

    def reaches(self, source: int, destination: int) -> bool:
        """Eventually: a peer that has come back has to be heard of by all."""
        return eventually(lambda: self.pods[source - 1].ping(self.pods[destination - 1].address), PATIENCE)

    def is_fast(self, number: int, other: int) -> bool:
        """Does the kernel carry what one node sends to the other?"""
        address = self.nodes[other - 1].address
        return any(one["way"] == "fastdp" for one in self.asked(number)["connections"] if one["address"] == address)

    def log(self, number: int) -> str:
        with open(f"{self.nodes[number - 1].root}/run/weave/router.log") as file:
            return file.read()


@contextmanager
def woven(network: Network) -> Iterator[Woven]:
    """Weave on three nodes; no router may have had an accident."""
    made = Woven(network)
    try:
        yield made
    finally:
        accidents = [made.log(number) for number in (1, 2, 3)]
        made.installed.clean()
        made.lab.reset()
        assert accidents == ["", "", ""]


class Stranger:
    """The other end of a connection with a router."""

    def __init__(self, tcp: socket.socket, name: bytes, nickname: str) -> None:
        self._tcp = tcp
        self.name, self.nickname = name, nickname

    def greet(self, password: str = "") -> None:
        """Say hello, and be greeted."""
        public, secret = new_keys()
        me = Announcement(self.name, self.nickname, 1, 1).written()
        self.send_raw({"protocol": "model of weave, 1", "key": public.hex() if password else "", "peer": me})
        self.hello = messages.decoded(self._receive())
        self.session = Session(secret, bytes.fromhex(self.hello["key"]), password, is_caller=True)
        self.send({"kind": "ready"})
        self.receive()

    def tell(self, *peers: Announcement) -> None:
        """Gossip."""
        self.send({"kind": "topology", "peers": [one.written() for one in peers]})

    def send(self, content: dict[str, Any]) -> None:
        self._tcp.sendall(messages.framed(self.session.seal_message(messages.encoded(content))))

    def send_raw(self, content: dict[str, Any]) -> None:
        self._tcp.sendall(messages.framed(messages.encoded(content)))

    def send_bytes(self, data: bytes) -> None:
        self._tcp.sendall(data)

    def receive(self) -> dict[str, Any]:
        return messages.decoded(self.session.open_message(self._receive()))

    def _receive(self) -> bytes:
        (length,) = struct.unpack("!I", self._exactly(4))
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._tcp.recv(count - len(data))
            if not piece:
                raise ConnectionError("the router has hung up")
            data += piece
        return data

    def is_hung_up_on(self) -> bool:
        """Wait until the router ends the connection."""
        end = time.monotonic() + PATIENCE
        try:
            while self._tcp.recv(65536):
                if time.monotonic() > end:
                    return False
        except ConnectionError:
            pass
        return True


@contextmanager
def calling(node: Node, router: Node, name: bytes = b"\2liar!", nickname: str = "liar") -> Iterator[Stranger]:
    """Somebody on a node calls the router of another node."""
    with node._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as tcp:
        tcp.settimeout(30)
        tcp.connect((router.address, PORT))
        yield Stranger(tcp, name, nickname)


def forge(node: Node, source: str, destination: str, datagrams: Sequence[bytes]) -> None:
    """Send datagrams from a node under any source address, from and to the routers' port."""
    with node._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)) as raw:
        for payload in datagrams:
            udp = struct.pack("!HHHH", PORT, PORT, 8 + len(payload), 0) + payload
            header = struct.pack(
                "!BBHHHBBH4s4s",
                *(0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0),
                *(socket.inet_aton(source), socket.inet_aton(destination)),
            )
            raw.sendto(header + udp, (destination, 0))


def sealed_datagrams(packets: Sequence[Any], source: str) -> list[bytes]:
    """What a node has sent to routers, of recorded packets."""
    return [
        one.payload[8:]
        for one in packets
        if one.source == source and one.protocol == socket.IPPROTO_UDP and one.payload[2:4] == PORT.to_bytes(2, "big")
    ]


def senders(packets: list[Outer], port: int) -> set[tuple[str, str]]:
    """Who sent UDP to a port, and to whom."""
    return {
        (one.source, one.destination)
        for one in packets
        if one.protocol == socket.IPPROTO_UDP and one.payload[2:4] == port.to_bytes(2, "big")
    }


def is_carried(pod: CniPod, node: str) -> bool:
    """Does the kernel of this node carry what is sent to the pod?"""
    mac = pod.links()["eth0"].mac
    entries = bridge("fdb", "show", "br", "weave", namespace=node)
    return any((one["mac"], one["ifname"]) == (mac, FAST) for one in entries)
