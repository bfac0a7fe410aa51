"""``pod-shell``: the right sandbox, as its user, with the surroundings of its notebook.

It looks at every process of the machine, so each test has process ids of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.family import Family, until
from tests.sandbox.machine import limits, machine
from tests.sandbox.signals import inherited
from tests.sandbox.terminal import Terminal

PROGRAMS = Path(sys.executable).parent

#: ``sandbox NAME`` starts one in the background that has a namespace of this name
PRELUDE = f"""
export PATH="{PROGRAMS}:$PATH"
sandbox() {{
    $AS python -m labhelpers.sandbox.run -- sh -c "ip netns add $1; touch $SCRATCH/$1; exec sleep 600" &
    supervisor=$!
    until test -e "$SCRATCH/$1"; do sleep 0.02; done
}}
"""
#: who starts the sandbox and the terminal: an administrator's sandbox has no user namespace
WORLDS = {
    "root": [*machine(pids=True)],
    "a user": [*machine(pids=True), *limits(("sys_admin",))],
}


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest, family: Family) -> list[str]:
    return WORLDS[request.param]


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


def _command(world: list[str], script: str) -> list[str]:
    return [*world, "sh", "-c", f"{PRELUDE}\n{script}"]


def _run(world: list[str], script: str, **options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        _command(world, script), capture_output=True, text=True, timeout=60, **options
    )


def test_it_enters_the_sandbox(world: list[str], scratch: Path) -> None:
    done = _run(
        world, "sandbox red\npod-shell ip -j netns\npod-shell sh -c 'hostname; id -u; ls /sys/class/net; ps -e'"
    )
    first, *rest = done.stdout.splitlines()
    assert [one["name"] for one in json.loads(first)] == ["red"], done.stderr
    assert rest[:3] == ["sandbox", "0", "lo"]
    assert [line.split()[0] for line in rest[4:6]] == ["1", "2"]


def test_it_keeps_the_folder_and_knows_the_sandboxs_cluster(world: list[str], scratch: Path) -> None:
    done = _run(world, f"sandbox red\ncd {scratch}\npod-shell sh -c 'pwd; echo $KUBECONFIG; command -v nft'", cwd="/")
    assert done.stdout.splitlines()[:2] == [str(scratch), "/run/pod-networking/kube/config"]
    assert done.stdout.splitlines()[2].endswith("/nft")


def test_what_it_changes_is_in_the_sandbox_and_nowhere_else(world: list[str], scratch: Path) -> None:
    done = _run(world, "sandbox red\npod-shell ip netns add blue\npod-shell ls /run/netns\necho --\nls /run/netns")
    assert done.stdout.split("--")[0].split() == ["blue", "red"]
    assert "blue" not in done.stdout.split("--")[1].split()


def test_programs_that_change_their_user_work_there_too(world: list[str], scratch: Path) -> None:
    script = (
        "tcpdump -i lo -c 1 -U -w packets icmp 2>said & "
        "until grep -q listening said; do sleep 0.05; kill -0 $! || exit 1; done; "
        "ping -c 1 127.0.0.1 >/dev/null; wait $!; tcpdump -n -r packets 2>/dev/null"
    )
    done = _run(world, f"sandbox red\ncd {scratch}\npod-shell sh -c '{script}'")
    assert "ICMP echo request" in done.stdout, done.stdout + done.stderr + (scratch / "said").read_text()


def test_the_status_is_that_of_the_command(world: list[str], scratch: Path) -> None:
    done = _run(world, "sandbox red\npod-shell sh -c 'exit 7'; echo $?\npod-shell no-such-command; echo $?")
    assert done.stdout == "7\n127\n"
    assert done.stderr == "no-such-command: command not found\n"


def test_signals_have_their_usual_meaning_there(world: list[str], scratch: Path) -> None:
    done = _run(world, "sandbox red\npod-shell grep SigIgn /proc/self/status")
    assert done.stdout.split() == ["SigIgn:", inherited()]


def test_without_a_command_it_is_a_terminal(world: list[str], scratch: Path, family: Family) -> None:
    with Terminal(_command(world, "sandbox red\nexec pod-shell bash --norc"), {"PS1": "ready> "}) as terminal:
        terminal.read_until("ready> ")
        terminal.type("ls /run/netns; sleep 601\n")
        terminal.read_until("\nred\r\n")
        until(lambda: "sleep 601" in {process.command for process in family.alive()}, "the program runs")
        terminal.type("\x03")
        terminal.read_until("ready> ")
        terminal.type("exit 3\n")
        terminal.wait()
        assert terminal.status == 3


def test_it_ends_with_the_sandbox(world: list[str], scratch: Path, family: Family) -> None:
    script = "sandbox red\npod-shell sh -c 'trap \"\" TERM HUP INT; touch $SCRATCH/in; sleep 600 & wait' &\nshell=$!\n"
    script += 'until test -e "$SCRATCH/in"; do sleep 0.02; done\nkill $supervisor\nwait $shell\necho $?'
    assert _run(world, script).stdout == "137\n"


def test_there_is_none(world: list[str], scratch: Path) -> None:
    done = _run(world, "pod-shell true")
    assert done.returncode == 1
    assert done.stderr == "No sandbox is running. Open a chapter with the kernel 'Pod networking (sandbox)' first.\n"


def test_of_several_it_asks_for_one(world: list[str], scratch: Path) -> None:
    script = "export JPY_SESSION_NAME=course/02-veth.ipynb\nsandbox red\nunset JPY_SESSION_NAME\nsandbox blue\n"
    with Terminal(_command(world, f"{script}exec pod-shell ls /run/netns")) as terminal:
        listed = terminal.read_until(r"Which one\? ").splitlines()
        assert listed[0] == "1: 02-veth.ipynb (red)"
        assert listed[1].startswith("2: sandbox ")
        assert listed[1].endswith(" (blue)")
        terminal.type("2\n")
        assert terminal.wait().splitlines() == ["2", "blue"]


@pytest.mark.parametrize("answer", ["", "0", "3", "-1", "two", "²"])
def test_an_answer_that_is_none_of_them(scratch: Path, family: Family, answer: str) -> None:
    done = _run(WORLDS["a user"], "sandbox red\nsandbox blue\npod-shell touch $SCRATCH/ran", input=answer)
    assert done.returncode == 1
    assert done.stderr.endswith("Type a number from 1 to 2.\n")
    assert not (scratch / "ran").exists()


def test_a_program_is_missing(scratch: Path, family: Family) -> None:
    done = _run(WORLDS["a user"], f"sandbox red\nPATH={PROGRAMS} exec pod-shell true")
    assert done.stderr == "pod-shell needs the program nsenter: sudo apt-get install util-linux\n"
    assert done.returncode == 1


def test_it_says_how_to_use_it(family: Family) -> None:
    done = subprocess.run([PROGRAMS / "pod-shell", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: pod-shell [COMMAND")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_enters_a_users_sandbox_as_that_user(scratch: Path, family: Family) -> None:
    scratch.chmod(0o777)
    for folder in scratch.parents:
        folder.chmod(folder.stat().st_mode | 0o111)
    world = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    script = "AS='setpriv --reuid=65534 --regid=65534 --clear-groups' HOME=/nonexistent\nsandbox red\n"
    done = _run(world, f"{script}pod-shell sh -c 'id -u; ls /run/netns; ip netns add blue; touch {scratch}/mine'")
    assert done.stdout.split() == ["0", "red"], done.stderr
    assert (scratch / "mine").stat().st_uid == 65534
