"""However a sandbox ends, nothing of it is left: no process, namespace, mount or file."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from jupyter_client.connect import write_connection_file

from tests.sandbox.cable import Witness
from tests.sandbox.family import Chain, Family, until
from tests.sandbox.machine import kernel_on, machine
from tests.sandbox.notebook import EditorNotebook, JupyterNotebook

#: things that outlive a careless sandbox: names, mounts, a namespace without a name, processes that have gone away
CLUTTER = """
%%bash
ip netns add red
ip -n red link add dummy0 type veth peer name dummy1
mkdir /run/clutter && mount -t tmpfs clutter /run/clutter
nft add table inet clutter
setsid --fork ip netns exec red sleep 600 </dev/null >/dev/null 2>&1
setsid --fork unshare --net --mount sleep 601 </dev/null >/dev/null 2>&1
setsid --fork nohup sh -c 'trap "" HUP TERM INT; sleep 602 & wait' </dev/null >/dev/null 2>&1
"""

FRONT_END = """
import json, sys, time
from tests.sandbox.notebook import JupyterNotebook
notebook = JupyterNotebook(**json.loads(sys.argv[1]))
print(json.dumps([notebook.supervisor, notebook.manager.connection_file]), flush=True)
notebook.printed(sys.argv[2])
print('ready', flush=True)
time.sleep(600)
"""


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where front end and kernel keep their files."""
    folder = tmp_path / "scratch"
    for variable in ("TMPDIR", "JUPYTER_RUNTIME_DIR"):
        (folder / variable).mkdir(parents=True)
        monkeypatch.setenv(variable, str(folder / variable))
    return folder


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


@contextmanager
def _nothing_is_left(family: Family, chain: Chain) -> Iterator[list[int]]:
    """What is done in the block ends the sandbox; look for what is left of it.

    Yields:
        a list for the process ids of those that may go on.
    """
    until(lambda: len(family.named("sleep")) == 3, "the clutter is there")
    anonymous = next(process.pid for process in family.named("sleep") if process.command == "sleep 601")
    places = {
        "sandbox": f"/proc/{chain.init}/ns/net",
        "named": f"/proc/{chain.init}/root/run/netns/red",
        "anonymous": f"/proc/{anonymous}/ns/net",
    }
    mounts = Path("/proc/self/mountinfo").read_text()
    witness = Witness(chain.init)
    survivors = [witness.pid]
    try:
        for cable, place in places.items():
            witness.plug_into(place, cable)
        assert witness.cables() == set(places)
        yield survivors
        until(lambda: {process.pid for process in family.alive()} == {*survivors}, "every process has ended")
        until(lambda: not witness.cables(), "every namespace is freed")
        assert Path("/proc/self/mountinfo").read_text() == mounts
    finally:
        witness.end()


@pytest.mark.parametrize("victim", ["supervisor", "init", "kernel"])
def test_kill_9_of_any_process_in_the_chain(family: Family, scratch: Path, victim: str) -> None:
    notebook = JupyterNotebook()
    notebook.printed(CLUTTER.strip())
    chain = family.chain(notebook.supervisor)
    with _nothing_is_left(family, chain):
        os.kill(getattr(chain, victim), signal.SIGKILL)
        until(lambda: not notebook.manager.is_alive(), "the front end knows")
        notebook.end(now=True)
    assert _files(scratch) == set()


@contextmanager
def _other_front_end(**options: object) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """A front end that is a process of its own: it, the supervisor, and the connection file."""
    command = [sys.executable, "-c", FRONT_END, json.dumps(options), CLUTTER.strip()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout
        supervisor, connection_file = json.loads(process.stdout.readline())
        assert process.stdout.readline() == "ready\n"
        yield process, supervisor, connection_file


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_kill_9_of_the_front_end(family: Family, scratch: Path, short_path: Path, transport: str) -> None:
    sockets = {"ip": str(short_path / "socket")} if transport == "ipc" else {}
    with _other_front_end(transport=transport, **sockets) as (front_end, supervisor, connection_file):
        assert Path(connection_file).is_file()
        with _nothing_is_left(family, family.chain(supervisor)):
            front_end.kill()
            front_end.wait()
    assert _files(scratch) | _files(short_path) == set()


@pytest.fixture
def between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A kernelspec that starts the kernel through another program, which waits for it, as ``conda run`` does."""
    return kernel_on(tmp_path / "share", ["sh", "-c", '"$@" & wait', "sh"], monkeypatch)


def test_kill_9_of_the_front_end_behind_another_program(family: Family, scratch: Path, between: str) -> None:
    with _other_front_end(kernel=between) as (front_end, program, _):
        supervisor = family.child(program)
        assert supervisor
        with _nothing_is_left(family, family.chain(supervisor.pid)):
            front_end.kill()
            front_end.wait()
    assert _files(scratch) == set()


def test_kill_9_of_the_program_between(family: Family, scratch: Path, between: str) -> None:
    with _other_front_end(kernel=between) as (front_end, program, connection_file):
        supervisor = family.child(program)
        assert supervisor
        with _nothing_is_left(family, family.chain(supervisor.pid)) as survivors:
            survivors.append(front_end.pid)
            os.kill(program, signal.SIGKILL)
        assert Path(connection_file).is_file(), "the front end lives, and starts the kernel again with this file"
        front_end.kill()


def test_the_front_end_was_killed_before_the_kernel_could_know_it(family: Family, tmp_path: Path) -> None:
    """In a pid namespace, so that orphans go to its pid 1."""
    file, _ = write_connection_file(str(tmp_path / "kernel.json"))
    kernel = f"'{sys.executable}' -m labhelpers.sandbox -f '{file}'"
    front_end = f"JPY_PARENT_PID=$$ sh -c 'sleep 0.3; exec \"$@\"' sh {kernel} & exit"
    script = f"sh -c '' ; sh -c {shlex.quote(front_end)}; touch '{tmp_path}/started'; sleep 600"
    with subprocess.Popen([*machine(pids=True), "sh", "-c", script]) as world:
        until((tmp_path / "started").exists, "it has been started and is alone")
        until(lambda: [process.command for process in family.alive() if "sandbox" in process.command], "it runs")
        until(lambda: not [process for process in family.alive() if file in process.command.split()], "it has ended")
        world.kill()
    assert not Path(file).exists()


def test_the_editor_ends_a_kernel_with_a_signal(family: Family, scratch: Path) -> None:
    notebook = EditorNotebook(scratch)
    notebook.printed(CLUTTER.strip())
    with _nothing_is_left(family, family.chain(notebook.supervisor)):
        notebook.end()
    assert _files(scratch) == set()


@pytest.mark.parametrize("now", [False, True], ids=["asked", "told"])
def test_shutdown(family: Family, scratch: Path, now: bool) -> None:
    notebook = JupyterNotebook()
    notebook.printed(CLUTTER.strip())
    with _nothing_is_left(family, family.chain(notebook.supervisor)):
        notebook.end(now=now)
    assert _files(scratch) == set()
