"""The IPython kernel of the sandbox, and the one that explains why there is no sandbox."""

from __future__ import annotations

import ast
import gc
import os
import sys
from typing import Any

from ipykernel import compiler, debugger
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp

from labhelpers.sandbox.mounts import OWN

__all__ = ["run_kernel"]


class SandboxKernel(IPythonKernel):
    """An ordinary IPython kernel, which happens to live in a sandbox."""

    @property
    def banner(self) -> str:
        notes = os.environ.get("POD_NETWORKING_SANDBOX_NOTES", "")
        return "\n".join(["Pod networking sandbox: its own network, mounts and processes.", notes]).rstrip()


class RefusingKernel(IPythonKernel):
    """A kernel on the bare machine: it runs no cell but ``doctor()``, and answers the others with the explanation."""

    refusal = ""

    async def do_execute(self, code: str, silent: bool, *args: Any, **options: Any) -> dict[str, Any]:
        if question := for_the_doctor(code):
            reply: dict[str, Any] = await super().do_execute(question, silent)
            return reply
        error = {"ename": "SandboxUnavailable", "evalue": self.refusal, "traceback": self.refusal.split("\n")}
        if not silent:
            self.send_response(self.iopub_socket, "error", error)
        return {"status": "error", "execution_count": self.execution_count, **error}

    def do_apply(self, *_: Any) -> tuple[dict[str, Any], list[bytes]]:
        """Functions sent by ipyparallel are code too."""
        return {"status": "error", "ename": "SandboxUnavailable", "evalue": self.refusal, "traceback": []}, []

    async def do_debug_request(self, msg: dict[str, Any]) -> dict[str, Any]:
        """A debugger evaluates expressions."""
        return {"type": "response", "success": False, "message": self.refusal, "request_seq": msg.get("seq", 0)}


def for_the_doctor(code: str) -> str:
    """The code to run if this cell is ``doctor()`` or ``doctor("02")``, perhaps with its import, and nothing else.

    The learner's own code is not run: only the arguments are taken from it, and those are plain values.
    """
    try:
        *before, last = ast.parse(code).body
    except (SyntaxError, ValueError):  # of an empty cell too
        return ""
    if not all(isinstance(line, (ast.Import, ast.ImportFrom)) and "labhelpers" in ast.unparse(line) for line in before):
        return ""
    if not (isinstance(last, ast.Expr) and isinstance(last.value, ast.Call)):
        return ""
    call = last.value
    values = [*call.args, *(word.value for word in call.keywords)]
    if ast.unparse(call.func) not in ("doctor", "labhelpers.doctor") or not all(
        isinstance(value, ast.Constant) for value in values
    ):
        return ""
    call.func = ast.Name("_doctor")
    return f"from labhelpers.doctor import doctor as _doctor; {ast.unparse(call)}"


def run_kernel(argv: list[str], refusal: str) -> None:
    """Run the kernel until the front end shuts it down."""
    if not refusal:
        _keep_cells_inside()
    else:
        print(refusal, file=sys.stderr, flush=True)
        RefusingKernel.refusal = refusal
    kernel = IPKernelApp.instance(kernel_class=RefusingKernel if refusal else SandboxKernel)
    kernel.initialize(argv)
    if not refusal:  # a chapter's imports bring it; after a restart a cell may come before them
        kernel.shell.magics_manager.register_lazy("ns", "labhelpers.course.magic")
        kernel.shell.magics_manager.register_lazy("plugin", "labhelpers.course.workshop")
    gc.enable()
    kernel.start()


def _keep_cells_inside() -> None:
    """The debugger writes cells to /tmp/ipykernel_PID, and the process id is the same in every sandbox."""
    for module in (compiler, debugger):
        module.get_tmp_directory = lambda: str(OWN / "cells")
