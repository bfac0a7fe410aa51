"""A plugin calls another, as section 4 of the specification says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.samples.cni_plugins import Answer, call, write

#: hands on what its IPAM plugin answers; on a word in its configuration it undoes first
MAIN = """
from labhelpers.cni.plugin.delegate import Delegated
from labhelpers.cni.plugin.skeleton import PluginError, run

def delegate(request):
    ipam = Delegated(request, "small-ipam")
    if request.config.get("fail"):
        ipam.undo()
        raise PluginError(101, "it was undone")
    return ipam.answer()

run({verb: delegate for verb in ("ADD", "DEL", "CHECK", "GC", "STATUS")})
"""
IPAM = """\
#!/bin/sh
cat >>"$HERE/stdin"
env | sort >>"$HERE/environment"
echo "a note" >&2
"""


@pytest.fixture
def main(tmp_path: Path) -> Path:
    return write(tmp_path, "main", MAIN)


def _call(main: Path, script: str, command: str = "ADD", **config: Any) -> Answer:
    """Call the main plugin with an IPAM plugin on its path that ends like this."""
    folder = main.parent
    write(folder, "small-ipam", IPAM + script)
    environment = {"CNI_COMMAND": command, "CNI_PATH": f"/nowhere:{folder}", "CNI_ARGS": "A=1", "HERE": str(folder)}
    return call(main, environment=environment, config={"cniVersion": "1.1.0", **config})


@pytest.mark.parametrize("command", ["ADD", "DEL", "CHECK", "GC", "STATUS"])
def test_it_gets_the_same_environment_and_the_whole_configuration(main: Path, command: str) -> None:
    answer = _call(main, """echo '{"cniVersion": "1.1.0", "ips": []}'\n""", command, ipam={"type": "x"}, own=[1])
    assert (answer.status, answer.value, answer.stderr) == (0, {"cniVersion": "1.1.0", "ips": []}, "a note\n")
    assert json.loads((main.parent / "stdin").read_text()) == {
        "cniVersion": "1.1.0", "name": "pods", "type": "small", "ipam": {"type": "x"}, "own": [1],
    }  # fmt: skip
    lines = (main.parent / "environment").read_text().splitlines()
    assert {line for line in lines if line.startswith("CNI_")} == {
        f"CNI_COMMAND={command}", "CNI_CONTAINERID=web", "CNI_NETNS=/proc/self/ns/net", "CNI_IFNAME=eth0",
        "CNI_ARGS=A=1", f"CNI_PATH=/nowhere:{main.parent}",
    }  # fmt: skip


def test_an_error_is_passed_on(main: Path) -> None:
    answer = _call(main, """echo '{"code": 11, "msg": "full", "details": "all of it"}'; exit 1\n""")
    assert answer.value == {"cniVersion": "1.1.0", "code": 11, "msg": "small-ipam: full", "details": "all of it"}
    assert answer.status == 1


@pytest.mark.parametrize(
    ("ipam", "code", "msg", "details"),
    [
        ("echo garbage", 6, "the plugin small-ipam answered what is no JSON object", "garbage\n"),
        ("echo '[]'", 6, "the plugin small-ipam answered what is no JSON object", "[]\n"),
        ("exit 3", 100, "the plugin small-ipam failed without an error object", ""),
        ("echo oh no; exit 3", 100, "the plugin small-ipam failed without an error object", "oh no\n"),
        ("echo '{}'; exit 3", 100, "the plugin small-ipam failed without an error object", "{}\n"),
        ("kill -9 $$", 100, "the plugin small-ipam was ended by signal 9", ""),
    ],
)
def test_what_is_no_answer_is_said(main: Path, ipam: str, code: int, msg: str, details: str) -> None:
    error = _call(main, ipam + "\n").value
    assert (error["code"], error["msg"], error["details"]) == (code, msg, details)


def test_silence_is_an_answer(main: Path) -> None:
    assert _call(main, "", "DEL") == Answer(0, '{"cniVersion": "1.1.0"}\n', "a note\n")


def test_undoing_is_the_same_call_with_del(main: Path) -> None:
    answer = _call(main, "", fail=True)
    assert answer.value["msg"] == "it was undone"
    commands = [line for line in (main.parent / "environment").read_text().splitlines() if "CNI_COMMAND" in line]
    assert commands == ["CNI_COMMAND=ADD", "CNI_COMMAND=DEL"]


def test_what_goes_wrong_while_undoing_is_not_the_point(main: Path) -> None:
    assert _call(main, "exit 3\n", fail=True).value["msg"] == "it was undone"


def test_a_plugin_that_is_not_there_is_said(main: Path) -> None:
    error = call(main, environment={"CNI_PATH": f"/nowhere::{main.parent}"}).value
    assert (error["code"], error["msg"]) == (7, "there is no plugin 'small-ipam' on CNI_PATH")
    assert error["details"] == f"/nowhere:{main.parent}"


@pytest.mark.parametrize("what", ["a folder", "a text"])
def test_what_cannot_be_executed_is_not_there(main: Path, what: str) -> None:
    if what == "a folder":
        (main.parent / "small-ipam").mkdir()
    else:
        (main.parent / "small-ipam").write_text(IPAM)
    assert call(main, environment={"CNI_PATH": str(main.parent)}).value["code"] == 7


def test_a_program_that_cannot_be_started_is_an_io_failure(main: Path) -> None:
    write(main.parent, "small-ipam", "#!/nowhere/sh\n")
    error = call(main, environment={"CNI_PATH": str(main.parent)}).value
    assert (error["code"], error["msg"]) == (5, "the plugin small-ipam could not be started")
    assert "No such file" in error["details"]


def test_a_configuration_larger_than_a_pipe_is_handed_on(main: Path) -> None:
    assert _call(main, "", own="x" * 300_000).status == 0
    assert json.loads((main.parent / "stdin").read_text())["own"] == "x" * 300_000


def test_a_plugin_that_does_not_read_is_no_problem(main: Path) -> None:
    write(main.parent, "small-ipam", """#!/bin/sh\necho '{"ips": []}'\n""")
    answer = call(main, environment={"CNI_PATH": str(main.parent)}, config={"own": "x" * 300_000})
    assert answer.value == {"cniVersion": "1.0.0", "ips": []}


#: answers which files it has been left, and what a shell has seen of the signals ignored for it
LEFT_OVER = """
import os, sys

def is_open(fd):
    try:
        return bool(os.fstat(fd))
    except OSError:
        return False

print("{" + f'"files": {[fd for fd in range(50) if is_open(fd)]}, "ignored": "{sys.argv[1].split()[1]}"' + "}")
"""


def test_it_leaves_no_file_open_and_no_signal_ignored(main: Path) -> None:
    """Python ignores SIGPIPE for itself; a shell script counts on it, and so does every other program."""
    program = write(main.parent, "left-over", LEFT_OVER)
    write(main.parent, "small-ipam", f'#!/bin/sh\nexec {program} "$(grep SigIgn /proc/self/status)"\n')
    answer = call(main, environment={"CNI_PATH": str(main.parent)}).value
    assert answer["files"] == [0, 1, 2]
    assert int(answer["ignored"], 16) & (1 << 12) == 0


def test_the_first_folder_that_has_it_wins(main: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        os.mkdir(tmp_path / name)
        write(tmp_path / name, "small-ipam", f"""#!/bin/sh\necho '{{"from": "{name}"}}'\n""")
    environment = {"CNI_PATH": f"{tmp_path}/first:{tmp_path}/second"}
    assert call(main, environment=environment).value["from"] == "first"
