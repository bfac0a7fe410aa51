"""A real ``jupyter lab``, spoken to as the browser does: REST, and a WebSocket to each kernel."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.sandbox.family import until

__all__ = ["LabServer", "Socket"]

_TOKEN = "secret"
_PATIENCE = 60.0  # seconds; only a test that fails waits that long


class LabServer:
    """``jupyter lab`` with a folder, a port of its choice, and its log in the folder."""

    def __init__(self, folder: Path) -> None:
        runtime = folder / "runtime"
        (folder / "work").mkdir()
        options = [
            "--no-browser",
            "--ServerApp.port=0",
            f"--ServerApp.root_dir={folder / 'work'}",
            f"--IdentityProvider.token={_TOKEN}",
            "--AsyncIOLoopKernelRestarter.time_to_dead=0.3",
            "--LabApp.extension_manager=readonly",
        ]
        root = ["--allow-root"] if os.geteuid() == 0 else []
        with open(folder / "log", "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *options, *root],
                env={**os.environ, "JUPYTER_RUNTIME_DIR": str(runtime)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        facts = runtime / f"jpserver-{self.process.pid}.json"
        until(lambda: facts.exists() and facts.read_text().endswith("}"), "the server has a port")
        self._url: str = json.loads(facts.read_text())["url"].rstrip("/")
        until(self._answers, "the server answers")

    def __enter__(self) -> LabServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait(_PATIENCE)

    def _answers(self) -> bool:
        try:
            return "version" in self.ask("GET", "")
        except urllib.error.URLError:
            return False

    def ask(self, method: str, resource: str, **content: Any) -> Any:
        request = urllib.request.Request(
            f"{self._url}/api/{resource}",
            method=method,
            data=json.dumps(content).encode() if content else None,
            headers={"Authorization": f"token {_TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=_PATIENCE) as reply:
            return json.loads(reply.read() or "null")

    def open(self, notebook: str, kernel: str) -> tuple[str, str]:
        """Open a notebook: the ids of its session and its kernel."""
        session = self.ask("POST", "sessions", path=notebook, name=notebook, type="notebook", kernel={"name": kernel})
        return session["id"], session["kernel"]["id"]

    @asynccontextmanager
    async def connect(self, kernel: str) -> AsyncIterator[Socket]:
        url = self._url.replace("http", "ws", 1)
        connection = await websocket_connect(f"{url}/api/kernels/{kernel}/channels?token={_TOKEN}")
        try:
            yield Socket(connection)
        finally:
            connection.close()
            while await connection.read_message() is not None:
                pass


class Socket:
    """The WebSocket between a browser's page and its kernel."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self._connection = connection
        self._session = uuid.uuid4().hex

    async def send(self, code: str) -> str:
        """Run a cell: the id of the message."""
        message = uuid.uuid4().hex
        header = {
            "msg_id": message,
            "msg_type": "execute_request",
            "session": self._session,
            "username": "",
            "version": "5.4",
        }
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        request = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        await self._connection.write_message(json.dumps(request))
        return message

    async def receive(self, kind: str, parent: str = "") -> dict[str, Any]:
        """The content of the next message of this type, skipping others."""
        while True:
            text = await asyncio.wait_for(self._connection.read_message(), _PATIENCE)
            assert isinstance(text, str), "the server has closed the connection"
            message = json.loads(text)
            if message["msg_type"] == kind and parent in ("", message["parent_header"].get("msg_id")):
                content: dict[str, Any] = message["content"]
                return content

    async def printed(self, code: str) -> str:
        """What a cell prints at first."""
        return str((await self.receive("stream", await self.send(code)))["text"]).strip()

    async def until_restarted(self) -> None:
        """The page hears that the server has started the kernel again after its death."""
        while (await self.receive("status"))["execution_state"] != "restarting":
            pass
