"""``%%ns`` runs in the right namespace, streams both outputs in order, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from labhelpers.course.magic import run_in
from labhelpers.errors import NotFound
from labhelpers.lab import Lab
from labhelpers.linux.process import namespaces_of_processes


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.reset()


def test_it_runs_in_a_pod_a_node_and_a_namespace_made_by_hand(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    node = lab.node("node-1")
    node.pod("pod-a")
    hand = lab.namespace("hand")
    for name in ("pod-a", "node-1", "hand"):
        assert run_in(name, "readlink /proc/self/ns/net") == 0
        assert capsys.readouterr().out == f"net:[{lab[name].inode}]\n"
    assert hand.exists
    run_in("node-1", "hostname; ls /run/netns")
    assert capsys.readouterr().out == "node-1\npod-a\n"


def test_a_namespace_known_on_its_node_only_is_found(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    node = lab.node("node-1")
    run_in("node-1", "ip netns add cni-1 && ip -n cni-1 link set lo alias 'role=pod name=web node=node-1'")
    assert run_in("web", "ip link show lo | grep -c alias") == 0
    assert capsys.readouterr().out == "1\n"
    assert "web" not in os.listdir("/run/netns")
    assert node.exists


def test_a_namespace_without_a_name_is_found_by_its_process(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    os.system("ip netns add red")
    red = lab["red"]
    inside = red.spawn("sleep 60")
    inode = red.inode
    os.system("ip netns delete red")
    run_in(f"pid-{inside.pid}", "readlink /proc/self/ns/net")
    assert capsys.readouterr().out == f"net:[{inode}]\n"
    inside.stop()
    with pytest.raises(NotFound):
        run_in(f"pid-{inside.pid}", "true")


def test_both_outputs_come_in_order_and_the_status_is_said(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.namespace("red")
    assert run_in("red", "echo one; echo two >&2; echo drei – 3; exit 3") == 3
    assert capsys.readouterr() == ("one\ntwo\ndrei – 3\nexit status 3\n", "")
    assert run_in("red", "kill -9 $$") == 137


def test_much_output_is_not_cut(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.namespace("red")
    run_in("red", "seq 100000")
    assert capsys.readouterr().out.split() == [str(n) for n in range(1, 100001)]


def test_output_is_shown_while_the_program_runs(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """The program waits for a file that is written only once its first line has been seen."""
    lab.namespace("red")
    seen: list[str] = []

    def answer() -> None:
        while "waiting" not in "".join(seen):
            seen.append(capsys.readouterr().out)
            time.sleep(0.01)
        open(f"/tmp/go-{os.getpid()}", "w").close()

    thread = threading.Thread(target=answer)
    thread.start()
    run_in("red", f"echo waiting; until rm /tmp/go-{os.getpid()} 2>/dev/null; do sleep 0.02; done")
    thread.join()


def test_what_is_left_in_the_background_is_not_waited_for(lab: Lab) -> None:
    red = lab.namespace("red")
    assert run_in("red", "sleep 300 & echo started") == 0
    assert red.inode in {inode for _, inode in namespaces_of_processes()}


def test_a_server_left_in_the_background_stays_though_it_writes_later(lab: Lab) -> None:
    """It writes its first line when the cell has ended, and a line for each request: a closed pipe would end it."""
    red = lab.namespace("red")
    red.up("lo")
    assert run_in("red", "python3 -u -m http.server 80 &") == 0
    ask = [sys.executable, "-c", "import urllib.request as web; print(web.urlopen('http://127.0.0.1/').status)"]
    end = time.monotonic() + 10
    while not red.run(ask).ok:
        assert time.monotonic() < end, "the server is gone, or never began"
        time.sleep(0.05)
    assert str(red.run(ask)) == "200"


def test_an_interrupt_ends_everything_that_was_started(lab: Lab) -> None:
    red = lab.namespace("red")

    def interrupt() -> None:
        while red.inode not in {inode for _, inode in namespaces_of_processes()}:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_in("red", "sleep 300; sleep 300")
    thread.join()
    end = time.monotonic() + 5
    while red.inode in {inode for _, inode in namespaces_of_processes()}:
        assert time.monotonic() < end, "a process is left in the namespace"
        time.sleep(0.01)
