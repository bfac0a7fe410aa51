"""A real JupyterLab server: run, interrupt, restart, autorestart, close, and its own death."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.family import Family, Process, until
from tests.sandbox.notebook import KERNEL
from tests.sandbox.server import LabServer


@pytest.fixture(scope="module")
def server(module_family: Family, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    with LabServer(tmp_path_factory.mktemp("server")) as one:
        yield one


def _supervisors(family: Family, server: LabServer) -> list[Process]:
    return [process for process in family.alive() if process.parent == server.process.pid]


def _no_sandbox_is_left(family: Family, server: LabServer) -> None:
    until(lambda: [process.pid for process in family.alive()] == [server.process.pid], "only the server is left")


def test_cells_run_in_the_sandbox_and_know_their_notebook(server: LabServer, module_family: Family) -> None:
    session, kernel = server.open("one.ipynb", KERNEL)

    async def page() -> None:
        async with server.connect(kernel) as socket:
            assert await socket.printed("import os; print(os.environ['POD_NETWORKING_SANDBOX'])") == "1"
            assert (await socket.printed("print(os.environ['JPY_SESSION_NAME'])")).endswith("one.ipynb")

    asyncio.run(page())
    server.ask("DELETE", f"sessions/{session}")
    _no_sandbox_is_left(module_family, server)


def test_interrupt_restart_and_autorestart(server: LabServer, module_family: Family) -> None:
    """As JupyterLab does, the page connects again after each start: before that, messages may get lost."""
    session, kernel = server.open("two.ipynb", KERNEL)

    async def page() -> None:
        async with server.connect(kernel) as socket:
            cell = await socket.send("print('begun', flush=True)\nimport subprocess; subprocess.run(['sleep', '600'])")
            await socket.receive("stream", cell)
            await asyncio.to_thread(until, lambda: module_family.named("sleep"), "the program runs")
            await asyncio.to_thread(server.ask, "POST", f"kernels/{kernel}/interrupt")
            assert (await socket.receive("execute_reply", cell))["ename"] == "KeyboardInterrupt"
            assert not module_family.named("sleep")

            assert await socket.printed("!ip netns add red; ls /run/netns") == "red"
            await asyncio.to_thread(server.ask, "POST", f"kernels/{kernel}/restart")
        async with server.connect(kernel) as socket:
            assert await socket.printed("!ip netns add blue; ls /run/netns") == "blue"

            (supervisor,) = _supervisors(module_family, server)
            os.kill(module_family.chain(supervisor.pid).kernel, signal.SIGKILL)
            await socket.until_restarted()
        async with server.connect(kernel) as socket:
            assert await socket.printed("!ip netns add green; ls /run/netns") == "green"

    asyncio.run(page())
    server.ask("DELETE", f"sessions/{session}")
    _no_sandbox_is_left(module_family, server)


def test_kill_9_of_the_server(family: Family, tmp_path: Path) -> None:
    server = LabServer(tmp_path)
    _, kernel = server.open("three.ipynb", KERNEL)

    async def page() -> None:
        async with server.connect(kernel) as socket:
            assert await socket.printed("!ip netns add red; ls /run/netns; setsid --fork sleep 600") == "red"

    asyncio.run(page())
    server.process.kill()
    server.process.wait()
    family.wait_for_end()
    assert not list((tmp_path / "runtime").glob("kernel-*"))
