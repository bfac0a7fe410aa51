"""A restart gives an empty sandbox behind the same ports; a shutdown lets the learner's code have its last word."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.sandbox.family import Family, until
from tests.sandbox.notebook import JupyterNotebook


@pytest.mark.parametrize("now", [False, True], ids=["asked", "told"])
def test_a_restart_gives_a_new_sandbox(notebook: JupyterNotebook, family: Family, now: bool) -> None:
    notebook.printed(
        "%%bash\nip netns add red\nsysctl -qw net.ipv4.ip_forward=1\nsetsid --fork sleep 600 >/dev/null 2>&1"
    )
    before = family.chain(notebook.supervisor)
    ports = notebook.manager.ports
    notebook.restart(now=now)
    assert notebook.manager.ports == ports
    assert family.chain(notebook.supervisor) != before
    assert len(family.alive()) == 3
    assert notebook.printed("!ls /run/netns; sysctl -n net.ipv4.ip_forward") == "0"


def test_after_a_restart_a_cell_in_a_namespace_needs_no_import(notebook: JupyterNotebook) -> None:
    notebook.restart(now=False)
    notebook.printed("!ip netns add red")
    assert "1: lo:" in notebook.printed("%%ns red\nip link")
    assert "1: lo:" in notebook.printed("%ns red ip link")


def test_a_restart_waits_for_ports_that_a_dying_kernel_still_holds(family: Family, notebook: JupyterNotebook) -> None:
    """The system takes a while to free much memory, and closes the sockets of a process only then."""
    notebook.printed("much = bytearray(1 << 30); print(len(much))")
    for _ in range(2):
        notebook.restart(now=True)
        notebook.printed("much = bytearray(1 << 30); print(len(much))")


def test_a_port_that_somebody_else_listens_on_is_waited_for(family: Family, notebook: JupyterNotebook) -> None:
    """The same, seen for certain: the port is free only when the supervisor waits for it."""
    manager = notebook.manager
    notebook.client.stop_channels()
    manager.shutdown_kernel(restart=True)
    with socket.create_server(("127.0.0.1", manager.iopub_port)):
        manager.start_kernel()
        notebook.supervisor = manager.provisioner.pid  # type: ignore[union-attr]
        until(lambda: _listens(manager.shell_port), "the supervisor has opened the port before that one")
        assert not family.child(notebook.supervisor)
    notebook.client = manager.client()
    notebook.client.start_channels()
    notebook.client.wait_for_ready(timeout=60)
    assert notebook.run("1 + 1").result == "2"


def _listens(port: int) -> bool:
    wanted = f":{port:04X}"
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines())
    return any(words[1].endswith(wanted) and words[3] == "0A" for words in lines)


def test_what_was_registered_to_be_done_in_the_end_is_done(family: Family, tmp_path: Path) -> None:
    notebook = JupyterNotebook()
    notebook.printed(f"import atexit, pathlib\n_ = atexit.register(pathlib.Path('{tmp_path}/done').touch)")
    notebook.end()
    assert (tmp_path / "done").exists()


def test_a_cell_can_end_the_kernel(family: Family) -> None:
    notebook = JupyterNotebook()
    notebook.client.execute("exit")
    until(lambda: not notebook.manager.is_alive(), "the kernel has ended")
    family.wait_for_end()
    notebook.end(now=True)
