"""What does it cost to be observed, how many flows a second are told of without loss, and what does a proxy cost?"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

from benchmarks._measure import Job, Row, Times, a_a, in_turns, options, ratio, report
from benchmarks._sandbox import move_into_sandbox
from labhelpers import Lab
from labhelpers.cni import CniPod
from labhelpers.networks import Calico
from labhelpers.networks.http_policy import HttpPolicy
from labhelpers.trace import observe

_TIMES = 300  # of which the fastest counts
_A_SECOND, _SECONDS = 10_000, 2
#: sends a datagram from port to port, a hundred at a time, and says how many seconds it took
_FLOOD = """
import socket, sys, time
address, a_second, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
udp, start = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), time.perf_counter()
for number in range(a_second * seconds):
    udp.sendto(b"x", (address, 1024 + number))
    if number % 100 == 99:
        time.sleep(max(0, start + number / a_second - time.perf_counter()))
print(time.perf_counter() - start)
"""
_ASKED, _OPEN, _JUDGED = 7, 80, 81  # ports
_SERVER = str(Path(__file__).parent.parent / "tests/netns/http_server.py")


class Two:
    """Two pods of one node, whose packets its firewall sees."""

    def __init__(self, a: CniPod, b: CniPod) -> None:
        self.a, self.b = a, b
        #: flows that were to be told of, and were
        self.told = 0
        self.lost = 0

    def connects(self, name: str, *, observed: bool) -> dict[str, float]:
        """The fastest of many connections: the first packet of each is told of, and traced."""
        times = []
        with observe(self.a.node) if observed else nullcontext():
            for _ in range(_TIMES):
                with self.a._kernel.visit(lambda: socket.socket()) as tcp:
                    start = time.perf_counter()
                    tcp.connect((self.b.address, _OPEN))
                    times.append(time.perf_counter() - start)
        return {name: min(times)}

    def echoes(self, name: str, *, observed: bool) -> dict[str, float]:
        """The fastest of many datagrams there and back, of one conversation that has begun."""
        times = []
        with (
            self.b._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as answering,
            self.a._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asking,
            observe(self.a.node) if observed else nullcontext(),
        ):
            answering.bind((self.b.address, _ASKED))
            asking.connect((self.b.address, _ASKED))
            for _ in range(_TIMES):
                start = time.perf_counter()
                asking.send(b"?")
                answering.sendto(b"!", answering.recvfrom(8)[1])
                asking.recv(8)
                times.append(time.perf_counter() - start)
        return {name: min(times)}

    def flood(self) -> dict[str, float]:
        """Ten thousand new flows a second, evenly, by a program of its own: how many are told of?"""
        with observe(self.a.node) as flows:
            done = self.a.run([sys.executable, "-c", _FLOOD, self.b.address, str(_A_SECOND), str(_SECONDS)], check=True)
        self.lost += flows.lost
        self.told += _A_SECOND * _SECONDS
        return {"flood": float(done.stdout)}

    def requests(self, name: str, port: int) -> dict[str, float]:
        """The fastest of many requests on one connection."""
        times = []
        with self.a._kernel.visit(lambda: socket.socket()) as tcp:
            tcp.connect((self.b.address, port))
            for _ in range(_TIMES):
                start = time.perf_counter()
                tcp.sendall(b"HEAD /public HTTP/1.1\r\nHost: b\r\n\r\n")
                assert b" 200 " in tcp.recv(1 << 16)
                times.append(time.perf_counter() - start)
        return {name: min(times)}


def _rows(times: Times, two: Two) -> list[Row]:
    connecting = a_a(times["connect"], times["connect again"])
    asking = a_a(times["echo"], times["echo again"])
    return [
        Row("a connection, observed", times["connect, observed"], "not observed",
            ratio(times["connect, observed"], times["connect"]), connecting),
        Row("a datagram and its answer, observed", times["echo, observed"], "not observed",
            ratio(times["echo, observed"], times["echo"]), asking),
        Row(f"{two.told} flows at {_A_SECOND} a second: {two.lost} lost", times["flood"], f"{_SECONDS} s",
            min(times["flood"]) / _SECONDS),
        Row("a request through the proxy: user space, not Envoy", times["proxy"], "without",
            ratio(times["proxy"], times["direct"]), a_a(times["direct"], times["direct again"])),
    ]  # fmt: skip


def main() -> None:
    """Measure and print."""
    arguments = options(__doc__, rounds=10).parse_args()
    move_into_sandbox()
    with Lab() as lab:
        node = lab.node("node-1")
        with Calico("bgp").install(lab) as net:
            two = Two(net.pod(node, "a"), net.pod(node, "b"))
            with (
                two.b.spawn([sys.executable, _SERVER, str(_OPEN)]) as one,
                two.b.spawn([sys.executable, _SERVER, str(_JUDGED)]) as other,
                HttpPolicy(two.b, _JUDGED, [{"method": "HEAD", "path": "/public"}]),
            ):
                for server in (one, other):
                    assert server.stdout.readline() == "ready\n"
                    _read_all(server.stdout.fileno())
                jobs = [
                    Job("connect", lambda: two.connects("connect", observed=False)),
                    Job("connect again", lambda: two.connects("connect again", observed=False)),
                    Job("connect, observed", lambda: two.connects("connect, observed", observed=True)),
                    Job("echo", lambda: two.echoes("echo", observed=False)),
                    Job("echo again", lambda: two.echoes("echo again", observed=False)),
                    Job("echo, observed", lambda: two.echoes("echo, observed", observed=True)),
                    Job("flood", two.flood, every=3),
                    Job("direct", lambda: two.requests("direct", _OPEN)),
                    Job("direct again", lambda: two.requests("direct again", _OPEN)),
                    Job("proxy", lambda: two.requests("proxy", _JUDGED)),
                ]
                times, _ = in_turns(jobs, arguments.rounds)
                rows = _rows(times, two)
    report("flow log and HTTP proxy", rows)


def _read_all(fd: int) -> None:
    """The servers tell of each request, and would stop if nobody read it."""

    def read() -> None:
        while os.read(fd, 1 << 16):
            pass

    threading.Thread(target=read, daemon=True).start()


if __name__ == "__main__":
    main()
