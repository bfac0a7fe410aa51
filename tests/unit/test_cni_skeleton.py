"""The plugin skeleton, seen from outside: small plugins are started as a runtime starts them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from labhelpers.cni.plugin.skeleton import VERSIONS
from tests.samples.cni_plugins import ADD, Answer, call, write

#: answers with what it was asked
ECHO = """
from labhelpers.cni.plugin.skeleton import PluginError, run

def add(request):
    return {"asked": [request.command, request.container, request.netns, request.ifname, request.folders],
            "config": request.config, "previous": request.previous, "network": request.network}

def check(request):
    if request.config.get("broken"):
        raise PluginError(101, "it is broken", "in two")

def gc(request):
    raise PluginError(102, repr(sorted(request.valid_attachments)))

run({"ADD": add, "DEL": lambda request: None, "CHECK": check, "GC": gc, "STATUS": lambda request: None})
"""


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("bin"), "echo", ECHO)


def _refused(answer: Answer, code: int) -> dict[str, Any]:
    """The error object, which is all that is written, and the only thing."""
    assert (answer.status, answer.stderr) == (1, "")
    error: dict[str, Any] = answer.value
    assert list(error) == ["cniVersion", "code", "msg", "details"]
    assert error["code"] == code
    return error


def test_a_result_is_printed_with_the_version_that_was_asked_in(echo: Path) -> None:
    answer = call(echo, config={"cniVersion": "0.4.0", "own": {"ü": [1, None]}, "prevResult": {"ips": []}})
    assert (answer.status, answer.stderr) == (0, "")
    assert answer.value == {
        "cniVersion": "0.4.0",
        "asked": ["ADD", "web", "/proc/self/ns/net", "eth0", ["/nowhere"]],
        "config": {
            "cniVersion": "0.4.0", "name": "pods", "type": "small", "own": {"ü": [1, None]}, "prevResult": {"ips": []},
        },
        "previous": {"ips": []},
        "network": "pods",
        "interfaces": [], "ips": [], "routes": [], "dns": {},
    }  # fmt: skip


MAKES = """
from labhelpers.cni.plugin.skeleton import run

def add(request):
    return {"interfaces": [{"name": "mine"}], "ips": [{"address": "10.0.1.2/24", "interface": 0},
            {"address": "fd00::2/64"}], "routes": [{"dst": "0.0.0.0/0"}], "dns": {}}

run({"ADD": add}%s)
"""
EARLIER = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "first"}, {"name": "second", "own": 1}],
    "ips": [{"address": "192.0.2.1/32", "interface": 1}],
    "dns": {"nameservers": ["10.96.0.10"]},
    "unknown": True,
}


def test_what_earlier_plugins_made_is_passed_on(tmp_path: Path) -> None:
    """Section 2: a plugin that got a result must output it, with its own changes."""
    plugin = write(tmp_path, "makes", MAKES % "")
    assert call(plugin, config={"prevResult": EARLIER}).value == {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "first"}, {"name": "second", "own": 1}, {"name": "mine"}],
        "ips": [
            {"address": "192.0.2.1/32", "interface": 1}, {"address": "10.0.1.2/24", "interface": 2},
            {"address": "fd00::2/64"},
        ],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dns": {"nameservers": ["10.96.0.10"]},
        "unknown": True,
    }  # fmt: skip


def test_a_plugin_may_pass_it_on_itself(tmp_path: Path) -> None:
    plugin = write(tmp_path, "makes", MAKES % ", passes_on=False")
    assert call(plugin, config={"prevResult": EARLIER}).value["interfaces"] == [{"name": "mine"}]


@pytest.mark.parametrize("key", ["interfaces", "ips", "routes"])
def test_what_cannot_be_passed_on_has_code_7(tmp_path: Path, key: str) -> None:
    plugin = write(tmp_path, "makes", MAKES % "")
    assert _refused(call(plugin, config={"prevResult": {**EARLIER, key: {"a": 1}}}), 7)["msg"].startswith(
        "prevResult has"
    )


@pytest.mark.parametrize("command", ["DEL", "CHECK", "STATUS"])
def test_the_others_succeed_without_a_word(echo: Path, command: str) -> None:
    answer = call(echo, environment={"CNI_COMMAND": command}, config={"cniVersion": "1.1.0"})
    assert answer == Answer(0, "", "")


def test_gc_gets_the_valid_attachments(echo: Path) -> None:
    valid = [{"containerID": "web", "ifname": "eth0", "unknown": 1}, {"containerID": "db", "ifname": "net1"}]
    config = {"cniVersion": "1.1.0", "cni.dev/valid-attachments": valid}
    answer = call(echo, environment={"CNI_COMMAND": "GC", "CNI_CONTAINERID": None, "CNI_NETNS": None}, config=config)
    assert _refused(answer, 102)["msg"] == "[('db', 'net1'), ('web', 'eth0')]"


@pytest.mark.parametrize("valid", [None, {}, [7], [{}], [{"containerID": "web"}], [{"containerID": [], "ifname": "a"}]])
def test_gc_without_a_list_that_makes_sense_removes_nothing(echo: Path, valid: Any) -> None:
    config = {"cniVersion": "1.1.0", "cni.dev/valid-attachments": valid}
    assert (
        "cni.dev/valid-attachments" in _refused(call(echo, environment={"CNI_COMMAND": "GC"}, config=config), 7)["msg"]
    )


def test_a_refusal_is_an_error_object(echo: Path) -> None:
    answer = call(echo, environment={"CNI_COMMAND": "CHECK"}, config={"broken": True})
    assert answer.value == {"cniVersion": "1.0.0", "code": 101, "msg": "it is broken", "details": "in two"}
    assert answer.status == 1


def test_an_error_that_nobody_thought_of_is_an_error_object_too(tmp_path: Path) -> None:
    plugin = write(
        tmp_path, "crash", "from labhelpers.cni.plugin.skeleton import run\nrun({'ADD': lambda request: 1 / 0})"
    )
    assert _refused(call(plugin), 100)["msg"] == "ZeroDivisionError: division by zero"


# --- VERSION ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["0.3.1", "1.0.0", "9.9.9"])
def test_version_answers_in_the_version_asked(echo: Path, asked: str) -> None:
    answer = call(
        echo, environment=dict.fromkeys(ADD) | {"CNI_COMMAND": "VERSION"}, stdin=f'{{"cniVersion": "{asked}"}}'
    )
    assert answer.status == 0
    assert answer.value == {"cniVersion": asked, "supportedVersions": list(VERSIONS)}


def test_version_may_be_asked_without_a_configuration(echo: Path) -> None:
    """Before 1.0.0 nothing was passed to it."""
    answer = call(echo, environment={"CNI_COMMAND": "VERSION"}, stdin="")
    assert answer.value == {"cniVersion": "1.1.0", "supportedVersions": list(VERSIONS)}


@pytest.mark.parametrize("version", ["9.9.9", "0.2.0", "", None, 1.1, ["1.0.0"]])
def test_a_version_it_does_not_speak_has_code_1(echo: Path, version: Any) -> None:
    error = _refused(call(echo, config={"cniVersion": version}), 1)
    assert error["details"] == "it speaks 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"
    assert error["cniVersion"] == (version if isinstance(version, str) and version else "1.1.0")


@pytest.mark.parametrize(("command", "version"), [("CHECK", "0.3.1"), ("GC", "1.0.0"), ("STATUS", "1.0.0")])
def test_an_operation_that_a_version_does_not_have_has_code_1(echo: Path, command: str, version: str) -> None:
    error = _refused(call(echo, environment={"CNI_COMMAND": command}, config={"cniVersion": version}), 1)
    assert error["msg"] == f"CNI {version} has no {command}"


# --- bad calls --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [None, "", "add", "DANCE", "VERSIONS"])
def test_an_unknown_command_names_the_variable(echo: Path, command: str | None) -> None:
    error = _refused(call(echo, environment={"CNI_COMMAND": command}), 4)
    assert error["msg"] == f"CNI_COMMAND is {command or ''!r}"
    assert error["details"] == "this plugin knows ADD, DEL, CHECK, GC, STATUS, VERSION"


def test_a_plugin_knows_the_verbs_it_was_given(tmp_path: Path) -> None:
    plugin = write(tmp_path, "adds", "from labhelpers.cni.plugin.skeleton import run\nrun({'ADD': lambda request: {}})")
    assert call(plugin).value == {"cniVersion": "1.0.0"}
    assert _refused(call(plugin, environment={"CNI_COMMAND": "DEL"}), 4)["details"] == "this plugin knows ADD, VERSION"


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        ("ADD", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]),
        ("CHECK", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]),
        ("DEL", ["CNI_CONTAINERID", "CNI_IFNAME"]),
        ("GC", ["CNI_PATH"]),
    ],
)
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_missing_is_named(echo: Path, command: str, variables: list[str], value: str | None) -> None:
    for variable in variables:
        error = _refused(call(echo, environment={"CNI_COMMAND": command, variable: value}), 4)
        assert error["msg"] == f"missing: {variable}"
    error = _refused(call(echo, environment={"CNI_COMMAND": command, **dict.fromkeys(variables, value)}), 4)
    assert error["msg"] == f"missing: {', '.join(variables)}"


@pytest.mark.parametrize("command", ["GC", "STATUS"])
def test_what_an_operation_does_not_need_may_be_anything(echo: Path, command: str) -> None:
    environment = {"CNI_COMMAND": command, "CNI_CONTAINERID": "", "CNI_NETNS": "/gone", "CNI_IFNAME": "a/b"}
    config = {"cniVersion": "1.1.0", "cni.dev/valid-attachments": []}
    answer = call(echo, environment=environment, config=config)
    assert "code" not in answer.stdout or answer.value["code"] == 102


def test_del_needs_no_namespace_and_does_not_look_at_it(echo: Path) -> None:
    for netns in (None, "", "/run/netns/gone", "/etc/hostname"):
        assert call(echo, environment={"CNI_COMMAND": "DEL", "CNI_NETNS": netns}).status == 0


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        *[("CNI_CONTAINERID", value) for value in ("-a", ".a", "_a", "a/b", "../a", "a b", "a\n", "größe", "a:b")],
        *[("CNI_IFNAME", value) for value in ("sixteen-letters0", "é" * 8, "et/h0", ".", "..", "a:b", "a b", "a\tb")],
        *[("CNI_NETNS", value) for value in ("/run/netns/gone", "/etc/hostname", "/", "relative")],
    ],
)
def test_what_cannot_be_is_named_with_its_value(echo: Path, variable: str, value: str) -> None:
    assert _refused(call(echo, environment={variable: value}), 4)["msg"] == f"invalid: {variable}={value}"


@pytest.mark.parametrize("name", ["eth0", "fifteen-letters", "-", "a.b", "@"])
def test_what_linux_takes_as_a_name_is_taken(echo: Path, name: str) -> None:
    assert call(echo, environment={"CNI_IFNAME": name}).value["asked"][3] == name


def test_bytes_that_are_no_text_are_refused_all_the_same(echo: Path) -> None:
    environment = {key.encode(): value.encode() for key, value in ADD.items()} | {b"CNI_CONTAINERID": b"a\xff"}
    done = subprocess.run([echo], env=environment, input=b"{}", capture_output=True, check=False)
    assert _refused(Answer(done.returncode, done.stdout.decode(), done.stderr.decode()), 4)


@pytest.mark.parametrize(
    ("stdin", "msg"),
    [
        ("", "the configuration is not JSON"),
        ("{", "the configuration is not JSON"),
        ('{"cniVersion": "1.0.0", "name": "pods"} and more', "the configuration is not JSON"),
        ("[" * 100_000, "the configuration is not JSON"),
        ('{"cniVersion": "1.0.0", "name": NaN}', "the configuration is not JSON"),
        ("[]", "the configuration is not a JSON object"),
        ("null", "the configuration is not a JSON object"),
        (b'{"name": "\xff"}', "the configuration is not UTF-8"),
    ],
)
def test_what_cannot_be_decoded_has_code_6(echo: Path, stdin: str | bytes, msg: str) -> None:
    assert _refused(call(echo, stdin=stdin), 6)["msg"] == msg


def test_standard_input_that_cannot_be_read_has_code_5(echo: Path) -> None:
    done = subprocess.run(["sh", "-c", '"$0" <&-', echo], env=ADD, capture_output=True, text=True, check=False)
    assert _refused(Answer(done.returncode, done.stdout, done.stderr), 5)["msg"].startswith(
        "the configuration could not"
    )


@pytest.mark.parametrize("name", [None, "", 7, "a/b", "-a", "a b", ["pods"]])
def test_a_network_without_a_proper_name_has_code_7(echo: Path, name: Any) -> None:
    assert _refused(call(echo, config={"name": name}), 7)["msg"] == f"the network's name is {name!r}"


def test_half_a_character_does_not_break_the_answer(echo: Path) -> None:
    answer = call(echo, stdin='{"cniVersion": "1.0.0", "name": "pods", "own": "\\ud800"}')
    assert answer.value["config"]["own"] == "?"


@pytest.mark.parametrize("previous", [["x"], "x", 7])
def test_a_previous_result_that_is_none_has_code_7(echo: Path, previous: Any) -> None:
    assert _refused(call(echo, config={"prevResult": previous}), 7)["msg"] == "prevResult is not an object"


def test_a_large_configuration_is_read_to_its_end(echo: Path) -> None:
    assert call(echo, config={"padding": "x" * 1_000_000}).value["config"]["padding"] == "x" * 1_000_000


def test_an_answer_that_nobody_reads_is_no_success(echo: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", 'echo "{\\"cniVersion\\": \\"1.0.0\\", \\"name\\": \\"pods\\"}" | "$0" >&-', echo],
        env=ADD, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
