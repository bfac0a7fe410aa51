"""HTTP policy: real requests, what the server saw of them, tries to smuggle, and deaths of the proxy."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from labhelpers.cni import CniPod
from labhelpers.errors import AlreadyExists, BadInput
from labhelpers.lab import Lab
from labhelpers.linux.process import Process
from labhelpers.networks import Calico
from labhelpers.networks.http_policy import HttpPolicy
from labhelpers.trace import observe
from tests.netns.kernel import eventually, nft

RULES = [{"method": "GET|HEAD", "path": "/public(/.*)?"}, {"method": "POST", "path": "/api/orders"}]
PATIENCE = 10.0  # seconds
SERVER = str(Path(__file__).with_name("http_server.py"))


@dataclass(frozen=True)
class Shop:
    """A server with a policy, a client on its node and one on another."""

    near: CniPod
    far: CniPod
    web: CniPod
    server: Process
    policy: HttpPolicy

    def saw(self) -> dict[str, str]:
        """The next request that the server saw."""
        seen: dict[str, str] = json.loads(self.server.stdout.readline())
        return seen


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    lab = Lab()
    nodes = [lab.node(f"node-{number}") for number in (1, 2)]
    with Calico("bgp").install(lab) as net:
        near, web, far = net.pod(nodes[0], "near"), net.pod(nodes[0], "web"), net.pod(nodes[1], "far")
        net.wait()
        with web.spawn([sys.executable, SERVER, "80"]) as server:
            assert server.stdout.readline() == "ready\n"
            with HttpPolicy(web, 80, RULES) as policy:
                yield Shop(near, far, web, server, policy)
        assert "http_policy" not in str(nft(nodes[0].name))
        assert {rule.table for rule in nodes[0].rules()} == {"local", "main", "default"}
    lab.reset()


def connected(shop: Shop, source: CniPod, port: int = 80) -> socket.socket:
    made = source._kernel.visit(lambda: socket.socket())
    made.settimeout(PATIENCE)
    made.connect((shop.web.address, port))
    return made


def said(shop: Shop, data: bytes, source: CniPod | None = None, port: int = 80) -> bytes:
    """All that is answered to these bytes, until the connection ends."""
    with connected(shop, source or shop.near, port) as tcp:
        tcp.sendall(data)
        tcp.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while more := tcp.recv(1 << 16):
                answer += more
        except ConnectionResetError:
            pass
        return answer


def request(first: str, *lines: str, body: str = "") -> bytes:
    return "\r\n".join([f"{first} HTTP/1.1", "Host: web", *lines, "", body]).encode()


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize("who", ["near", "far"])
def test_only_what_a_rule_allows_reaches_the_server_which_sees_who_asks(shop: Shop, who: str) -> None:
    client: CniPod = getattr(shop, who)
    assert statuses(said(shop, request("GET /admin"), client)) == [403]
    assert statuses(said(shop, request("DELETE /public"), client)) == [403]
    assert statuses(said(shop, request("GET /public/x?y=z"), client)) == [200]
    assert shop.saw() == {"client": client.address, "method": "GET", "path": "/public/x?y=z", "body": ""}
    sent = request("POST /api/orders", "Content-Length: 5", body="three")
    assert statuses(said(shop, sent, client)) == [200]
    assert shop.saw() == {"client": client.address, "method": "POST", "path": "/api/orders", "body": "three"}


def test_requests_on_one_connection_are_judged_one_by_one(shop: Shop) -> None:
    many = b"".join(map(request, ("GET /public/1", "GET /admin", "HEAD /public/2", "GET /secret", "GET /public/3")))
    assert statuses(said(shop, many)) == [200, 403, 200, 403, 200]
    assert [shop.saw()["path"] for _ in range(3)] == ["/public/1", "/public/2", "/public/3"]


def test_bodies_of_any_size_and_in_pieces_arrive_whole(shop: Shop) -> None:
    large = "x" * 300_000
    assert statuses(said(shop, request("POST /api/orders", f"Content-Length: {len(large)}", body=large))) == [200]
    assert shop.saw()["body"] == f"300000 bytes {hashlib.sha256(large.encode()).hexdigest()}"
    pieces = "5\r\nthree\r\n7;why=not\r\n pieces\r\n0\r\n\r\n"
    assert statuses(said(shop, request("POST /api/orders", "Transfer-Encoding: chunked", body=pieces))) == [200]
    assert shop.saw()["body"] == "three pieces"
    with connected(shop, shop.near) as tcp:
        tcp.sendall(request("POST /api/orders", "Content-Length: 2", "Expect: 100-continue"))
        assert tcp.recv(1 << 16).startswith(b"HTTP/1.1 100")
        tcp.sendall(b"ok")
        assert tcp.recv(1 << 16).startswith(b"HTTP/1.1 200")
    assert shop.saw()["body"] == "ok"


def test_the_flow_log_has_a_line_for_each_request_with_status_and_time(shop: Shop) -> None:
    with observe(protocol="http") as flows:
        said(shop, request("GET /public/a"), shop.far)
        said(shop, request("GET /admin"))
        said(shop, request("GET /public/.."))
        assert flows.wait_for(lambda one: one.status == 400, timeout=PATIENCE)
    assert shop.saw()["path"] == "/public/a"
    assert [
        (one.source, one.destination, one.port, one.method, one.path, one.status, one.verdict) for one in flows.rows
    ] == [
        ("far", "web", 80, "GET", "/public/a", 200, "forwarded"),
        ("near", "web", 80, "GET", "/admin", 403, "dropped"),
        ("near", "web", 80, "", "", 400, "dropped"),
    ]
    passed, denied, refused = flows.rows
    assert (passed.policy, passed.node) == ("http rule 1", "node-1")
    assert 0 < passed.latency < 60_000
    assert denied.reason == "no rule allows it"
    assert refused.reason == "a path with . or .. as a part"
    assert flows.lost == 0


SMUGGLED = "GET /admin HTTP/1.1\r\nHost: web\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"
TRIES = {
    "CL.TE": request("POST /api/orders", "Content-Length: 40", CHUNKED, body=f"0\r\n\r\n{SMUGGLED}"),
    "TE.TE": request("POST /api/orders", CHUNKED, "Transfer-Encoding: x", body=f"0\r\n\r\n{SMUGGLED}"),
    "two lengths": request("POST /api/orders", "Content-Length: 0", "Content-Length: 40", body=SMUGGLED),
    "a list of lengths": request("POST /api/orders", "Content-Length: 0, 40", body=SMUGGLED),
    "folded": request("GET /public", "X: a", " Content-Length: 40", body=SMUGGLED),
    "space before the colon": request("POST /api/orders", "Transfer-Encoding : chunked", body=f"0\r\n\r\n{SMUGGLED}"),
    "bare LF": b"GET /public HTTP/1.1\nHost: web\nX: y\n\n" + SMUGGLED.encode(),
    "bare LF inside": b"GET /public HTTP/1.1\r\nHost: web\r\nX: y\nContent-Length: 40\r\n\r\n" + SMUGGLED.encode(),
    "bare CR": b"GET /public HTTP/1.1\r\nHost: web\r\nX: y\rContent-Length: 40\r\n\r\n" + SMUGGLED.encode(),
    "zero byte": b"GET /public HTTP/1.1\r\nHost: web\r\nX: \0\r\n\r\n" + SMUGGLED.encode(),
    "two hosts": request("GET /public", "Host: admin"),
    "absolute": request("GET http://admin/admin"),
    "dots": request("GET /public/../admin"),
    "coded dots": request("GET /public/%2e%2e/admin"),
    "coded slash": request("GET /public%2f..%2fadmin"),
    "tunnel": request("CONNECT web:81"),
    "upper TE in 1.0": b"POST /api/orders HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED.encode(),
    "HTTP/2 by surprise": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x20" * 60 + b"\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("data", TRIES.values(), ids=TRIES.keys())
def test_smuggling_is_refused_and_the_server_sees_nothing_of_it(shop: Shop, data: bytes) -> None:
    assert statuses(said(shop, data)) == [400]
    assert statuses(said(shop, request("GET /public/after"))) == [200]
    assert shop.saw()["path"] == "/public/after"


def test_a_head_without_end_and_a_body_that_is_none_are_refused(shop: Shop) -> None:
    assert statuses(said(shop, request("GET /public", "X: " + "y" * 20_000))) == [431]
    assert statuses(said(shop, b"GET /public HTTP/1.1\r\nHost: we")) == [400]
    bad = request("POST /api/orders", "Transfer-Encoding: chunked", body="zz\r\nno number\r\n0\r\n\r\n")
    assert statuses(said(shop, bad)) == [400]
    assert statuses(said(shop, request("GET /public/after"))) == [200]
    assert shop.saw()["path"] == "/public/after"


def test_the_end_of_a_body_cannot_hide_a_request(shop: Shop) -> None:
    """An upgrade is not passed on, and what follows a body is judged as a request of its own."""
    hidden = request("POST /api/orders", "Content-Length: 2", body=f"ok{SMUGGLED}")
    assert statuses(said(shop, hidden)) == [200, 403]
    assert shop.saw()["body"] == "ok"
    upgrade = request("GET /public", "Connection: Upgrade, Content-Length", "Upgrade: h2c", "Content-Length: 0")
    assert statuses(said(shop, upgrade + SMUGGLED.encode())) == [200, 403]
    assert shop.saw()["path"] == "/public"


def test_whatever_bytes_come_only_what_is_allowed_reaches_the_server(shop: Shop) -> None:
    chosen = random.Random(7)
    words = [
        b"GET ", b"POST ", b"/public", b"/admin", b" HTTP/1.1", b"\r\n", b"\n", b"\r\n\r\n", b"Host: web", b"0\r\n\r\n",
        b"Content-Length: 5", b"Transfer-Encoding: chunked", b" ", b"\t", b"\0", b"hello",
        b"5\r\nhello\r\n", b"\xff", b":",
    ]  # fmt: skip
    for number in range(150):
        start = b"GET /public HTTP/1.1\r\nHost: web\r\n" if number % 2 else b""
        said(
            shop, start + b"".join(chosen.choices(words, k=chosen.randint(1, 20))), chosen.choice([shop.near, shop.far])
        )
    assert statuses(said(shop, request("GET /public/last"))) == [200]
    while (seen := shop.saw())["path"] != "/public/last":
        assert (seen["method"], seen["path"].partition("/admin")[0]) in {("GET", "/public"), ("HEAD", "/public")}, seen
        assert shop.policy.rules[0].allows(seen["method"], seen["path"], "web")


def test_a_server_that_does_not_answer_is_503(shop: Shop) -> None:
    with HttpPolicy(shop.near, 8080, [{}]), shop.far._kernel.visit(lambda: socket.socket()) as tcp:
        tcp.settimeout(PATIENCE)
        tcp.connect((shop.near.address, 8080))
        tcp.sendall(request("GET /"))
        assert tcp.recv(1 << 16).startswith(b"HTTP/1.1 503")


def test_the_process_that_speaks_is_started_again_when_it_is_killed(shop: Shop) -> None:
    with HttpPolicy(shop.web, 81, RULES) as policy:
        assert statuses(said(shop, request("GET /admin"), port=81)) == [403]
        watching = policy._pid
        (speaking,) = {pid for pid, _ in policy._processes()} - {watching}
        os.kill(speaking, signal.SIGKILL)
        assert statuses(said(shop, request("GET /admin"), port=81)) == [403]
        assert policy.running
        now = {pid for pid, _ in policy._processes()}
        assert now > {watching}
        assert speaking not in now


class Refused:
    """Is a connection refused?  A process that was killed may have its sockets a moment longer."""

    def __init__(self, client: CniPod, server: CniPod, port: int) -> None:
        self.client, self.server, self.port = client, server, port
        self.let_through = False

    def __call__(self) -> bool:
        reply = self.client.connect(self.server, self.port, timeout=PATIENCE)
        self.let_through |= reply.ok
        return reply.error == "connection refused"


def test_without_the_proxy_nothing_passes_and_it_can_be_started_again(shop: Shop) -> None:
    with HttpPolicy(shop.web, 81, RULES) as policy, shop.web.listen(81):
        os.kill(policy._pid, signal.SIGKILL)
        assert eventually(lambda: not policy._processes(), timeout=PATIENCE)
        for client in (shop.near, shop.far):
            assert eventually(refused := Refused(client, shop.web, 81), timeout=PATIENCE)
            assert not refused.let_through
        assert policy.counters().where(what="the proxy does not run")[0].packets >= 2
        assert "the proxy does not run: connections are refused" in repr(policy)
        policy.restart()
        assert statuses(said(shop, request("GET /admin"), port=81)) == [403]


def test_who_is_not_named_cannot_connect_and_the_node_itself_can(shop: Shop) -> None:
    with HttpPolicy(shop.near, 8081, [{}], from_=[shop.web]), shop.near.listen(8081):
        assert not shop.far.connect(shop.near, 8081, timeout=0.3).ok
        assert "you came from" in shop.near.node.connect(shop.near, 8081, timeout=PATIENCE).text


def test_a_second_policy_for_a_port_and_a_bridge_past_the_node_are_refused(shop: Shop) -> None:
    with pytest.raises(AlreadyExists, match=r"Port 80 of .* has an HTTP policy already"):
        HttpPolicy(shop.web, 80, [])
    assert shop.policy.running
    with pytest.raises(BadInput, match="is not a TCP port"):
        HttpPolicy(shop.web, 0, [])
    with pytest.raises(BadInput, match="'nobody' is no address"):
        HttpPolicy(shop.web, 81, [], from_=["nobody"])
    with shop.web.node.pod("bridged", address=None) as bridged, pytest.raises(BadInput, match="the node never sees"):
        HttpPolicy(bridged, 80, [])
