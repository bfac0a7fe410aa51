"""A network configuration: read as an administrator meant it, handed to plugins as the specification says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.cni.config import NetworkConfigList, file_name, load_first
from labhelpers.errors import BadInput, NotFound

GOOD: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "ipam": {"type": "host-local", "subnet": "10.0.1.0/24"},
            "keyA": [1, None],
        },
        {"type": "portmap", "capabilities": {"portMappings": True, "other": False}},
    ],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def _with(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**GOOD, **changes}.items() if value is not Ellipsis}


def _plugin(**changes: Any) -> dict[str, Any]:
    return _with(plugins=[{"type": "bridge", **changes}])


def test_a_list_is_read() -> None:
    network = NetworkConfigList.parse(json.dumps(GOOD), "10-pods.conflist")
    assert (network.name, network.version, network.source) == ("pods", "1.0.0", "10-pods.conflist")
    assert [one.type for one in network.plugins] == ["bridge", "portmap"]
    assert [one.delegates for one in network.plugins] == [("host-local",), ()]
    assert [set(one.capabilities) for one in network.plugins] == [set(), {"portMappings"}]
    assert not network.disable_check
    assert not network.disable_gc
    assert repr(network) == "<network pods: bridge → portmap, CNI 1.0.0>"


def test_text_and_value_are_the_same() -> None:
    assert NetworkConfigList.parse(json.dumps(GOOD)) == NetworkConfigList.parse(GOOD)


def test_what_is_read_does_not_change_with_what_it_was_read_from() -> None:
    given: dict[str, Any] = json.loads(json.dumps(GOOD))
    network = NetworkConfigList.parse(given)
    given["plugins"][0]["bridge"] = "another"
    assert network.plugins[0].raw["bridge"] == "cni0"


def test_one_plugins_configuration_is_a_list_of_one() -> None:
    single = {
        "cniVersion": "1.0.0",
        "cniVersions": ["1.1.0"],
        "name": "pods",
        "disableCheck": True,
        "type": "ptp",
        "a": 1,
    }
    network = NetworkConfigList.parse(single)
    assert (network.versions, network.disable_check) == (("1.1.0", "1.0.0"), True)
    assert [(one.type, one.raw) for one in network.plugins] == [("ptp", {"type": "ptp", "a": 1})]
    assert NetworkConfigList.parse(network.raw) == network


@pytest.mark.parametrize(
    ("versions", "highest"),
    [
        ({"cniVersion": "0.4.0"}, "0.4.0"),
        ({"cniVersion": "1.0.0", "cniVersions": ["1.0.0", "1.1.0"]}, "1.1.0"),
        ({"cniVersions": ["0.3.1", "0.4.0"]}, "0.4.0"),
        ({"cniVersion": "1.1.0", "cniVersions": ["9.0.0"]}, "1.1.0"),
        ({"cniVersion": "", "cniVersions": ["1.1.0"]}, "1.1.0"),
        ({"cniVersion": None, "cniVersions": ["1.1.0"]}, "1.1.0"),
    ],
)
def test_the_highest_version_that_both_know_is_spoken(versions: dict[str, Any], highest: str) -> None:
    assert NetworkConfigList.parse(_with(**{"cniVersion": ..., **versions})).version == highest


@pytest.mark.parametrize("given", ["9.9.9", "0.2.0", "1.1", "new", "", None, ...])
def test_a_version_that_nobody_speaks_is_refused_when_it_is_needed(given: Any) -> None:
    """Without one it is for 0.1.0, whose results had another form."""
    network = NetworkConfigList.parse(_with(cniVersion=given))
    with pytest.raises(
        BadInput, match=r"The configuration is for CNI .+, and nobody here speaks that\. Set cniVersion"
    ):
        _ = network.version


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("", "is not JSON: Expecting value"),
        ("{", "is not JSON: Expecting property name"),
        ('{"name": "pods",}', "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a JSON object. Begin it with {."),
        ("null", "is not a JSON object"),
        (None, "is not a JSON object"),
        ({"name": {1}}, "cannot be written as JSON: Object of type set"),
        (_with(name=...), "The name None in the network configuration cannot be a network's."),
        (_with(name=""), "The name '' in"),
        (_with(name=7), "The name 7 in"),
        (_with(name="a/b"), "The name 'a/b' in"),
        (_with(name="-a"), "The name '-a' in"),
        (_with(name="pods\n"), r"The name 'pods\n' in"),
        (_with(plugins=...), "There is no list of plugins in"),
        (_with(plugins=[]), "There is no list of plugins in"),
        (_with(plugins={"type": "bridge"}), "There is no list of plugins in"),
        (_with(plugins=["bridge"]), "The configuration of plugin 1 in the network configuration is not a JSON object."),
        (_with(plugins=[{"type": "bridge"}, {}]), "The type None of plugin 2 in the network configuration"),
        (_plugin(type=""), "names no plugin"),
        (_plugin(type=3), "The type 3 of plugin 1"),
        (_plugin(type="../bridge"), "names no plugin"),
        (_plugin(type=".."), "names no plugin"),
        (_plugin(type="a\0b"), "names no plugin"),
        (_plugin(capabilities=["portMappings"]), "The capabilities of plugin 1 in the network"),
        (_with(cniVersion=1.1), "The CNI version 1.1 in the network configuration is not a text."),
        (_with(cniVersions="1.1.0"), "cniVersions in the network configuration is not a list."),
        (_with(cniVersions=["1.1.0", 1]), "The CNI version 1 in"),
        (_with(disableCheck="no"), "disableCheck in the network configuration is 'no'. Write true or false."),
        (_with(disableGC=1), "disableGC in the network configuration is 1."),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_in_a_sentence(given: Any, sentence: str) -> None:
    with pytest.raises(BadInput) as error:
        NetworkConfigList.parse(given)
    assert sentence in str(error.value)
    assert error.value.to_do.endswith(".")


def test_an_error_names_the_file() -> None:
    with pytest.raises(BadInput, match=r"^The name None in /etc/cni/net\.d/10-pods\.conflist cannot"):
        NetworkConfigList.parse("{}", "/etc/cni/net.d/10-pods.conflist")
    with pytest.raises(BadInput, match=r"^/etc/cni/net\.d/10-pods\.conflist is not JSON"):
        NetworkConfigList.parse("{", "/etc/cni/net.d/10-pods.conflist")


@pytest.mark.parametrize(("written", "meant"), [("true", True), ("false", False), (True, True), (False, False)])
def test_flags_may_be_written_as_text(written: object, meant: bool) -> None:
    network = NetworkConfigList.parse(_with(disableCheck=written, disableGC=written))
    assert network.disable_check is network.disable_gc is meant


# --- what a plugin is given -------------------------------------------------------------------------------------------


def test_a_request_is_the_plugins_part_with_name_and_version() -> None:
    network = NetworkConfigList.parse(GOOD)
    assert network.request(network.plugins[0]) == {"cniVersion": "1.0.0", "name": "pods", **GOOD["plugins"][0]}
    assert network.request(network.plugins[1]) == {"cniVersion": "1.0.0", "name": "pods", "type": "portmap"}


def test_name_and_version_are_the_networks_whatever_the_plugins_part_says() -> None:
    network = NetworkConfigList.parse(_plugin(name="mine", cniVersion="0.1.0"))
    assert network.request(network.plugins[0]) == {"cniVersion": "1.0.0", "name": "pods", "type": "bridge"}


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_unknown_fields_pass_through_unchanged(fields: dict[str, Any]) -> None:
    taken = {"type", "name", "cniVersion", "capabilities", "runtimeConfig", "prevResult"}
    unknown = {key: value for key, value in fields.items() if key not in taken and not key.startswith("cni.dev/")}
    network = NetworkConfigList.parse(_plugin(**unknown))
    request = network.request(network.plugins[0])
    assert {key: value for key, value in request.items() if key not in taken} == unknown


def test_what_is_the_runtimes_to_say_is_not_taken_from_the_file() -> None:
    network = NetworkConfigList.parse(
        _plugin(**{"runtimeConfig": {"mac": "x"}, "prevResult": {"ips": []}, "cni.dev/valid-attachments": []})
    )
    assert network.request(network.plugins[0]) == {"cniVersion": "1.0.0", "name": "pods", "type": "bridge"}


def test_a_plugin_gets_the_capabilities_it_asks_for_and_no_others() -> None:
    network = NetworkConfigList.parse(GOOD)
    offered = {"portMappings": [{"hostPort": 8080}], "other": 1, "mac": "02:00:00:00:00:01"}
    bridge, portmap = (network.request(one, capabilities=offered) for one in network.plugins)
    assert "runtimeConfig" not in bridge
    assert portmap["runtimeConfig"] == {"portMappings": [{"hostPort": 8080}]}
    assert "runtimeConfig" not in network.request(network.plugins[1], capabilities={"mac": "02:00:00:00:00:01"})


def test_the_result_so_far_and_the_valid_attachments_are_put_in() -> None:
    network = NetworkConfigList.parse(GOOD)
    request = network.request(network.plugins[1], previous={"ips": []}, attachments=[("web", "eth0"), ("db", "net1")])
    assert request["prevResult"] == {"ips": []}
    assert request["cni.dev/valid-attachments"] == [
        {"containerID": "web", "ifname": "eth0"},
        {"containerID": "db", "ifname": "net1"},
    ]
    assert network.request(network.plugins[1], attachments=[])["cni.dev/valid-attachments"] == []


# --- the folder -------------------------------------------------------------------------------------------------------


def test_the_first_file_in_lexical_order_is_used(tmp_path: Path) -> None:
    for file, name in (("87-b.conf", "last"), ("10-z.conflist", "first"), ("10-zz.json", "second"), ("00-a.txt", "no")):
        (tmp_path / file).write_text(json.dumps(_with(name=name)))
    (tmp_path / "00-folder.conflist").mkdir()
    network, passed_over = load_first(tmp_path)
    assert (network.name, network.source) == ("first", str(tmp_path / "10-z.conflist"))
    assert passed_over == ("10-zz.json", "87-b.conf")


def test_a_node_without_a_configuration_is_told(tmp_path: Path) -> None:
    (tmp_path / "readme").write_text("nothing yet")
    for folder in (tmp_path, tmp_path / "missing", tmp_path / "readme"):
        with pytest.raises(
            NotFound, match=r"There is no network configuration in .+, so no plugin can be called\. Write"
        ):
            load_first(folder)


def test_a_broken_first_file_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "20-good.conflist").write_text(json.dumps(GOOD))
    (tmp_path / "10-broken.conflist").write_text('{"name": ')
    with pytest.raises(BadInput, match=r"10-broken\.conflist is not JSON"):
        load_first(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "10-a.conflist").symlink_to("nowhere")
    with pytest.raises(BadInput, match=r"10-a\.conflist cannot be read: no such file or directory\."):
        load_first(tmp_path)
    (tmp_path / "10-a.conflist").unlink()
    (tmp_path / "10-a.conflist").write_bytes(b'{"name": "\xff"}')
    with pytest.raises(BadInput, match=r"10-a\.conflist is not UTF-8: invalid start byte\. Save it as UTF-8\."):
        load_first(tmp_path)


@pytest.mark.parametrize("name", ["10-pods.conflist", "a.conf", "b.json"])
def test_a_file_that_a_runtime_finds_may_be_written(name: str) -> None:
    assert file_name(name) == name


@pytest.mark.parametrize(
    "name", ["pods", "10-pods.txt", "../10.conflist", "/etc/x.conf", ".conflist", "", None, "a\0.conf"]
)
def test_a_file_that_no_runtime_would_find_is_refused(name: Any) -> None:
    with pytest.raises(BadInput, match="No runtime reads a file"):
        file_name(name)
