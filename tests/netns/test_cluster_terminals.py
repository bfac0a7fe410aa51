"""Terminals: ``kubectl`` with ``-it`` in a terminal of its own, typed into as a person does."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from select import select

import pytest

from tests.netns.kernel import eventually
from tests.netns.kubectl import Kubectl, cluster_with_kubectl

PATIENCE = 60.0


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    """One cluster for all tests of this module, with a pod to look into."""
    with cluster_with_kubectl(1) as one:
        one.sleeper("box")
        yield one


class Typist:
    """A kubectl in a terminal of 100 columns and 30 rows."""

    def __init__(self, *arguments: str) -> None:
        self.terminal, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        command = ["setsid", "--ctty", "kubectl", *arguments]
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.said = ""

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def sees(self, text: str) -> bool:
        """Read until this is there, or nothing more comes."""
        while text not in self.said:
            if not select([self.terminal], [], [], PATIENCE)[0]:
                return False
            try:
                self.said += os.read(self.terminal, 1000).decode().replace("\r", "")
            except OSError:  # kubectl has ended
                return text in self.said
        return True

    def ends(self) -> int:
        assert not self.sees("nothing says this")
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        os.close(self.terminal)


@contextmanager
def typing(*arguments: str) -> Iterator[Typist]:
    typist = Typist(*arguments)
    try:
        yield typist
    finally:
        typist.close()


@pytest.fixture
def shell(kubectl: Kubectl) -> Iterator[str]:
    """A pod that is a shell with a terminal."""
    container = {"name": "shell", "image": "busybox", "command": ["sh"], "stdin": True, "tty": True}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shell"}, "spec": {"containers": [container]}}
    kubectl("apply -f -", input=json.dumps(pod))
    kubectl("wait --for=condition=Ready pod/shell --timeout=60s")
    yield "shell"
    kubectl("delete pod shell --grace-period=1")


@pytest.fixture(params=["true", "false"], ids=["websocket", "spdy"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What carries it: both ways that kubectl has."""
    monkeypatch.setenv("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", request.param)


@pytest.mark.usefixtures("transport")
def test_a_shell_in_a_pod_has_a_terminal_with_a_name_and_the_windows_size(kubectl: Kubectl) -> None:
    with typing("exec", "-it", "box", "--", "sh") as typist:
        typist.type("tty; stty size; echo $((20 + 3))\n")
        assert typist.sees("\n23\n"), typist.said
        assert re.search(r"\n/dev/pts/\d+\n", typist.said)  # the number is the next that is free
        assert "\n30 100\n" in typist.said
        fcntl.ioctl(typist.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 11, 77, 0, 0))
        typist.type("until stty size | grep '^11 77$'; do sleep 0.1; done; echo $((30 + 4))\n")
        assert typist.sees("\n34\n"), typist.said
        typist.type("sleep 4711\n")
        assert eventually(lambda: "4711" in kubectl("exec box -- ps"), PATIENCE)
        typist.type("\x03exit 5\n")
        assert typist.ends() == 5, typist.said
    assert eventually(lambda: "4711" not in kubectl("exec box -- ps"), PATIENCE)


@pytest.mark.usefixtures("transport")
def test_a_pod_that_is_run_with_a_terminal_is_talked_to_and_goes(kubectl: Kubectl) -> None:
    with typing("run", "talk", "-it", "--rm", "--image=busybox", "--restart=Never", "--", "sh") as typist:
        pod = eventually(lambda: "Running" in kubectl("get pods talk --ignore-not-found"), PATIENCE)
        assert pod, typist.said
        typist.type("tty; echo $((40 + 5)); exit 0\n")
        assert typist.sees("\n45\n"), typist.said
        assert re.search(r"\n/dev/pts/\d+\n", typist.said)  # the number is the next that is free
        assert typist.ends() == 0, typist.said
        assert 'pod "talk" deleted' in typist.said
    assert kubectl("get pods talk --ignore-not-found") == ""


def test_a_running_pod_is_attached_to_left_and_attached_to_again(kubectl: Kubectl, shell: str) -> None:
    with typing("attach", "-it", shell) as first:
        first.type("mine=51; echo $((mine + 1))\n")
        assert first.sees("\n52\n"), first.said
        first.process.kill()
    with typing("attach", "-it", shell) as second:
        second.type("echo $((mine + 2))\n")
        assert second.sees("\n53\n"), second.said
    assert "52" in kubectl(f"logs {shell}")
    assert kubectl(f"get pod {shell} -o", "jsonpath={.status.containerStatuses[0].restartCount}") == "0"


def test_input_through_a_pipe_reaches_a_pod_that_is_run_for_it(kubectl: Kubectl) -> None:
    said = kubectl("run piped -i --rm --image=busybox --restart=Never --quiet -- sort", input="two\none\n")
    assert said.splitlines()[:2] == ["one", "two"]
