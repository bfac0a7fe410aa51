"""What the API server asks a kubelet: logs, exec, attach, port-forward."""

from __future__ import annotations

import os
import socket
import termios
from collections.abc import Iterator
from pathlib import Path
from select import select

import pytest

from labhelpers.cluster.node_api import LogQuestion
from labhelpers.errors import BadInput, NotFound
from tests.netns.kernel import eventually
from tests.netns.kubelets import PATIENCE, Kubelets, kubelets, read_all

COUNT = "for n in 1 2 3 4 5; do echo line $n; sleep 0.02; done; echo wrong >&2; sleep 3600"


@pytest.fixture
def here() -> Iterator[Kubelets]:
    with kubelets() as it:
        yield it


# --- logs ------------------------------------------------------------------------------------------------------------


def test_a_log_is_read_whole_or_its_end_or_so_many_bytes(here: Kubelets) -> None:
    here.run("web", "busybox", "sh", "-c", COUNT)
    assert here.comes(lambda: "wrong" in here.logs())
    lines = sorted(here.logs().splitlines())
    assert lines == ["line 1", "line 2", "line 3", "line 4", "line 5", "wrong"]
    assert len(here.logs(tail_lines=2).splitlines()) == 2
    assert here.logs(tail_lines=0) == ""
    assert len(here.logs(tail_lines=100).splitlines()) == 6
    assert here.logs(limit_bytes=9) == here.logs()[:9]


def test_lines_are_told_with_their_times_and_from_a_time_on(here: Kubelets) -> None:
    here.run("web", "busybox", "sh", "-c", COUNT)
    assert here.comes(lambda: "wrong" in here.logs())
    stamped = here.logs(timestamps=True).splitlines()
    times = [line.split(" ", 1)[0] for line in stamped]
    assert times == sorted(times) and all(time.endswith("Z") for time in times)
    assert here.logs(since_time=times[3], timestamps=True).splitlines() == stamped[3:]
    assert here.logs(since_seconds=3600) == here.logs()
    assert here.logs(since_time="2999-01-01T00:00:00Z") == ""
    with pytest.raises(BadInput, match="invalid sinceTime"):
        here.logs(since_time="yesterday")


def test_a_log_is_followed_until_the_container_ends(here: Kubelets) -> None:
    here.run("web", "busybox", "sh", "-c", "echo one; while ! test -e /go; do sleep 0.05; done; printf end")
    fd = here.kubelet.requests.logs(here.pod(), LogQuestion(follow=True))
    assert os.read(fd, 100) == b"one\n"
    here.exec("web", "touch", "/go")
    assert read_all(fd) == b"end"
    os.close(fd)


def test_who_stops_following_costs_nothing_more(here: Kubelets) -> None:
    here.run("web", "busybox", "sh", "-c", "while :; do echo again; sleep 0.05; done")
    before = _threads()
    fd = here.kubelet.requests.logs(here.pod(), LogQuestion(follow=True))
    assert os.read(fd, 6) == b"again\n"
    os.close(fd)
    assert eventually(lambda: _threads() <= before)


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))


def test_a_long_line_is_told_in_one(here: Kubelets) -> None:
    here.run("web", "busybox", "sh", "-c", "head -c 40000 /dev/zero | tr '\\0' x; echo; echo last; sleep 3600")
    assert here.comes(lambda: "last" in here.logs())
    assert here.logs() == "x" * 40000 + "\nlast\n"
    assert here.logs(tail_lines=2) == here.logs()
    assert here.logs(timestamps=True).count("Z ") == 2


def test_a_log_that_is_not_there_yet_says_what_the_container_waits_for(here: Kubelets) -> None:
    here.create("web", "redis")
    assert here.comes(lambda: here.waiting() in ("ErrImagePull", "ImagePullBackOff"))
    with pytest.raises(BadInput, match='container "web" in pod "web" is waiting to start: trying and failing to pull'):
        here.logs()
    with pytest.raises(BadInput, match='previous terminated container "web" in pod "web" not found'):
        here.logs(previous=True)


def test_a_pod_that_is_not_here_is_not_found(here: Kubelets) -> None:
    pod = here.run()
    with pytest.raises(NotFound, match="container other is not valid for pod web"):
        here.logs(container="other")
    here.delete()
    with pytest.raises(NotFound, match="is not running on this node"):
        here.kubelet.requests.logs(pod, LogQuestion())
    with pytest.raises(NotFound):
        here.kubelet.requests.exec(pod, "", ["true"])


# --- exec ------------------------------------------------------------------------------------------------------------


def test_a_program_reads_writes_and_ends_with_its_status(here: Kubelets) -> None:
    here.run()
    assert here.exec("web", "sh", "-c", "cat; exit 7", input=b"hello\n") == (7, "hello\n")


def test_much_goes_through_whole(here: Kubelets) -> None:
    here.run()
    session = here.session("web", ["head", "-c", "20000000", "/dev/zero"])
    assert len(read_all(session.stdout)) == 20_000_000
    assert session.exit.result(PATIENCE) == 0
    session.close()


def test_a_terminal_has_a_size_and_passes_ctrl_c_on(here: Kubelets) -> None:
    here.run()
    session = here.session("web", ["sh"], stdin=True, tty=True)
    session.resize(123, 45)
    os.write(session.stdin, b"stty size; sleep 1234\n")
    said = b""
    while b"45 123" not in said:
        assert select([session.stdout], [], [], PATIENCE)[0], said
        said += os.read(session.stdout, 1000)
    assert here.comes(lambda: "sleep 1234" in here.exec("web", "ps")[1])
    os.write(session.stdin, b"\x03")
    os.write(session.stdin, b"echo still $((1 + 1)) here; exit 5\n")
    said = read_all(session.stdout)
    assert b"still 2 here" in said
    assert session.exit.result(PATIENCE) == 5
    assert termios.tcgetattr(session.stdin)
    session.close()


def test_who_goes_away_ends_what_it_started(here: Kubelets) -> None:
    here.run()
    session = here.session("web", ["sleep", "3599"])
    assert "3599" in here.exec("web", "ps")[1]
    session.close()
    assert session.exit.result(PATIENCE) == 137
    assert "3599" not in here.exec("web", "ps")[1]


def test_a_program_that_is_not_there_is_refused_as_a_real_runtime_does(here: Kubelets) -> None:
    here.run()
    with pytest.raises(
        BadInput, match=r'exec failed: .* exec: "nothing": executable file not found in \$PATH: unknown'
    ):
        here.session("web", ["nothing"])
    with pytest.raises(BadInput, match='exec: "/bin/nothing": no such file or directory'):
        here.session("web", ["/bin/nothing"])


def test_a_container_that_does_not_run_takes_no_program(here: Kubelets) -> None:
    here.create("web", "busybox", "true", spec_restartPolicy="Never")
    assert here.comes(lambda: here.status().get("phase") == "Succeeded")
    with pytest.raises(BadInput, match=r'unable to upgrade connection: container not found \("web"\)'):
        here.session("web", ["true"])


# --- attach ----------------------------------------------------------------------------------------------------------


def test_who_attaches_to_a_shell_talks_to_it_until_it_ends(here: Kubelets) -> None:
    here.run("web", "busybox", "sh", stdin=True, stdinOnce=True, spec_restartPolicy="Never")
    session = here.kubelet.requests.attach(here.pod(), "", stdin=True)
    os.write(session.stdin, b"echo hello; exit 4\n")
    assert read_all(session.stdout) == b"hello\n"
    assert session.exit.result(PATIENCE) == 0  # which kubectl asks the pod for
    session.close()
    assert here.comes(lambda: here.status()["phase"] == "Failed")
    assert here.container()["state"]["terminated"]["exitCode"] == 4


def test_the_end_of_the_input_reaches_a_container_that_was_to_have_one_input_only(here: Kubelets) -> None:
    here.run("web", "busybox", "cat", stdin=True, stdinOnce=True, spec_restartPolicy="Never")
    session = here.kubelet.requests.attach(here.pod(), "", stdin=True)
    os.write(session.stdin, b"hello")
    session.close_stdin()
    assert read_all(session.stdout) == b"hello"
    assert session.exit.result(PATIENCE) == 0
    session.close()


def test_closing_an_attachment_leaves_the_container_running(here: Kubelets) -> None:
    here.run("web", "busybox", "sh", "-c", "while :; do echo again; sleep 0.05; done")
    session = here.kubelet.requests.attach(here.pod(), "")
    assert os.read(session.stdout, 6) == b"again\n"
    session.close()
    assert here.exec("web", "true") == (0, "") and here.container()["restartCount"] == 0


def test_a_terminal_of_a_container_is_attached_to(here: Kubelets) -> None:
    here.run("web", "busybox", "sh", stdin=True, tty=True, spec_restartPolicy="Never")
    session = here.kubelet.requests.attach(here.pod(), "", stdin=True, tty=True)
    session.resize(99, 33)
    os.write(session.stdin, b"stty size; exit 3\n")
    assert b"33 99" in read_all(session.stdout)
    assert session.exit.result(PATIENCE) == 0
    session.close()


# --- port-forward ----------------------------------------------------------------------------------------------------


def test_a_connection_is_made_from_inside_the_pod(here: Kubelets) -> None:
    here.run("web", "nginx")
    with here.kubelet.requests.port_forward(here.pod(), 80) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b"Welcome to nginx!" in _all(connection)
    # nginx writes it when the answer is sent
    assert here.comes(lambda: "127.0.0.1 - - " in here.logs())


def _all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_port_on_which_nobody_listens_is_refused(here: Kubelets) -> None:
    here.run()
    with pytest.raises(BadInput, match=r"failed to connect to localhost:81 .* connection refused"):
        here.kubelet.requests.port_forward(here.pod(), 81)


def test_no_path_in_a_name_leads_out_of_the_logs(here: Kubelets) -> None:
    here.run()
    secret = Path(here.node.root, "run/secret.log")
    secret.write_text("2026-01-31T12:00:00.0Z stdout F secret\n")
    with pytest.raises(NotFound):
        here.logs(container="../../../../run/secret")
