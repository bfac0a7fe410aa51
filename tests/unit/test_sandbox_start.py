"""How the sandbox kernel is registered, and what it says of a bad start, before anything is moved."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from labhelpers.sandbox import ports
from labhelpers.sandbox.install import KERNELS, main

PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")


def _start(*arguments: str) -> str:
    """Its last words; the test fails if it does not end by itself with a failure."""
    command = [sys.executable, "-m", "labhelpers.sandbox", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr


def test_without_a_connection_file_it_says_how_it_is_used() -> None:
    assert _start() == "usage: python -m labhelpers.sandbox -f CONNECTION_FILE\n"
    assert _start("-f") == "usage: python -m labhelpers.sandbox -f CONNECTION_FILE\n"


@pytest.mark.parametrize("option", ["-f FILE", "--f=FILE", "--IPKernelApp.connection_file=FILE"])
def test_the_connection_file_is_missing(option: str, tmp_path: Path) -> None:
    said = _start(*option.replace("FILE", str(tmp_path / "missing.json")).split())
    assert said.startswith(f"The connection file {tmp_path}/missing.json cannot be read: [Errno 2]")
    assert said.endswith("Start the kernel from a front end.\n")


@pytest.mark.parametrize("text", ["", "{", "[]", "not JSON", "\xff"])
def test_the_connection_file_is_not_one(text: str, tmp_path: Path) -> None:
    (file := tmp_path / "kernel.json").write_text(text, encoding="latin-1")
    assert _start("-f", str(file)).startswith(f"The connection file {file} cannot be read: ")


@pytest.fixture
def connection() -> dict[str, object]:
    """One that is good, with ports that are free."""
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in PORTS]
        free = [server.getsockname()[1] for server in servers]
    return {"transport": "tcp", "ip": "127.0.0.1", **dict(zip(PORTS, free, strict=True))}


@pytest.mark.parametrize("port", [None, 0, -1, 70000, "many", 1.5])
def test_a_port_that_cannot_be(port: object, connection: dict[str, object], tmp_path: Path) -> None:
    (file := tmp_path / "kernel.json").write_text(json.dumps({**connection, "hb_port": port}))
    wanted = f"The connection file has no usable hb_port, but {port!r}. Start the kernel from a front end.\n"
    assert _start("-f", str(file)) == wanted


def test_an_address_that_is_not_of_this_machine(connection: dict[str, object], tmp_path: Path) -> None:
    (file := tmp_path / "kernel.json").write_text(json.dumps({**connection, "ip": "203.0.113.1"}))
    said = _start("-f", str(file))
    assert said.startswith(
        f"The port {connection['shell_port']} of the kernel cannot be opened: Cannot assign requested"
    )
    assert said.endswith("Restart it.\n")


def test_a_port_that_stays_taken(monkeypatch: pytest.MonkeyPatch, connection: dict[str, object]) -> None:
    monkeypatch.setattr(ports, "_PATIENCE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SystemExit, match=f"The port {port} of the kernel cannot be opened: Address already in use"):
            ports.open_ports({**connection, "shell_port": port})


def test_both_kernels_are_registered_and_everybody_may_read_them(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        main(["--prefix", str(tmp_path)])
    finally:
        os.umask(old)
    folders = {folder.name: folder for folder in (tmp_path / "share/jupyter/kernels").iterdir()}
    assert set(folders) == {name for name, _, _ in KERNELS} == {"pod-networking", "pod-networking-cluster"}
    for name, display_name, module in KERNELS:
        spec = json.loads((folders[name] / "kernel.json").read_text())
        assert spec["argv"] == [sys.executable, "-m", module, "-f", "{connection_file}"]
        assert (spec["display_name"], spec["language"]) == (display_name, "python")
        assert spec["metadata"]["debugger"] is True
        assert folders[name].stat().st_mode & 0o777 == 0o755
        assert (folders[name] / "kernel.json").stat().st_mode & 0o777 == 0o644


def test_where_to_register_must_be_said() -> None:
    done = subprocess.run([sys.executable, "-m", "labhelpers.sandbox.install"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "one of the arguments --sys-prefix --user --prefix is required" in done.stderr
