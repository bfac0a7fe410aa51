"""What does a packet to a pod of the same node cost by eBPF, by its nftables twin, and by a bridge?  And a verdict?

Both ends of a conversation are in this process: who sends, then receives at once, so that no program waits to be woken
and the time is that of the kernel's way from socket to socket and back.
"""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import replace
from functools import partial

from benchmarks._measure import Job, Row, Times, a_a, in_turns, options, ratio, report
from benchmarks._sandbox import move_into_sandbox
from labhelpers.cni import CniPod, Runtime
from labhelpers.errors import NeedsPrivilege
from labhelpers.lab import Lab, Node
from labhelpers.linux import link
from labhelpers.linux.bpf import filters, find, program
from labhelpers.networks.attach import OnBridge, OnCilium
from labhelpers.networks.attach.attach import CNI_VERSION, Attach
from labhelpers.networks.cilium.choose import chosen
from labhelpers.networks.cilium.datapath import Allowed, Datapath, Endpoint, Located, Wanted

_SAME_NODE, _TWIN = 1.0, 1.05  # times the bridge's
_FLAT = 1.1  # times the cost with ten identities
_FEW, _MANY = 10, 1000
_ROUNDS, _EACH = 60, 50  # batches, of which the fastest counts, of so many round trips
_PORTS = range(7000, 7200)
_SUBJECT, _SENDER, _OTHERS = 300, 301, 1000  # identities
_UDP = 17


class Pair:
    """Two pods of a node, and a datapath between them unless a bridge is."""

    def __init__(self, lab: Lab, name: str, attach: Attach, datapath: str = "") -> None:
        self.node: Node = lab.node(name)
        runtime = Runtime(self.node, observe=False)
        plugin = attach.plugin(self.node, 1500)
        runtime.configure({"cniVersion": CNI_VERSION, "name": name, "plugins": [plugin]}, "10-pods.conflist")
        for one in ("near", "far"):
            runtime.add(one)
        self.near, self.far = runtime["near"], runtime["far"]
        self.addresses = self.near.address, self.far.address
        self.datapath: Datapath | None = chosen(datapath)(self.node) if datapath else None
        if self.datapath:
            self.with_identities(_FEW)

    def with_identities(self, count: int) -> None:
        """Let the far pod hear these identities on TCP port 80, and the near one on UDP ports."""
        assert self.datapath
        self.datapath.apply(_wanted(self.node, self.near, self.far, count))

    def there_and_back(self, what: str) -> dict[str, float]:
        """The fastest of many batches of small datagrams; seconds for one round trip."""
        with _udp(self.near) as asks, _udp(self.far) as answers:
            answers.bind((self.addresses[1], _PORTS[0]))
            asks.connect((self.addresses[1], _PORTS[0]))
            asks.send(b"x")
            _, sender = answers.recvfrom(1)
            answers.connect(sender)
            answers.send(b"x")
            asks.recv(1)
            best = float("inf")
            for _ in range(_ROUNDS):
                begin = time.perf_counter()
                for _ in range(_EACH):
                    asks.send(b"x")
                    answers.recv(1)
                    answers.send(b"x")
                    asks.recv(1)
                best = min(best, time.perf_counter() - begin)
        return {what: best / _EACH}

    def first_packets(self, what: str) -> dict[str, float]:
        """The fastest first packet of a flow, from socket to socket: it is asked about, and the flow noted."""
        best = float("inf")
        listening = {port: _udp(self.far) for port in _PORTS}
        try:
            for port, one in listening.items():
                one.bind((self.addresses[1], port))
            with _udp(self.near) as asks:
                for port, one in listening.items():
                    begin = time.perf_counter()
                    asks.sendto(b"x", (self.addresses[1], port))
                    one.recv(1)
                    best = min(best, time.perf_counter() - begin)
        finally:
            for one in listening.values():
                one.close()
        return {what: best}

    def denied(self, what: str) -> dict[str, float]:
        """The fastest of many batches of datagrams that nobody allows: until the kernel has dropped one."""
        with _udp(self.near) as asks:
            best = float("inf")
            for _ in range(_ROUNDS):
                begin = time.perf_counter()
                for _ in range(_EACH):
                    asks.sendto(b"x", (self.addresses[1], 9))
                best = min(best, time.perf_counter() - begin)
        return {what: best / _EACH}

    def program_alone(self, what: str) -> dict[str, float]:
        """The program at eth0, run by the kernel on a packet from another node that nobody allows."""
        with self.node._kernel.socket() as netlink:
            (uplink,) = (one.index for one in link.dump(netlink) if one.name == "eth0")
            (there,) = filters.attached(netlink, uplink)
        source, destination = socket.inet_aton("10.250.0.1"), socket.inet_aton(self.addresses[1])
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 64, _UDP, 0, source, destination)
        packet = bytes(12) + b"\x08\x00" + header + struct.pack("!HHHH", 5000, 9, 8, 0)
        loaded = program.Program(find.open_program(there.program), there.name)
        try:
            returned, nanoseconds = min((loaded.run(packet, 20_000) for _ in range(5)), key=lambda one: one[1])
        finally:
            loaded.close()
        if returned != 2:  # TC_ACT_SHOT
            raise SystemExit(f"The program returned {returned} for a packet that it should have dropped.")
        return {what: nanoseconds / 1e9}


def _udp(pod: CniPod) -> socket.socket:
    made = pod._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    made.settimeout(10)
    return made


def _wanted(node: Node, near: CniPod, far: CniPod, count: int) -> Wanted:
    cables = {one.destination.removesuffix("/32"): one.device for one in node.routes()}
    macs = {pod.address: next(one.mac for one in pod.links() if one.name == "eth0") for pod in (near, far)}
    endpoints = tuple(
        Endpoint(pod.address, cables[pod.address], macs[pod.address], identity)
        for pod, identity in ((near, _SENDER), (far, _SUBJECT))
    )
    others = [
        Located(f"10.{240 + number // 250}.0.{number % 250 + 1}/32", _OTHERS + number, "192.168.1.99")
        for number in range(count)
    ]
    base = [
        Located("0.0.0.0/0", 2),
        Located("10.250.0.1/32", _OTHERS - 1, "192.168.1.99"),
        *(Located(f"{one.address}/32", one.identity) for one in endpoints),
    ]
    heard = Allowed(_SUBJECT, "ingress", _SENDER, _UDP, _PORTS[0], _PORTS[-1], "default/far", 1)
    many = (replace(heard, remote=_OTHERS + number, protocol=6, first=80, last=80) for number in range(count))
    return Wanted(
        node.name,
        node.address,
        frozenset({node.address}),
        (node.pod_cidr,),
        tunnel=False,
        endpoints=endpoints,
        ipcache=(*base, *others),
        isolated=frozenset({(_SUBJECT, "ingress")}),
        allowed=(heard, *many),
    )


def _around(pair: Pair, kind: str, count: int, again: str = "") -> dict[str, float]:
    """Everything that could depend on how many identities there are."""
    pair.with_identities(count)
    end = f"{count}{again}"
    found = {**pair.first_packets(f"{kind}, first, {end}"), **pair.denied(f"{kind}, denied, {end}")}
    if kind == "eBPF":
        found.update(pair.program_alone(f"{kind}, alone, {end}"))
    return found


def _rows(times: Times, why: str) -> list[Row]:
    noise = a_a(times["bridge"], times["bridge again"])
    rows = [Row("a bridge, there and back", times["bridge"])]
    for kind, target in (("eBPF", _SAME_NODE), ("nftables", _TWIN)):
        if kind not in times:
            rows.append(Row(f"{kind}, there and back", note=f"not measured: {why}"))
            continue
        rows.append(
            Row(f"{kind}, there and back", times[kind], "a bridge", ratio(times[kind], times["bridge"]), noise, target)
        )
        # the program alone has no target: prefix tries grow by a step where the entries double, and no packet notices
        for what, words, limit in (
            ("first", "first packet of a flow", _FLAT),
            ("denied", "packet dropped", _FLAT),
            ("alone", "the program alone", None),
        ):
            few, many, again = (times.get(f"{kind}, {what}, {one}") for one in (_FEW, _MANY, f"{_FEW} again"))
            if few and many and again:
                compared = ratio(many, few), a_a(few, again), limit
                rows.append(Row(f"{kind}, {words}, {_MANY} identities", many, f"{_FEW} identities", *compared))
    return rows


def main() -> None:
    """Measure and print."""
    arguments = options(__doc__, rounds=10).parse_args()
    move_into_sandbox()
    with Lab() as lab:
        bridge, again = Pair(lab, "node-1", OnBridge()), Pair(lab, "node-2", OnBridge())
        pairs = {"nftables": Pair(lab, "node-3", OnCilium(), "nft")}
        why = ""
        try:
            pairs["eBPF"] = Pair(lab, "node-4", OnCilium(), "ebpf")
        except NeedsPrivilege as refused:
            why = refused.what
        jobs = [
            Job("bridge", partial(bridge.there_and_back, "bridge")),
            Job("bridge again", partial(again.there_and_back, "bridge again")),
        ]
        for kind, pair in pairs.items():
            jobs.append(Job(kind, partial(pair.there_and_back, kind)))
            jobs.append(Job(f"{kind}, {_FEW}", partial(_around, pair, kind, _FEW)))
            jobs.append(Job(f"{kind}, {_FEW} again", partial(_around, pair, kind, _FEW, " again")))
            jobs.append(Job(f"{kind}, {_MANY}", partial(_around, pair, kind, _MANY)))
        times, _ = in_turns(jobs, arguments.rounds)
    report("The same node, by different datapaths", _rows(times, why))


if __name__ == "__main__":
    main()
