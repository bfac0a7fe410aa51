"""exec, attach, logs and port-forward: real programs on one side, a client that speaks the protocols on the other."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.cluster.api import serving
from labhelpers.cluster.api.streams.spdy import SpdyConnection, SpdyStream
from labhelpers.cluster.api.types import DATA
from labhelpers.cluster.node_api import LogQuestion
from labhelpers.store import PODS
from tests.unit.apiserver import Client, Node, api, running_pod

POD = "/api/v1/namespaces/default/pods/web"
DICTIONARY = (DATA / "spdy.dictionary").read_bytes()


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def client(node: Node) -> Iterator[Client]:
    with api({"here": node}) as one:
        running_pod(one.store)
        yield one


class Said:
    """What came back on each channel."""

    def __init__(self) -> None:
        self.channels: dict[int, bytes] = {}

    def hear(self, channel: int, data: bytes) -> None:
        self.channels[channel] = self.channels.get(channel, b"") + data

    @property
    def status(self) -> Any:
        return json.loads(self.channels[3])


def query(*command: str, **streams: bool) -> str:
    words = [
        f"command={one.replace(' ', '+').replace(';', '%3B').replace('>', '%3E').replace('&', '%26')}"
        for one in command
    ]
    return "&".join(words + [f"{key}={'true' if one else 'false'}" for key, one in streams.items()])


def websocket(client: Client, what: str, sent: bytes | None = None, *more: bytes) -> Said:
    """Exec or attach as kubectl 1.30 and later do it."""

    async def run() -> Said:
        said = Said()
        url = f"{client.serving.url}{POD}/{what}"
        async with ClientSession() as session, session.ws_connect(url, protocols=["v5.channel.k8s.io"]) as ws:
            for one in more:
                await ws.send_bytes(one)
            if sent is not None:
                for start in range(0, len(sent), 30_000):
                    await ws.send_bytes(b"\0" + sent[start : start + 30_000])
                await ws.send_bytes(b"\xff\0")
            async for message in ws:
                assert message.type == WSMsgType.BINARY
                said.hear(message.data[0], message.data[1:])
        return said

    return asyncio.run(run())


class Spdy:
    """A client's side of SPDY over a socket, blocking and simple."""

    def __init__(self, client: Client, path: str, protocol: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", client.port), timeout=20)
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        self.socket.sendall(f"{head}X-Stream-Protocol-Version: {protocol}\r\n\r\n".encode())
        self.answer = b""
        while b"\r\n\r\n" not in self.answer:
            self.answer += self.socket.recv(1)
        self._deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 8, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
        self._numbers = iter(range(1, 1000, 2))

    def stream(self, **headers: str) -> int:
        number = next(self._numbers)
        raw = struct.pack(">I", len(headers))
        for key, value in headers.items():
            for text in (key, value):
                raw += struct.pack(">I", len(text)) + text.encode()
        block = self._deflate.compress(raw) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        body = struct.pack(">IIBB", number, 0, 0, 0) + block
        self.socket.sendall(struct.pack(">HHI", 0x8003, 1, len(body)) + body)
        return number

    def send(self, number: int, data: bytes, *, end: bool = False) -> None:
        self.socket.sendall(struct.pack(">II", number, (1 if end else 0) << 24 | len(data)) + data)

    def frames(self) -> Iterator[tuple[int, bytes, bool]]:
        """Data frames, until the connection ends: stream, data, and is it the last."""
        with suppress(EOFError, ConnectionError):
            while True:
                word, rest = struct.unpack(">II", self._exactly(8))
                body = self._exactly(rest & 0xFFFFFF)
                if not word >> 31:
                    yield word, body, bool(rest >> 24 & 1)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data


def spdy(client: Client, what: str, sent: bytes | None = None) -> Said:
    """Exec or attach as kubectl before 1.30 does it."""
    connection = Spdy(client, f"{POD}/{what}", "v4.channel.k8s.io")
    with connection.socket:
        assert connection.answer.startswith(b"HTTP/1.1 101 ")
        names = ["error", *(one for one in ("stdin", "stdout", "stderr") if f"{one}=true" in what)]
        streams = {connection.stream(streamtype=one): one for one in names}
        stdin = next((number for number, name in streams.items() if name == "stdin"), 0)

        def feed() -> None:
            for start in range(0, len(sent or b""), 30_000):
                connection.send(stdin, (sent or b"")[start : start + 30_000])
            connection.send(stdin, b"", end=True)

        if stdin:
            threading.Thread(target=feed, daemon=True).start()
        said, open_ones = Said(), set(streams) - {stdin}
        for number, data, last in connection.frames():
            said.hear({"stdin": 0, "stdout": 1, "stderr": 2, "error": 3}[streams[number]], data)
            open_ones -= {number} if last else set()
            if not open_ones:
                break
        return said


both = pytest.mark.parametrize("speak", [websocket, spdy])


@both
def test_a_program_says_things_and_how_it_ended(client: Client, speak: Any) -> None:
    said = speak(client, f"exec?{query('sh', '-c', 'echo out; echo err >&2; exit 7', stdout=True, stderr=True)}")
    assert (said.channels[1], said.channels[2]) == (b"out\n", b"err\n")
    assert said.status["reason"] == "NonZeroExitCode"
    assert said.status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]
    assert speak(client, f"exec?{query('true', stdout=True)}").status["status"] == "Success"


@both
def test_what_is_typed_comes_back_whole(client: Client, speak: Any) -> None:
    data = os.urandom(5_000_000)
    said = speak(client, f"exec?{query('cat', stdin=True, stdout=True)}", data)
    assert said.channels[1] == data
    assert said.status["status"] == "Success"


@both
def test_a_container_is_attached_to(client: Client, speak: Any) -> None:
    assert speak(client, "attach?stdin=true&stdout=true", b"typed").channels[1] == b"attached\ntyped"


@both
def test_a_program_that_is_not_there_is_an_error_of_its_own(client: Client, speak: Any) -> None:
    said = speak(client, f"exec?{query('nothing', stdout=True)}")
    assert said.status["status"] == "Failure"
    assert "executable file not found" in said.status["message"]


def test_a_program_waits_for_a_client_that_reads_slowly_and_loses_nothing(client: Client, node: Node) -> None:
    whole = "".join(f"{number}\n" for number in range(1, 1_500_001)).encode()

    async def go() -> bytes:
        url = f"{client.serving.url}{POD}/exec?{query('seq', '1500000', stdout=True)}"
        async with ClientSession() as session, session.ws_connect(url, protocols=["v5.channel.k8s.io"]) as ws:
            transport = ws._writer.transport
            assert transport is not None
            transport.pause_reading()
            written = await asyncio.to_thread(_has_stopped_writing, node.sessions[0].process.pid)
            assert 0 < written < len(whole)
            transport.resume_reading()
            said = Said()
            async for message in ws:
                said.hear(message.data[0], message.data[1:])
            return said.channels[1]

    assert asyncio.run(go()) == whole
    assert client.get("/api/v1/pods")["items"]


def _has_stopped_writing(pid: int) -> int:
    """Wait until a program sleeps for want of a reader, and say how much it wrote (``man 5 proc_pid_io``)."""
    end, written = time.monotonic() + 60, -1
    while time.monotonic() < end:
        before, written = written, int(Path(f"/proc/{pid}/io").read_text().split()[3])
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if written == before and state == "S":  # it does nothing but write
            return written
        time.sleep(0.05)
    raise AssertionError("it still writes")


def test_a_terminal_has_the_size_of_its_window(client: Client, node: Node) -> None:
    size = b"\4" + json.dumps({"Width": 100, "Height": 30}).encode()
    said = websocket(
        client, f"exec?{query('sh', '-c', 'read x; echo $x', stdin=True, stdout=True, tty=True)}", b"hi\n", size
    )
    assert said.channels[1].replace(b"\r", b"").endswith(b"hi\n")
    assert node.sessions[0].sizes == [(100, 30)]


def test_a_client_that_goes_ends_its_program(client: Client, node: Node) -> None:
    async def go() -> None:
        url = f"{client.serving.url}{POD}/exec?{query('sleep', '1000', stdout=True)}"
        async with ClientSession() as session, session.ws_connect(url, protocols=["v5.channel.k8s.io"]):
            pass

    asyncio.run(go())
    assert node.sessions[0].process.wait(20) != 0


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        (f"{POD}/exec?command=ls&stdout=true", 400, "Upgrade request required"),
        (f"{POD}/exec?stdout=true", 400, "at least one command"),
        (f"{POD}/exec?command=ls", 400, "at least 1 of stdin, stdout, stderr"),
        (f"{POD}/exec?command=ls&stdout=true&container=x", 400, "container x is not valid for pod web"),
        (f"{POD}/exec?command=gone&stdout=true", 404, "container not found"),
        (f"{POD}/log?tailLines=x", 400, "invalid log options"),
        (f"{POD}/portforward", 400, "Upgrade request required"),
    ],
)
def test_what_cannot_be_streamed_is_refused(client: Client, node: Node, path: str, code: int, message: str) -> None:
    status, answer = client.ask("GET", path)
    assert (status, answer["code"]) == (code, code)
    assert message in answer["message"]
    assert all(one.process.wait(20) is not None for one in node.sessions), "what was started for nothing has ended"


def test_of_several_containers_one_must_be_named(client: Client) -> None:
    running_pod(client.store, "two", "a", "b")
    answer = client.ask("GET", "/api/v1/namespaces/default/pods/two/log")[1]
    assert answer["message"] == "a container name must be specified for pod two, choose one of: [a b]"


def test_a_log_is_read_as_it_was_asked_for(client: Client, node: Node) -> None:
    options = "container=c&follow=true&timestamps=1&tailLines=5&limitBytes=9&sinceSeconds=3"
    with client.open("GET", f"{POD}/log?{options}") as answer:
        assert answer.read() == b"one\ntwo\n"
    question = LogQuestion("c", follow=True, timestamps=True, tail_lines=5, limit_bytes=9, since_seconds=3.0)
    assert node.questions == [question]


def test_a_large_log_that_nobody_finishes_reading_is_let_go(client: Client, node: Node) -> None:
    node.log = b"x" * 5_000_000
    with client.open("GET", f"{POD}/log") as answer:
        assert answer.read(10) == b"x" * 10
    assert node.unread.wait(20)


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it gets, and the end after the end."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    one, _ = server.accept()
                    with one:
                        while data := one.recv(65536):
                            one.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join(20)


def forwarded(connection: Spdy, port: int, number: str, sent: bytes) -> tuple[bytes, bytes]:
    error = connection.stream(streamtype="error", port=str(port), requestid=number)
    data = connection.stream(streamtype="data", port=str(port), requestid=number)
    connection.send(error, b"", end=True)
    threading.Thread(target=connection.send, args=(data, sent), kwargs={"end": True}, daemon=True).start()
    got, open_ones = {error: b"", data: b""}, {error, data}
    for stream, part, last in connection.frames():
        got[stream] += part
        open_ones -= {stream} if last else set()
        if not open_ones:
            break
    return got[data], got[error]


def test_connections_are_carried_into_the_pod_and_back(client: Client, echo: int) -> None:
    connection = Spdy(client, f"{POD}/portforward", "portforward.k8s.io")
    with connection.socket:
        data = os.urandom(1_000_000)
        assert forwarded(connection, echo, "0", data) == (data, b"")
        assert forwarded(connection, echo, "1", b"again") == (b"again", b"")
        got, error = forwarded(connection, 1, "2", b"")
        assert got == b""
        assert b"connection refused at 1" in error


def test_a_pod_that_does_not_run_has_no_ports(client: Client) -> None:
    pod = client.store.get(PODS, "web", "default")
    client.store.update(PODS, {**pod, "status": {"phase": "Pending"}}, subresource="status")
    assert "pod is not running" in client.ask("GET", f"{POD}/portforward")[1]["message"]


LASTING = {
    "watch": "/api/v1/pods?watch=true",
    "log": f"{POD}/log?follow=true",
    "exec": f"{POD}/exec?{query('sleep', '1000', stdin=True, stdout=True)}",
    "attach": f"{POD}/attach?stdin=true&stdout=true",
    "portforward": f"{POD}/portforward",
}


def upgrade(what: str, way: str) -> dict[str, str]:
    """The headers by which kubectl asks for a protocol."""
    if way == "http":
        return {}
    inner = "portforward.k8s.io" if what == "portforward" else "v4.channel.k8s.io"
    if way == "spdy":
        return {"Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": inner}
    protocol = f"SPDY/3.1+{inner}" if what == "portforward" else "v5.channel.k8s.io"
    key = {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg=="}
    return {"Upgrade": "websocket", "Sec-WebSocket-Protocol": protocol, **key}


@pytest.mark.parametrize(
    ("what", "way"),
    [("watch", "http"), ("log", "http"), *((one, way) for one in list(LASTING)[2:] for way in ("websocket", "spdy"))],
)
def test_a_server_that_ends_takes_along_what_would_go_on_for_ever(
    node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, what: str, way: str
) -> None:
    monkeypatch.setattr(serving, "_PATIENCE", 3600.0)  # of aiohttp, with answers that do not end by themselves
    node.log_goes_on = True
    headers = {"Host": "x", "Connection": "Upgrade", **upgrade(what, way)}
    with api({"here": node}) as client, socket.create_connection(("127.0.0.1", client.port), timeout=20) as line:
        running_pod(client.store)
        head = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        line.sendall(f"GET {LASTING[what]} HTTP/1.1\r\n{head}\r\n".encode())
        assert line.recv(9) == b"HTTP/1.1 "
        closing = threading.Thread(target=client.serving.close)
        closing.start()
        closing.join(60)
        assert not closing.is_alive()
    assert all(one.process.wait(20) is not None for one in node.sessions)
    assert [one.message for one in caplog.records] == []


@given(data=st.binary(max_size=200), cut=st.integers(0, 200))
def test_whatever_comes_in_ends_at_most_the_connection(data: bytes, cut: int) -> None:
    async def run() -> None:
        streams: list[SpdyStream] = []
        connection = SpdyConnection(streams.append, lambda _: None)
        connection.data_received(struct.pack(">HHI", 0x8003, 1, len(data)) + data)
        connection.data_received(data[cut:])
        connection.finish()
        for one in streams:
            while await one.read():
                pass

    asyncio.run(run())
