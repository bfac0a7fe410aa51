"""Sandboxes, containers and programs in containers: what is inside, what is not, and how they end."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from labhelpers.errors import LabError, NotFound, Vanished
from labhelpers.linux.container.shim import CannotStart, Ended, Running, Shim
from labhelpers.linux.container.spec import ExecSpec, Mount, SandboxSpec, Who
from tests.netns.containers import ORDINARY, Stage, stage
from tests.netns.kernel import eventually

FOREVER = ("sleep", "3600")
KINDS = ("net", "mnt", "pid", "uts", "ipc")


@pytest.fixture
def here() -> Iterator[Stage]:
    with stage() as it:
        yield it


def namespaces(pid: int) -> dict[str, str]:
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in KINDS}


def test_a_sandbox_has_namespaces_of_its_own(here: Stage) -> None:
    mine, nodes = namespaces(here.sandbox.pid), namespaces(here.node.pid)
    assert all(mine[kind] != nodes[kind] for kind in KINDS)
    inside = subprocess.run(
        ["nsenter", "-t", str(here.sandbox.pid), "-u", "hostname"], capture_output=True, text=True, check=True
    )
    assert inside.stdout == "web\n"


def test_a_container_shares_network_and_names_with_its_sandbox_and_nothing_else(here: Stage) -> None:
    running, _ = here.container(*FOREVER)
    mine, sandbox = namespaces(running.pid), namespaces(here.sandbox.pid)
    assert {kind for kind in KINDS if mine[kind] == sandbox[kind]} == {"net", "uts", "ipc"}


def test_a_sandbox_on_the_nodes_network_has_the_nodes_network_and_name(here: Stage) -> None:
    running = here.shim.start(SandboxSpec(here.node.pid, "", "ignored"))
    mine, nodes = namespaces(running.pid), namespaces(here.node.pid)
    assert {kind for kind in KINDS if mine[kind] == nodes[kind]} == {"net", "uts"}


def test_a_container_is_process_1_and_sees_only_its_own(here: Stage) -> None:
    said = here.say("sh", "-c", "echo pid $$; ls /proc | grep -c '^[0-9]'")
    assert said.splitlines()[0] == "stdout F pid 1"
    assert int(said.split()[-1]) <= 4  # the shell, and ls and grep beside it


def test_a_container_sees_its_image_and_not_the_machine(here: Stage) -> None:
    assert here.say("ls", "/") == "\n".join(f"stdout F {name}" for name in ("bin", "dev", "etc", "proc", "sys"))
    mounts = here.say("cat", "/proc/mounts")
    assert "/run" not in [line.split()[3] for line in mounts.splitlines()]


def test_what_a_container_writes_stays_in_it(here: Stage) -> None:
    assert here.say("sh", "-c", "echo mine > /etc/file; rm /bin/wget; cat /etc/file") == "stdout F mine"
    assert "No such file" in here.say("sh", "-c", "cat /etc/file")
    assert here.say("ls", "/bin/wget") == "stdout F /bin/wget"


def test_where_overlays_are_refused_a_container_gets_a_copy(here: Stage) -> None:
    scratch = "/etc/test-scratch"  # an overlay of the sandbox, on which the kernel puts no other
    os.mkdir(f"{here.node.root}{scratch}")
    try:
        assert here.say("sh", "-c", "echo mine > /etc/file; cat /etc/file", scratch=scratch) == "stdout F mine"
        there = Path(f"{here.node.root}{scratch}/root")
        assert (there / "bin/busybox").is_file() and (there / "etc/file").read_text() == "mine\n"
        assert "No such file" in here.say("cat", "/etc/file")
    finally:
        shutil.rmtree(f"{here.node.root}{scratch}")


def test_files_of_the_node_are_mounted_where_the_container_looks(here: Stage) -> None:
    Path(f"{here.node.root}/run/hosts").write_text("10.0.1.2 web\n")
    for target in ("/etc/hosts", "/new/folder/hosts"):
        mount = Mount("/run/hosts", target)
        assert here.say("cat", target, mounts=(mount,)) == "stdout F 10.0.1.2 web"
    writing = ("sh", "-c", "echo more >> /etc/hosts")
    assert "Read-only" in here.say(*writing, mounts=(Mount("/run/hosts", "/etc/hosts", read_only=True),))
    assert Path(f"{here.node.root}/run/hosts").read_text() == "10.0.1.2 web\n"


def test_a_link_in_the_image_leads_no_mount_out_of_the_container(here: Stage) -> None:
    folder = Path(f"{here.node.root}/run/test-containers/images/busybox")
    (folder / "out").symlink_to("../../../../../../run")
    try:
        Path(f"{here.node.root}/run/hosts").write_text("inside\n")
        said = here.say("cat", "/run/there", mounts=(Mount("/run/hosts", "/out/there"),))
        assert said == "stdout F inside"
        assert not Path(f"{here.node.root}/run/there").exists()
    finally:
        (folder / "out").unlink()


def test_a_container_cannot_change_its_network_unless_it_is_given_the_power(here: Stage) -> None:
    change = ("ip", "link", "set", "lo", "mtu", "9000")
    assert "not permitted" in here.say(*change)
    assert here.say(*change, who=Who(0, 0, (*(ORDINARY.capabilities or ()), "NET_ADMIN"))) == ""
    assert "mtu 9000" in here.say("ip", "link", "show", "lo")
    assert "not permitted" in here.say("ip", "link", "set", "lo", "up")


def test_settings_of_the_kernel_can_be_read_and_not_changed(here: Stage) -> None:
    setting = "/proc/sys/net/ipv4/ip_forward"
    assert here.say("cat", setting) in ("stdout F 0", "stdout F 1")
    assert "Read-only" in here.say("sh", "-c", f"echo 1 > {setting}")
    assert here.say("sh", "-c", f"echo 1 > {setting}", who=Who(0, 0, None)) == ""


def test_a_container_has_the_devices_that_programs_need(here: Stage) -> None:
    script = "echo lost > /dev/null; head -c 4 /dev/zero | wc -c; echo said > /dev/stdout; ls /dev/pts/ptmx"
    assert here.say("sh", "-c", script) == "stdout F 4\nstdout F said\nstdout F /dev/pts/ptmx"


def test_a_folder_to_work_in_is_made(here: Stage) -> None:
    assert here.say("pwd", cwd="/some/where") == "stdout F /some/where"


def test_the_environment_is_what_was_given(here: Stage) -> None:
    assert here.say("env", env={"PATH": "/bin", "COLOUR": "red"}).splitlines() == [
        "stdout F PATH=/bin",
        "stdout F COLOUR=red",
    ]


@pytest.mark.parametrize(("script", "ended"), [("exit 7", Ended(7)), ("kill -9 1; exit 0", Ended(0)), ("", Ended(0))])
def test_its_exit_status_is_told(here: Stage, script: str, ended: Ended) -> None:
    running, _ = here.container("sh", "-c", script)
    assert running.ended.result(10) == ended


def test_a_signal_reaches_it_and_one_it_has_no_handler_for_does_not_end_process_1(here: Stage) -> None:
    script = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done"
    running, log = here.container("sh", "-c", script)
    assert eventually(lambda: "ready" in log.read_text())
    here.shim.signal(running, signal.SIGTERM)
    assert running.ended.result(10) == Ended(3)
    stubborn, _ = here.container(*FOREVER)
    here.shim.signal(stubborn, signal.SIGTERM)
    assert here.exec(stubborn, "true") == (0, b"", b"")
    here.shim.kill(stubborn)
    assert stubborn.ended.result(10).status == 128 + signal.SIGKILL


def test_what_ends_takes_its_children_along(here: Stage) -> None:
    running, log = here.container("sh", "-c", "sleep 3599 & sleep 3598 & echo ready; wait")
    assert eventually(lambda: "ready" in log.read_text())
    space = os.readlink(f"/proc/{running.pid}/ns/pid")
    here.shim.kill(running)
    assert not _in_pid_namespace(space)


def _in_pid_namespace(space: str) -> list[str]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") == space:
                found.append(pid)
        except OSError:  # it has ended
            continue
    return found


# --- programs that are started later ---------------------------------------------------------------------------------


def test_an_exec_is_inside_and_its_status_and_both_outputs_come_back(here: Stage) -> None:
    running, _ = here.container(*FOREVER)
    script = "cat; hostname; ls /proc/1/exe > /dev/null; echo wrong >&2; exit 7"
    assert here.exec(running, "sh", "-c", script, input=b"hello\n") == (7, b"hello\nweb\n", b"wrong\n")


def test_an_exec_is_in_all_of_the_containers_namespaces(here: Stage) -> None:
    running, _ = here.container(*FOREVER)
    status, out, _ = here.exec(
        running, "sh", "-c", "for kind in net mnt pid uts ipc; do readlink /proc/self/ns/$kind; done"
    )
    assert (status, out.decode().split()) == (0, list(namespaces(running.pid).values()))


def test_a_program_that_is_not_there_is_told_and_nothing_is_left(here: Stage) -> None:
    running, _ = here.container(*FOREVER)
    for start in (lambda: here.exec(running, "nothing"), lambda: here.container("nothing")):
        with pytest.raises(CannotStart, match="'nothing': No such file") as told:
            start()
        assert told.value.errno == errno.ENOENT
    with pytest.raises(CannotStart, match="Permission denied"):
        here.exec(running, "/etc")


def test_nothing_can_be_started_in_a_container_that_has_ended(here: Stage) -> None:
    running, _ = here.container("true")
    running.ended.result(10)
    with pytest.raises(LabError, match="exec could not be started"):
        here.exec(running, "true")


def test_an_exec_ends_with_its_container(here: Stage) -> None:
    running, _ = here.container(*FOREVER)
    null = os.open(os.devnull, os.O_RDWR)
    inside = here.shim.start(ExecSpec(running.pid, FOREVER, {"PATH": "/bin"}, who=ORDINARY), [null] * 3)
    os.close(null)
    here.shim.kill(running)
    assert inside.ended.result(10).signal == signal.SIGKILL


# --- output ----------------------------------------------------------------------------------------------------------


def test_a_log_has_time_stream_and_line(here: Stage) -> None:
    running, log = here.container("sh", "-c", "echo one; echo two >&2; printf three")
    running.ended.result(10)
    lines = [line.split(" ", 3) for line in log.read_text().splitlines()]
    assert sorted(line[1:] for line in lines) == [
        ["stderr", "F", "two"],
        ["stdout", "F", "one"],
        ["stdout", "P", "three"],
    ]
    assert all(len(line[0]) == len("2026-01-31T12:00:00.123456789Z") for line in lines)


def test_a_long_line_is_logged_in_parts_and_nothing_is_lost(here: Stage) -> None:
    running, log = here.container("sh", "-c", "head -c 50000 /dev/zero | tr '\\0' x; echo; echo end")
    running.ended.result(10)
    lines = [line.split(" ", 3) for line in log.read_text().splitlines()]
    assert [line[2] for line in lines] == ["P", "P", "P", "F", "F"]
    assert "".join(line[3] for line in lines) == "x" * 50000 + "end"


def test_who_attaches_gets_what_is_written_from_then_on_and_may_write(here: Stage) -> None:
    running, log = here.container("sh", "-c", "echo before; while read line; do echo got $line; done", stdin=True)
    assert eventually(lambda: "before" in log.read_text())
    out, theirs = os.pipe()
    stdin = here.shim.attach(running, ["stdout"], [theirs])
    os.close(theirs)
    os.write(stdin, b"this\n")
    assert os.read(out, 100) == b"got this\n"
    os.close(stdin)
    here.shim.close_stdin(running)
    assert running.ended.result(10) == Ended(0)
    assert os.read(out, 100) == b""
    os.close(out)


def test_a_terminal_is_one_to_the_program(here: Stage) -> None:
    script = "test -t 0 && test -t 1 && echo terminal; tty; echo typed > /dev/tty; read answer; exit 5"
    running, log = here.container("sh", "-c", script, tty=True)
    assert eventually(lambda: "typed" in log.read_text())
    said = [line.split(" ", 3)[3].rstrip("\r") for line in log.read_text().splitlines()]
    assert said == ["terminal", "/dev/pts/0", "typed"]
    out, theirs = os.pipe()
    terminal = here.shim.attach(running, ["stdout"], [theirs])
    os.close(theirs)
    os.write(terminal, b"answer\n")
    assert running.ended.result(10) == Ended(5)
    os.close(terminal)
    os.close(out)


def test_a_terminal_for_a_program_that_is_not_there_is_taken_away_again(here: Stage) -> None:
    inside, _ = here.container(*FOREVER)

    def open_ones() -> list[str]:
        return sorted(os.listdir(f"/proc/{here.shim.pid}/fd"))

    before = open_ones()
    with pytest.raises(CannotStart):
        here.container("nothing", tty=True)
    with pytest.raises(CannotStart):
        here.shim.start(ExecSpec(inside.pid, ("nothing",), {"PATH": "/bin"}, who=ORDINARY, tty=True))
    assert open_ones() == before


# --- the shim itself -------------------------------------------------------------------------------------------------


def test_when_the_shim_is_killed_all_it_started_ends_and_is_told_and_it_begins_anew(here: Stage) -> None:
    sandbox = here.sandbox
    os.kill(here.shim.pid, signal.SIGKILL)
    assert sandbox.ended.result(10).signal == signal.SIGKILL
    assert eventually(lambda: not os.path.exists(f"/proc/{sandbox.pid}"))
    here.shim.signal(sandbox, signal.SIGTERM)
    another = here.shim.start(SandboxSpec(here.node.pid, "", ""))
    assert os.path.exists(f"/proc/{another.pid}")


def test_a_closed_shim_starts_nothing(here: Stage) -> None:
    with Shim() as shim:
        pass
    with pytest.raises(Vanished):
        shim.start(SandboxSpec(here.node.pid, "", ""))


def test_a_command_that_is_too_long_is_refused_in_words(here: Stage) -> None:
    with pytest.raises(LabError, match="too long to be started"):
        here.container("echo", "x" * 1_000_000)
    assert here.say("echo", "x" * 50_000) == "stdout P " + "x" * 16384 + "\nstdout P " + "x" * 16384 + "\nstdout P " + (
        "x" * 16384
    ) + "\nstdout F " + "x" * (50_000 - 3 * 16384)


def test_closing_the_shim_ends_all_it_started(here: Stage) -> None:
    with Shim() as shim:
        sandboxes = [shim.start(SandboxSpec(here.node.pid, "", "")) for _ in range(3)]
    assert not [one.pid for one in sandboxes if os.path.exists(f"/proc/{one.pid}")]


def test_a_shim_ends_by_itself_though_a_program_in_a_container_runs(here: Stage) -> None:
    running, _ = here.container(*FOREVER)
    null = os.open(os.devnull, os.O_RDWR)
    inside = here.shim.start(ExecSpec(running.pid, FOREVER, {"PATH": "/bin"}, who=ORDINARY), [null] * 3)
    os.close(null)
    process = here.shim._line.process
    here.shim.close()
    assert inside.ended.done() and running.ended.done()
    assert process.returncode == 0, "it did not have to be killed"


def test_who_has_ended_cannot_be_attached_to_and_a_signal_to_it_is_none(here: Stage) -> None:
    running, _ = here.container("true")
    running.ended.result(10)
    here.shim.signal(running, signal.SIGTERM)
    with pytest.raises(NotFound):
        here.shim.attach(Running(running.pid), [], [])
