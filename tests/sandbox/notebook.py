"""A kernel and its front end, driven by a test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file
from jupyter_client.manager import KernelManager

__all__ = ["KERNEL", "Answer", "EditorNotebook", "JupyterNotebook", "Notebook", "Question"]

KERNEL = "pod-networking"
_PATIENCE = 60.0  # seconds; only a test that fails waits that long


@dataclass
class Answer:
    """What came back for a cell."""

    status: str = ""
    printed: str = ""
    error: str = ""
    result: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list, repr=False)


class Question:
    """A cell that runs."""

    def __init__(self, client: Any, code: str, **options: Any) -> None:
        self._client = client
        self._id = client.execute(code, **options)
        self._answer = Answer()

    def wait_for(self, printed: str) -> None:
        """Until the cell has printed this."""
        while printed not in self._answer.printed:
            assert self._next() != "idle", f"the cell has ended: {self._answer}"

    def answer(self) -> Answer:
        """Wait for the end of the cell."""
        while self._next() != "idle":
            pass
        reply = self._reply()
        self._answer.status = reply["status"]
        return self._answer

    def _reply(self) -> dict[str, Any]:
        while True:
            message = self._client.get_shell_msg(timeout=_PATIENCE)
            if message["parent_header"].get("msg_id") == self._id:
                content: dict[str, Any] = message["content"]
                return content

    def _next(self) -> str:
        message = self._client.get_iopub_msg(timeout=_PATIENCE)
        if message["parent_header"].get("msg_id") != self._id:
            return ""
        kind, content = message["msg_type"], message["content"]
        self._answer.messages.append(message)
        if kind == "stream":
            self._answer.printed += content["text"]
        elif kind == "error":
            self._answer.error = f"{content['ename']}: {content['evalue']}"
        elif kind == "execute_result":
            self._answer.result = content["data"]["text/plain"]
        return str(content["execution_state"]) if kind == "status" else ""


class Notebook:
    """What a test does with a kernel, whatever started it."""

    client: Any
    supervisor: int

    def start_cell(self, code: str, **options: Any) -> Question:
        return Question(self.client, code, **options)

    def run(self, code: str, **options: Any) -> Answer:
        return self.start_cell(code, **options).answer()

    def printed(self, code: str) -> str:
        """What a cell prints; the test fails if it raises."""
        answer = self.run(code)
        assert answer.status == "ok", answer
        return answer.printed.replace("\r\n", "\n").strip()  # shell lines have a terminal of their own

    def interrupt(self) -> None:
        raise NotImplementedError

    def end(self) -> None:
        raise NotImplementedError


class JupyterNotebook(Notebook):
    """Started by jupyter_client, as JupyterLab, nbclient, nbval and the console do it."""

    def __init__(
        self, kernel: str = KERNEL, *, environment: dict[str, str] | None = None, wait: bool = True, **options: Any
    ) -> None:
        self.manager = KernelManager(kernel_name=kernel, **options)
        self.manager.start_kernel(env={**os.environ, **(environment or {})})
        if wait:
            self.connect()

    def connect(self) -> None:
        """Wait until the kernel answers."""
        self.supervisor = self.manager.provisioner.pid  # type: ignore[union-attr]
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=_PATIENCE)

    def interrupt(self) -> None:
        self.manager.interrupt_kernel()

    def restart(self, *, now: bool = False) -> None:
        self.client.stop_channels()
        self.manager.restart_kernel(now=now)
        self.connect()

    def end(self, *, now: bool = False) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=now)


class EditorNotebook(Notebook):
    """Started as VS Code does it: from the argv alone, another option, no word on who the parent is."""

    def __init__(self, folder: Path) -> None:
        self.file, connection = write_connection_file(str(folder / "kernel-editor.json"))
        environment = {name: value for name, value in os.environ.items() if name != "JPY_PARENT_PID"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "labhelpers.sandbox", f"--f={self.file}"], env=environment, start_new_session=True
        )
        self.supervisor = self.process.pid
        self.ports = [int(str(value)) for name, value in connection.items() if name.endswith("_port")]
        self.client = BlockingKernelClient()
        self.client.load_connection_file(self.file)
        self.client.start_channels()
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        """The client takes a missed heartbeat for a death, which on a busy machine it is not."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                self.client.wait_for_ready(timeout=_PATIENCE)
                return
            except RuntimeError:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise

    def interrupt(self) -> None:
        os.kill(self.supervisor, signal.SIGINT)

    def end(self) -> None:
        self.client.stop_channels()
        self.process.terminate()
        self.process.wait(_PATIENCE)
        Path(self.file).unlink(missing_ok=True)
