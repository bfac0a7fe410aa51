"""The capstone's bench: cells become a plugin, and the course's own solution keeps every requirement."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from labhelpers.conformance.cni import plugin
from labhelpers.course import workshop
from labhelpers.course.chapter10 import _WITH_DEL as WITH_DEL
from labhelpers.course.chapter10 import CONFIG, begin
from labhelpers.errors import BadInput
from labhelpers.lab import Lab

pytestmark = pytest.mark.once

FILE = Path("/opt/cni/bin/my-plugin")
ENVIRONMENT = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "web",
    "CNI_NETNS": "/proc/self/ns/net",
    "CNI_IFNAME": "net1",
    "CNI_PATH": "/opt/cni/bin",
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
}


@pytest.fixture(autouse=True)
def bench() -> Iterator[None]:
    names = ("host_end", "helper", *workshop.VERBS)
    workshop.drop(names)
    yield
    workshop.drop(names)
    assert not FILE.exists()


def call(command: str = "ADD", **config: object) -> dict[str, Any]:
    text = json.dumps({"cniVersion": "1.1.0", "name": "mine", **config})
    done = subprocess.run(
        [FILE], input=text, env={**ENVIRONMENT, "CNI_COMMAND": command}, capture_output=True, text=True, check=False
    )
    answer: dict[str, Any] = json.loads(done.stdout or "{}")
    return {**answer, "status": done.returncode}


def test_functions_become_operations() -> None:
    assert workshop.write("def helper():\n    return 7\n") == "/opt/cni/bin/my-plugin answers VERSION."
    assert workshop.write("def add(request):\n    return {'ips': [], 'seen': helper()}") == (
        "/opt/cni/bin/my-plugin answers ADD, VERSION."
    )
    assert call() == {"cniVersion": "1.1.0", "ips": [], "seen": 7, "status": 0}
    assert call("DEL")["code"] == 4
    assert call("VERSION")["supportedVersions"][-1] == "1.1.0"


def test_a_cell_run_again_replaces_what_it_defined() -> None:
    workshop.write("def add(request):\n    return {'seen': 1}")
    workshop.write("def add(request):\n    return {'seen': 2}")
    assert call()["seen"] == 2
    assert FILE.read_text().count("def add") == 1


def test_of_two_cells_that_define_the_same_the_later_counts() -> None:
    workshop.write("def add(request):\n    return {'seen': helper()}\n\ndef helper():\n    return 1")
    workshop.write("def helper():\n    return 2")
    assert call()["seen"] == 2


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("def add(request)\n    return {}", "Line 1 of this cell is not Python"),
        ("def add(request):\n    return {\n", "is not Python"),
        ("import os", "defines no function"),
        ("", "defines no function"),
    ],
)
def test_a_cell_that_is_no_plugin_changes_nothing(source: str, what: str) -> None:
    workshop.write("def add(request):\n    return {'seen': 1}")
    with pytest.raises(BadInput, match=what):
        workshop.write(source)
    assert call()["seen"] == 1


def test_a_mistake_in_a_function_is_an_error_object_with_its_line() -> None:
    workshop.write("def add(request):\n    return 1 / 0")
    answer = call()
    line = FILE.read_text().splitlines().index("    return 1 / 0") + 1
    assert (answer["code"], answer["msg"]) == (100, "ZeroDivisionError: division by zero")
    assert answer["details"] == f"line {line} of {FILE}"


def test_a_step_that_was_skipped_is_filled_in_and_nothing_of_the_learners_is_replaced(
    capsys: pytest.CaptureFixture[str],
) -> None:
    workshop.write("def add(request):\n    return {'seen': 'mine'}")
    begin("10.3")
    assert "lacked host_end, delete, and got" in capsys.readouterr().out
    assert call()["seen"] == "mine"
    assert workshop.missing(["add", "delete", "check"]) == ["check"]


def test_begin_takes_away_what_the_step_is_to_write() -> None:
    begin("10.5")
    assert workshop.missing(workshop.VERBS) == []
    begin("10.2")
    assert workshop.missing(workshop.VERBS) == ["delete"]


def test_the_magic_says_what_the_plugin_knows(capsys: pytest.CaptureFixture[str]) -> None:
    workshop.load()
    shell = InteractiveShell.instance()
    shell.run_cell("%%plugin\ndef status(request):\n    pass", silent=True).raise_error()
    assert capsys.readouterr().out == "/opt/cni/bin/my-plugin answers STATUS, VERSION.\n"
    with pytest.raises(BadInput, match="does not understand 'mine'"):
        shell.run_cell("%%plugin mine\ndef status(request):\n    pass", silent=True).raise_error()


def test_the_courses_own_solution_keeps_every_requirement(lab: Lab) -> None:
    begin("10.5")
    rows = plugin(lab.node("node-1"), CONFIG)
    assert [(row.id, row.seen) for row in rows if row.ok is not True] == []
    assert set(WITH_DEL) <= {row.id for row in rows}, "the second step asks for what is not there"


def test_what_the_first_step_asks_for_needs_no_del(lab: Lab) -> None:
    begin("10.2")
    assert workshop.missing(["add", "delete"]) == ["delete"]
    rows = plugin(lab.node("node-1"), CONFIG, only="add.")
    assert {row.id for row in rows if row.ok is not True} == set(WITH_DEL)


def test_the_ip_tool_says_what_ip_said() -> None:
    workshop.write(
        "def add(request):\n    return {'seen': ip_table('link show lo')[0]['ifname'], 'none': ip('link show nothing')}"
    )
    answer = call()
    assert answer["code"] == 100
    assert answer["msg"].startswith('`ip link show nothing` failed: Device "nothing" does not exist.')


def test_without_an_ipam_plugin_the_error_says_what_to_write() -> None:
    workshop.write("def add(request):\n    return ipam(request)")
    assert call()["code"] == 7
    assert call(ipam={"type": "nobody-has-this"})["msg"] == "there is no plugin 'nobody-has-this' on CNI_PATH"
