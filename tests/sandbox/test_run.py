"""``python -m labhelpers.sandbox.run -- COMMAND``: the command's own output and status, and its end with its parent."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.family import Family, until
from tests.sandbox.signals import inherited

RUN = [sys.executable, "-m", "labhelpers.sandbox.run"]


def _run(*command: str, **options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RUN, *command], capture_output=True, text=True, timeout=60, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("status", [0, 1, 69, 255])
def test_the_status_is_that_of_the_command(status: int) -> None:
    assert _run("--", "sh", "-c", f"exit {status}").returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_a_command_that_dies_of_a_signal(number: int) -> None:
    assert _run("--", "sh", "-c", f"kill -{number} $$").returncode == 128 + number


def test_a_command_that_cannot_be_started(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a program")
    for command, why in (("missing", "command not found"), ("text", "Permission denied")):
        done = _run("--", f"{tmp_path}/{command}")
        assert (done.returncode, done.stderr) == (127, f"{tmp_path}/{command}: {why}\n")
    done = _run("--", "no-such-command")
    assert (done.returncode, done.stderr) == (127, "no-such-command: command not found\n")


@pytest.mark.parametrize("arguments", [(), ("--",)])
def test_without_a_command_it_says_how_to_use_it(arguments: tuple[str, ...]) -> None:
    done = _run(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("usage: python -m labhelpers.sandbox.run -- COMMAND")


def test_input_and_both_outputs_pass_through() -> None:
    done = _run("sh", "-c", "cat; echo wrong >&2; ls /sys/class/net", input="hello\n")
    assert (done.stdout, done.stderr) == ("hello\nlo\n", "wrong\n")


def test_the_command_sees_arguments_folder_and_variables_as_they_are(tmp_path: Path) -> None:
    script = 'printf "%s|" "$@" "$MINE" "$(pwd)"'
    done = subprocess.run(
        [*RUN, "--", "sh", "-c", script, "sh", "two words", "--", "-x", ""],
        cwd=tmp_path,
        env={**os.environ, "MINE": "my own"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"two words|--|-x||my own|{tmp_path}|"


def test_signals_have_their_usual_meaning_in_the_command() -> None:
    """Python ignores SIGPIPE, and blocks the signals that it passes on; a command must not inherit that."""
    done = _run("grep", "^Sig[BI]", "/proc/self/status")
    assert done.stdout.split() == ["SigBlk:", "0" * 16, "SigIgn:", inherited()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_passed_on(number: signal.Signals, family: Family) -> None:
    script = f"trap 'echo heard; exit 7' {number.name[3:]}; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen([*RUN, "--", "sh", "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.read() == "heard\n"
        assert process.wait(60) == 7


def test_a_signal_that_comes_at_once_is_not_lost(family: Family) -> None:
    process = subprocess.Popen([*RUN, "--", "sleep", "600"])
    until(lambda: family.child(process.pid), "it has begun")
    process.terminate()
    assert process.wait(60) == 128 + signal.SIGTERM


def test_what_the_command_leaves_behind_ends_with_it(family: Family) -> None:
    done = _run("--", "sh", "-c", "ip netns add red; setsid --fork sleep 600 >/dev/null 2>&1; echo done")
    assert done.stdout == "done\n"
    family.wait_for_end()


def test_it_ends_with_its_parent(family: Family) -> None:
    script = '"$@" & echo $!; wait'
    command = ["sh", "-c", script, "sh", *RUN, "--", "sh", "-c", "trap '' TERM HUP INT; while :; do sleep 0.1; done"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        supervisor = int(parent.stdout.readline())
        until(lambda: family.named("sleep"), "it runs")
        family.chain(supervisor)
        parent.kill()
    family.wait_for_end()


def test_folders_are_open_to_all_whatever_the_mask(family: Family) -> None:
    folders = ["/run", "/etc", "/var/lib", "/opt"]
    look = ["stat", "-c", "%a", *folders]
    mask = ["sh", "-c", 'umask 077; exec "$@"', "sh"]
    done = subprocess.run([*mask, *RUN, "--", *look], capture_output=True, text=True, check=True)
    assert done.stdout == subprocess.run(look, capture_output=True, text=True, check=True).stdout


def test_the_home_folder_is_the_users_also_where_no_variable_says_so(family: Family) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    command = [*RUN, "--", "sh", "-c", "echo $HOME"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == pwd.getpwuid(os.geteuid()).pw_dir
