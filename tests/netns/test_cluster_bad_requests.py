"""Requests that are none, clients that break off, many at once: nothing is left of them, and nobody is held up."""

from __future__ import annotations

import base64
import os
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.netns.kubectl import Kubectl
from tests.netns.whole import PODS, REPLICAS, connect, head, log_of_talker, stays_whole, talking

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    """One cluster for all tests of this module, which leave its pods alone."""
    with talking() as one:
        yield one


@pytest.fixture
def whole(kubectl: Kubectl) -> Iterator[Kubectl]:
    """Whole before, and whole after."""
    with stays_whole(kubectl):
        yield kubectl


def code_of(kubectl: Kubectl, request: str, media: str, body: bytes) -> int:
    """The status of an answer."""
    with connect(kubectl) as line:
        with suppress(ConnectionError):  # it need not read all of what it refuses
            line.sendall(head(kubectl, request, Content_Type=media, Content_Length=str(len(body))) + body)
        said = line.recv(12)
        assert said[:9] == b"HTTP/1.1 ", said
        return int(said[9:12])


def test_clients_that_break_off_leave_nothing(whole: Kubectl) -> None:
    log = log_of_talker(whole)
    for number in range(30):
        path = (f"{PODS}?watch=true", log, "/api/v1/events")[number % 3]
        line = connect(whole)
        line.sendall(head(whole, f"GET {path}"))
        line.recv(1 + number)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # so that closing is a reset
        line.close()


def test_what_is_no_request_is_refused_and_the_next_is_answered(whole: Kubectl) -> None:
    chance = random.Random(5)
    for _ in range(20):
        data = chance.randbytes(chance.randrange(1, 400))
        with suppress(OSError), connect(whole) as line:
            line.sendall(data + b"\r\n\r\n")
            line.recv(1000)
        with suppress(OSError), socket.create_connection(_at(whole)) as raw:
            raw.sendall(data)
    protobuf = "application/vnd.kubernetes.protobuf"
    bad = [("application/json", b'{"kind": "Pod", '), ("application/json", b"[" * 200_000), (protobuf, b"k8s\0"),
           ("application/yaml", b"kind: [Pod"), ("text/html", b"<p>")]  # fmt: skip
    bad += [(protobuf, b"k8s\0" + chance.randbytes(200)) for _ in range(20)]
    for media, body in bad:
        assert code_of(whole, f"POST {PODS}", media, body) in (400, 415, 422), (media, body)
    assert code_of(whole, f"POST {PODS}", "application/json", b"x" * 10_000_000) == 413
    assert whole("get pods -l app=web -o name").count("pod/") == REPLICAS


def _at(kubectl: Kubectl) -> tuple[str, int]:
    return "127.0.0.1", int(kubectl.cluster.url.rpartition(":")[2])


def test_kubectl_says_what_is_wrong_with_a_file(whole: Kubectl, tmp_path: Path) -> None:
    broken, large = tmp_path / "broken.yaml", tmp_path / "large"
    broken.write_text("kind: Pod\n  name: [x\n")
    assert "error" in whole.refused(f"apply -f {broken}")
    broken.write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: [x]}\nspec: {containers: {}}\n")
    assert "unmarshal" in whole.refused(f"apply -f {broken}")
    large.write_bytes(base64.b64encode(os.urandom(7_500_000)))
    assert "Request entity too large" in whole.refused(f"create configmap large --from-file={large}")
    assert whole("get configmaps -o name") == "configmap/kept"


def test_many_kubectls_at_once_change_the_same_things(whole: Kubectl) -> None:
    """Each write is there in the end, and every one that says it was made was made."""
    said: list[int] = []

    def label(number: int) -> None:
        said.append(whole.run("label", "configmap", "kept", f"n{number}={number}").returncode)

    threads = [threading.Thread(target=label, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [0] * 50
    labels = whole.json("get configmap kept")["metadata"]["labels"]
    assert labels == {f"n{number}": str(number) for number in range(50)}
