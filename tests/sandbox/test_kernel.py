"""All else that a front end wants of a kernel works across the sandbox's border."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.family import Family
from tests.sandbox.machine import machine
from tests.sandbox.notebook import JupyterNotebook

_PATIENCE = 60.0  # seconds; only a test that fails waits that long


@pytest.fixture(scope="module")
def inside(module_family: Family) -> Iterator[JupyterNotebook]:
    one = JupyterNotebook()
    yield one
    one.end()


def _ask(notebook: JupyterNotebook, kind: str, content: dict[str, Any], channel: str = "shell") -> dict[str, Any]:
    """Send a message and return the content of the reply."""
    client = notebook.client
    message = client.session.msg(kind, content)
    getattr(client, f"{channel}_channel").send(message)
    while True:
        reply = getattr(client, f"get_{channel}_msg")(timeout=_PATIENCE)
        if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
            answer: dict[str, Any] = reply["content"]
            return answer


def test_the_heartbeat_beats(inside: JupyterNotebook) -> None:
    assert inside.client.is_alive()
    assert inside.client.hb_channel.is_beating()


def test_garbage_is_collected_although_it_was_not_during_the_start(inside: JupyterNotebook) -> None:
    loop = "class Node: pass\nnode = Node(); node.itself = node; weak = weakref.ref(node); del node"
    answer = inside.run(
        f"import gc, weakref\n{loop}\nfor _ in range(100_000): [[]]\nkept = [[] for _ in range(100_000)]"
    )
    assert answer.printed == ""
    assert inside.run("print(gc.isenabled(), weak())").printed == "True None\n"


def test_a_cell_can_ask_the_learner(inside: JupyterNotebook) -> None:
    question = inside.start_cell("print('you said', input('what? '))", allow_stdin=True)
    asked = inside.client.get_stdin_msg(timeout=_PATIENCE)
    assert asked["content"]["prompt"] == "what? "
    inside.client.input("hello")
    assert question.answer().printed == "you said hello\n"


def test_names_are_completed_and_looked_up(inside: JupyterNotebook) -> None:
    inside.run("a_long_name = 1")
    assert _ask(inside, "complete_request", {"code": "a_lo", "cursor_pos": 4})["matches"] == ["a_long_name"]
    found = _ask(inside, "inspect_request", {"code": "a_long_name", "cursor_pos": 3, "detail_level": 0})
    assert found["found"]


def test_widgets_talk_over_comms(inside: JupyterNotebook) -> None:
    inside.run(
        "heard = []\n"
        "def opened(comm, message):\n"
        "    comm.on_msg(lambda message: comm.send({'echo': message['content']['data']}))\n"
        "get_ipython().kernel.comm_manager.register_target('echo', opened)"
    )
    client, comm = inside.client, uuid.uuid4().hex
    client.shell_channel.send(client.session.msg("comm_open", {"comm_id": comm, "target_name": "echo", "data": {}}))
    client.shell_channel.send(client.session.msg("comm_msg", {"comm_id": comm, "data": "hello"}))
    while (message := client.get_iopub_msg(timeout=_PATIENCE))["msg_type"] != "comm_msg":
        pass
    assert message["content"]["data"] == {"echo": "hello"}


def test_much_output_comes_whole(inside: JupyterNotebook) -> None:
    assert inside.run("print('x' * 10_000_000)").printed == "x" * 10_000_000 + "\n"


def test_a_large_result_comes_whole(inside: JupyterNotebook) -> None:
    inside.run("from IPython.display import display")
    answer = inside.run("display({'text/plain': 'y' * 20_000_000}, raw=True)")
    (shown,) = (one["content"] for one in answer.messages if one["msg_type"] == "display_data")
    assert shown["data"]["text/plain"] == "y" * 20_000_000


def test_what_children_of_the_kernel_print_is_shown(inside: JupyterNotebook) -> None:
    """Over TCP on 127.0.0.1, which must be up inside."""
    cell = (
        "import multiprocessing\n"
        "child = multiprocessing.get_context('fork').Process(target=print, args=['from a child'])\n"
        "child.start(); child.join(); print('then')"
    )
    assert inside.printed(cell) == "from a child\nthen"


def test_the_debugger_stops_at_a_line(notebook: JupyterNotebook) -> None:
    def debug(command: str, **arguments: Any) -> dict[str, Any]:
        request = {"type": "request", "seq": 1, "command": command, "arguments": arguments}
        return _ask(notebook, "debug_request", request, "control")

    code = "def double(n):\n    result = n * 2\n    return result\nprint(double(21))"
    assert debug("initialize", clientID="test", adapterID="", pathFormat="path")["success"]
    assert debug("attach")["success"]
    path = debug("dumpCell", code=code)["body"]["sourcePath"]
    assert path.startswith("/run/pod-networking/"), "process ids are the same in every sandbox, so /tmp is none"
    stops = debug("setBreakpoints", source={"path": path}, breakpoints=[{"line": 3}], sourceModified=False)
    assert stops["body"]["breakpoints"][0]["verified"]
    assert debug("configurationDone")["success"]
    question = notebook.start_cell(code)
    while (message := notebook.client.get_iopub_msg(timeout=_PATIENCE))["msg_type"] != "debug_event" or (
        message["content"]["event"] != "stopped"
    ):
        pass
    thread = message["content"]["body"]["threadId"]
    frame = debug("stackTrace", threadId=thread)["body"]["stackFrames"][0]
    assert (frame["name"], frame["line"]) == ("double", 3)
    assert debug("evaluate", expression="result", frameId=frame["id"])["body"]["result"] == "42"
    assert debug("continue", threadId=thread)["success"]
    assert question.answer().printed == "42\n"
    assert debug("disconnect", restart=False, terminateDebuggee=False)["success"]


def test_the_transport_ipc(family: Family, short_path: Path) -> None:
    notebook = JupyterNotebook(transport="ipc", ip=str(short_path / "socket"))
    try:
        assert notebook.printed("!ls /sys/class/net") == "lo"
    finally:
        notebook.end()
    assert list(short_path.iterdir()) == []


def test_an_encrypted_connection(family: Family) -> None:
    notebook = JupyterNotebook(transport_encryption="required")
    try:
        assert notebook.manager.get_connection_info()["curve_publickey"]
        assert notebook.printed("!ls /sys/class/net") == "lo"
    finally:
        notebook.end()


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_a_connection_file_in_the_run_folder(family: Family, tmp_path: Path, transport: str) -> None:
    """Some front ends keep it in XDG_RUNTIME_DIR, /run/user/ID, and the sandbox has a /run of its own."""
    prepare = "mount -t tmpfs tmpfs /run; mkdir -p /run/user/0/jupyter"
    script = (
        "from tests.sandbox.notebook import JupyterNotebook\n"
        f"notebook = JupyterNotebook(transport={transport!r}, connection_file='/run/user/0/jupyter/kernel.json')\n"
        "assert notebook.printed('!ls /sys/class/net') == 'lo'\n"
        "notebook.end()\n"
    )
    command = [*machine(prepare, without=("sys_admin",)), sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE)
    assert done.returncode == 0, done.stderr
