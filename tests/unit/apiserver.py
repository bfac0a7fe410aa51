"""An API server over a store in memory, without TLS, and a client that only knows HTTP."""

from __future__ import annotations

import json
import os
import pty
import select
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any

from labhelpers.cluster.api.serving import Serving, listen
from labhelpers.cluster.node_api import LogQuestion, Session
from labhelpers.errors import BadInput, NotFound
from labhelpers.store import NAMESPACES, PODS, MemoryStore, Object

__all__ = ["Client", "Node", "api", "running_pod"]

JSON = "application/json"


class Client:
    """Requests to one server."""

    def __init__(self, store: MemoryStore, serving: Serving) -> None:
        self.store, self.serving = store, serving
        self.port = int(serving.url.rpartition(":")[2])

    def open(self, method: str, path: str, body: bytes = b"", **headers: str) -> HTTPResponse:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {"Connection": "close", **{key.replace("_", "-"): one for key, one in headers.items()}}
        connection.request(method, path, body or None, sent)
        return connection.getresponse()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and the JSON that was answered."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        with self.open(method, path, data, **{"Content_Type": JSON, **headers}) as answer:
            return answer.status, json.load(answer)

    def get(self, path: str, **headers: str) -> Any:
        status, answer = self.ask("GET", path, **headers)
        assert status == 200, answer
        return answer


@contextmanager
def api(nodes: Mapping[str, Any] | None = None, *, token: str = "") -> Iterator[Client]:
    """Serve until the end of the block."""
    store = MemoryStore()
    store.create(NAMESPACES, {"metadata": {"name": "default"}, "spec": {"finalizers": ["kubernetes"]}})
    serving = Serving(store, nodes or {}, listen(0), token=token)
    try:
        yield Client(store, serving)
    finally:
        serving.close()


def running_pod(store: MemoryStore, name: str = "web", *containers: str) -> Object:
    """A pod on the node ``here``."""
    spec = {"nodeName": "here", "containers": [{"name": one} for one in containers or ("c",)]}
    meta = {"name": name, "namespace": "default"}
    return store.create(PODS, {"metadata": meta, "spec": spec, "status": {"phase": "Running"}})


class Program(Session):
    """A session with a process of this machine."""

    def __init__(self, command: Sequence[str], *, stdin: bool, tty: bool) -> None:
        super().__init__()
        if tty:
            self.stdin, theirs = pty.openpty()
            self.stdout = self.stdin
            self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
            os.close(theirs)
        else:
            give, take = os.pipe() if stdin else (os.open(os.devnull, os.O_RDONLY), -1)
            self.stdin = take
            self.stdout, out = os.pipe()
            self.stderr, err = os.pipe()
            self.process = subprocess.Popen(command, stdin=give, stdout=out, stderr=err, start_new_session=True)
            for fd in (give, out, err):
                os.close(fd)
        self.sizes: list[tuple[int, int]] = []
        threading.Thread(target=lambda: self.exit.set_result(self.process.wait() % 256), daemon=True).start()

    def resize(self, columns: int, rows: int) -> None:
        self.sizes.append((columns, rows))

    def close_stdin(self) -> None:
        if self.stdin >= 0 and self.stdin != self.stdout:
            os.close(self.stdin)
            self.stdin = -1

    def close(self) -> None:
        for fd in {self.stdin, self.stdout, self.stderr} - {-1}:
            os.close(fd)
        self.stdin = self.stdout = self.stderr = -1
        if not self.exit.done():
            self.process.kill()  # which knows whether it has ended since


class Node:
    """A node whose containers are processes of this machine: the other side of the API server's streams."""

    def __init__(self) -> None:
        self.sessions: list[Program] = []
        self.questions: list[LogQuestion] = []
        self.log = b"one\ntwo\n"
        #: the end of the log is not reached
        self.log_goes_on = False
        #: a log was not read to its end
        self.unread = threading.Event()

    def logs(self, pod: Mapping[str, Any], question: LogQuestion) -> int:
        self.questions.append(question)
        ours, theirs = os.pipe()
        threading.Thread(target=self._write, args=(theirs,), daemon=True).start()
        return ours

    def _write(self, fd: int) -> None:
        try:
            with open(fd, "wb", buffering=0) as file:
                rest = memoryview(self.log)
                while rest:  # one write may be cut short without an error
                    rest = rest[file.write(rest) :]
                if self.log_goes_on:
                    reader = select.poll()
                    reader.register(file, 0)
                    reader.poll(60_000)  # until nobody reads any more
        except BrokenPipeError:
            self.unread.set()

    def exec(self, pod: Mapping[str, Any], container: str, command: Sequence[str], **streams: bool) -> Session:
        if command[0] == "gone":
            raise NotFound('container not found ("c")', "Look again.")
        if command[0] == "nothing":
            raise BadInput('exec: "nothing": executable file not found in $PATH', "Check it.")
        session = Program(command, stdin=streams["stdin"], tty=streams["tty"])
        self.sessions.append(session)
        return session

    def attach(self, pod: Mapping[str, Any], container: str, **streams: bool) -> Session:
        return self.exec(pod, container, ["sh", "-c", "echo attached; cat"], **streams)

    def port_forward(self, pod: Mapping[str, Any], port: int) -> socket.socket:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            raise BadInput(f"connection refused at {port}", "Start something there.") from None
