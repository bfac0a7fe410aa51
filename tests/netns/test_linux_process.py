"""Programs inside namespaces: where they run, what they say, how they end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labhelpers.errors import BadInput, LabError, ToolMissing, Vanished
from labhelpers.linux import namespace, process
from labhelpers.linux.namespace import NetworkNamespace
from tests.netns.kernel import eventually, shell


@pytest.fixture
def red() -> Iterator[NetworkNamespace]:
    made = namespace.create("red")
    yield made
    process.end_all_in({made.inode})
    if made.exists:
        namespace.delete(made)


def _inhabitants(place: NetworkNamespace) -> list[int]:
    return [pid for pid, inode in process.namespaces_of_processes() if inode == place.inode]


def test_it_runs_inside_and_sees_the_interfaces_there(red: NetworkNamespace) -> None:
    done = process.run(red, "sh -c 'readlink /proc/self/ns/net; ls /sys/class/net; echo oops >&2; exit 3'")
    assert done.stdout == f"net:[{red.inode}]\nlo\n"
    assert (done.stderr, done.returncode, done.ok) == ("oops\n", 3, False)
    assert str(done) == f"net:[{red.inode}]\nlo\noops"
    assert done.args[0] == "sh"


def test_it_sees_the_files_of_the_namespace_in_etc(red: NetworkNamespace) -> None:
    folder = Path("/etc/netns/red")
    folder.mkdir(parents=True)
    try:
        (folder / "hosts").write_text("10.0.0.1 somewhere\n")
        assert process.run(red, "cat /etc/hosts").stdout == "10.0.0.1 somewhere\n"
        assert "somewhere" not in Path("/etc/hosts").read_text()
    finally:
        (folder / "hosts").unlink()
        folder.rmdir()


def test_text_is_handed_to_it(red: NetworkNamespace) -> None:
    assert process.run(red, "cat", input="über\n").stdout == "über\n"
    assert process.run(red, "cat").stdout == ""


def test_bytes_that_are_no_text_are_shown_as_such(red: NetworkNamespace) -> None:
    assert process.run(red, ["printf", r"a\377b"]).stdout == "a\ufffdb"


def test_much_output_on_both_streams_is_complete(red: NetworkNamespace) -> None:
    done = process.run(red, ["sh", "-c", "seq 50000; seq 50000 >&2"])
    assert len(done.stdout.splitlines()) == len(done.stderr.splitlines()) == 50000


def test_it_works_from_a_folder_that_was_removed(red: NetworkNamespace, tmp_path: Path) -> None:
    before, gone = Path.cwd(), tmp_path / "gone"
    gone.mkdir()
    try:
        os.chdir(gone)
        gone.rmdir()
        assert process.run(red, "true").ok
    finally:
        os.chdir(before)


@pytest.mark.parametrize(
    ("command", "kind", "words"),
    [
        ("nosuchprogram --version", ToolMissing, "The program 'nosuchprogram' is not installed"),
        ("", BadInput, "There is no command"),
        ([], BadInput, "There is no command"),
        ("echo 'open", BadInput, "a quotation mark without its partner"),
        (["echo", "a\0b"], BadInput, "zero byte"),
    ],
)
def test_what_cannot_run_is_said_before_anything_is_started(
    red: NetworkNamespace, command: str | list[str], kind: type[LabError], words: str
) -> None:
    for start in (process.run, process.spawn):
        with pytest.raises(kind, match=words):
            start(red, command)
    assert _inhabitants(red) == []


def test_a_file_that_is_no_program_is_an_error_in_words(red: NetworkNamespace, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_bytes(b"\x7fELF nonsense")
    script.chmod(0o755)
    with pytest.raises(LabError, match="was not started: exec format error"):
        process.run(red, [str(script)])


def test_a_package_is_named_for_a_missing_tool(red: NetworkNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolMissing, match=r"'ip' is not installed.*sudo apt-get install iproute2"):
        process.run(red, "ip address")


def test_a_namespace_that_is_gone_is_said(red: NetworkNamespace) -> None:
    shell("ip netns delete red")
    with pytest.raises(Vanished):
        process.run(red, "true")


def test_what_takes_too_long_is_ended_with_its_offspring(red: NetworkNamespace) -> None:
    """A child of the program keeps the pipe open: waiting for the end of the output would take a minute."""
    with pytest.raises(LabError, match=r"did not end within 0\.2 s and was killed"):
        process.run(red, ["sh", "-c", "sleep 60 & sleep 60"], timeout=0.2)
    assert eventually(lambda: _inhabitants(red) == [])


def test_an_interrupt_ends_it_with_its_offspring(red: NetworkNamespace) -> None:
    def interrupt() -> None:
        assert eventually(lambda: len(_inhabitants(red)) == 3)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        process.run(red, ["sh", "-c", "sleep 60 & sleep 60; true"])
    thread.join()
    assert eventually(lambda: _inhabitants(red) == [])


def test_what_it_leaves_in_the_background_goes_on(red: NetworkNamespace) -> None:
    assert process.run(red, ["sh", "-c", "sleep 60 >/dev/null 2>&1 &"]).ok
    assert len(_inhabitants(red)) == 1


def test_one_in_the_background_is_stopped(red: NetworkNamespace) -> None:
    with process.spawn(red, "sh -c 'echo ready; exec sleep 60'") as sleeper:
        assert sleeper.stdout.readline() == "ready\n"
        assert repr(sleeper) == "<Process sh -c 'echo ready; exec sleep 60' in red: running>"
        assert _inhabitants(red) == [sleeper.pid]
    assert not sleeper.running
    assert repr(sleeper).endswith("ended with -15>")
    assert _inhabitants(red) == []
    sleeper.stop()  # again does no harm


def test_one_that_will_not_end_is_killed(red: NetworkNamespace) -> None:
    with process.spawn(red, ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"]) as stubborn:
        stubborn.stdout.readline()
    assert repr(stubborn).endswith("ended with -9>")


def test_an_interrupt_while_it_starts_leaves_none(red: NetworkNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    start = process._start

    def start_and_interrupt(*arguments: object) -> object:
        child = start(*arguments)  # type: ignore[arg-type]
        signal.raise_signal(signal.SIGINT)
        return child

    monkeypatch.setattr(process, "_start", start_and_interrupt)
    for begin in (process.spawn, process.run):
        with pytest.raises(KeyboardInterrupt):
            begin(red, "sleep 60")
        assert eventually(lambda: _inhabitants(red) == [])


def test_all_in_a_namespace_end_also_those_that_breed(red: NetworkNamespace) -> None:
    breeder = "while :; do sleep 0.5 & sleep 0.01; done"
    process.run(red, ["sh", "-c", f"for n in 1 2; do setsid sh -c '{breeder}' >/dev/null 2>&1 & done"])
    assert eventually(lambda: len(_inhabitants(red)) > 20)
    process.end_all_in({red.inode})
    time.sleep(0.05)
    assert _inhabitants(red) == []


def test_our_own_namespace_is_spared() -> None:
    with process.spawn(namespace.home(), "sleep 60") as sleeper:
        process.end_all_in({namespace.home().inode})
        assert sleeper.running
