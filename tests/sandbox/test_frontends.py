"""The kernelspec works from every front end that only knows its argv."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.sandbox.family import Family
from tests.sandbox.notebook import KERNEL, EditorNotebook
from tests.sandbox.terminal import Terminal

WHERE = "import os; print(os.environ['POD_NETWORKING_SANDBOX'], os.readlink('/proc/self/ns/net'))"
CELLS = (
    "!ip netns add red",
    "%%bash\nip netns exec red ls /sys/class/net",
    "import os\nsorted(os.listdir('/run/netns'))",
)


def _notebook(*cells: str) -> nbformat.NotebookNode:
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": KERNEL, "display_name": KERNEL}})
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    return notebook


def _is_elsewhere(printed: str) -> bool:
    inside, net = printed.split()
    return inside == "1" and net != os.readlink("/proc/self/ns/net")


def test_the_kernelspec_can_be_read_by_everybody() -> None:
    """The environment may have been made by root and be used by others."""
    spec = KernelSpecManager().get_kernel_spec(KERNEL)
    assert spec.argv[1:] == ["-m", "labhelpers.sandbox", "-f", "{connection_file}"]
    assert Path(spec.resource_dir).stat().st_mode & 0o555 == 0o555


def test_nbclient_runs_a_notebook(family: Family) -> None:
    notebook = _notebook(WHERE, *CELLS)
    NotebookClient(notebook, kernel_name=KERNEL, timeout=60).execute()
    where, _, interfaces, names = (cell.outputs for cell in notebook.cells)
    assert _is_elsewhere(where[0].text)
    assert interfaces[0].text == "lo\n"
    assert names[0].data["text/plain"] == "['red']"


def test_nbclient_raises_what_a_cell_raises(family: Family) -> None:
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        NotebookClient(_notebook("1 / 0"), kernel_name=KERNEL, timeout=60).execute()


def test_nbval_compares_a_notebook(family: Family, tmp_path: Path) -> None:
    notebook = _notebook(*CELLS, "print('not this')")
    NotebookClient(notebook, kernel_name=KERNEL, timeout=60).execute()
    notebook.cells[-1].outputs[0].text = "something else\n"
    nbformat.write(notebook, tmp_path / "one.ipynb")
    command = [sys.executable, "-m", "pytest", "--nbval", "-q", "-rA", f"--rootdir={tmp_path}", f"{tmp_path}/one.ipynb"]
    done = subprocess.run([*command, "-p", "no:cacheprovider"], cwd=tmp_path, capture_output=True, text=True)
    assert "1 failed, 3 passed" in done.stdout, done.stdout + done.stderr


def test_jupyter_console_runs_cells_and_interrupts_them(family: Family) -> None:
    console = [sys.executable, "-m", "jupyter_console", "--kernel", KERNEL, "--simple-prompt"]
    with Terminal(console) as terminal:
        assert "Pod networking sandbox" in terminal.read_until(r"In \[1\]:")
        terminal.type(f"{WHERE}\n")
        terminal.read_until("net")
        terminal.read_until(r"\n")
        assert _is_elsewhere(terminal.read_until(r"\d net:\[\d+\]").splitlines()[-1])
        terminal.read_until(r"In \[2\]:")
        terminal.type("import time; print('be' + 'gun', flush=True); time.sleep(600)\n")
        terminal.read_until("begun")
        terminal.type("\x03")
        terminal.read_until("KeyboardInterrupt")
        terminal.read_until(r"In \[3\]:")
        terminal.type("exit\n")
        terminal.wait()
    family.wait_for_end()


def test_an_editor_runs_cells_after_it_has_looked_whether_the_ports_are_open(family: Family, tmp_path: Path) -> None:
    notebook = EditorNotebook(tmp_path)
    try:
        for port in notebook.ports:
            socket.create_connection(("127.0.0.1", port)).close()
        assert _is_elsewhere(notebook.printed(WHERE))
    finally:
        notebook.end()


def test_a_second_front_end_joins_a_running_kernel(family: Family, tmp_path: Path) -> None:
    """As ``jupyter console --existing`` does."""
    notebook = EditorNotebook(tmp_path)
    try:
        notebook.printed("!ip netns add red")
        script = "import json,sys\nfrom jupyter_client.blocking.client import BlockingKernelClient as Client\n"
        script += "client = Client()\nclient.load_connection_file(sys.argv[1])\nclient.start_channels()\n"
        script += "client.wait_for_ready(60)\nclient.execute_interactive('!ip -j netns')"
        done = subprocess.run([sys.executable, "-c", script, notebook.file], capture_output=True, text=True, check=True)
        assert [one["name"] for one in json.loads(done.stdout)] == ["red"]
    finally:
        notebook.end()
