"""The fixture that watches every test here: it catches a leak of each kind, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.netns.kernel import shell
from tests.netns.leaks import State, left_behind

CLONE = Path(__file__).parent.parent.parent
CAUGHT = {
    "test_that_leaves_nothing": "",
    "test_that_leaves_a_named_namespace": "named namespace more: left",
    "test_that_leaves_a_nameless_namespace": "namespace more: net:[",
    "test_that_leaves_a_process": "process more: ",
    "test_that_leaves_a_file": "file more: ",
    "test_that_leaves_a_thread": "thread more: Thread-",
    "test_that_leaves_a_mount": "mount more: ",
    "test_that_leaves_an_interface": "interface, route or rule more: ",
    "test_that_leaves_an_address": "interface, route or rule more: ",
    "test_that_leaves_a_route": "interface, route or rule more: blackhole 10.1.0.0/16",
    "test_that_leaves_a_rule": "interface, route or rule more: ",
    "test_that_leaves_a_firewall_table": "nft table more: table ip left",
    "test_that_leaves_a_setting": "sysctl more: /proc/sys/net/ipv4/ip_forward = 1",
    "test_that_takes_something_away": "interface, route or rule less: blackhole 10.1.0.0/16",
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a run of the leaky tests, in a sandbox inside this one, says of each."""
    report = tmp_path_factory.mktemp("leaky") / "report.xml"
    pytest_command = ["-m", "pytest", "-p", "no:cacheprovider", f"--junit-xml={report}", "tests/netns/data/leaky.py"]
    sandbox = [sys.executable, "-m", "labhelpers.sandbox.run", "--"]
    subprocess.run([*sandbox, sys.executable, *pytest_command], cwd=CLONE, capture_output=True, check=False)
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        assert case.find("failure") is None, "the test itself worked"
        error = case.find("error")
        found[case.get("name", "")] = "" if error is None else error.text or ""
    return found


def test_every_leak_has_an_expectation(verdicts: dict[str, str]) -> None:
    assert verdicts.keys() == CAUGHT.keys()


@pytest.mark.parametrize("leak", CAUGHT)
def test_it_is_caught(verdicts: dict[str, str], leak: str) -> None:
    if CAUGHT[leak]:
        assert CAUGHT[leak] in verdicts[leak]
    else:
        assert not verdicts[leak]


def test_what_goes_a_moment_later_is_no_leak() -> None:
    before = State.now()
    shell("ip netns add brief; ip link add near type veth peer name far netns brief; ip netns delete brief")
    assert left_behind(before) == []


def test_a_process_that_had_ended_is_not_missed() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    before = State.now()
    child.wait()
    assert left_behind(before) == []
