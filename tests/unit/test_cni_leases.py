"""The books of an IPAM plugin: in the reference plugin's form, locked, and whole."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.cni.plugin import host_local
from labhelpers.cni.plugin.leases import Leases
from labhelpers.cni.plugin.skeleton import PluginError, Request

WEB, DB = ("web", "eth0"), ("db", "eth0")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "networks/pods")


def test_the_files_are_those_of_the_reference_plugin(folder: str) -> None:
    """One for each address, with the container's id and the interface's name, and one for the last address of a set."""
    with Leases(folder) as leases:
        leases.take("10.0.1.10", WEB)
        leases.take("fd00::10", WEB)
        leases.remember_last(1, "fd00::10")
    assert {name: Path(folder, name).read_bytes() for name in os.listdir(folder)} == {
        "10.0.1.10": b"web\r\neth0", "fd00::10": b"web\r\neth0", "last_reserved_ip.1": b"fd00::10", "lock": b"",
    }  # fmt: skip


def test_what_was_written_is_read(folder: str) -> None:
    with Leases(folder) as leases:
        leases.take("10.0.1.10", WEB)
        leases.take("10.0.1.11", DB)
        leases.take("fd00::10", WEB)
        leases.remember_last(0, "10.0.1.11")
    with Leases(folder) as leases:
        assert leases.taken() == {"10.0.1.10", "10.0.1.11", "fd00::10"}
        assert leases.of(WEB) == ["10.0.1.10", "fd00::10"]
        assert dict(leases.owners()) == {"10.0.1.10": WEB, "10.0.1.11": DB, "fd00::10": WEB}
        assert (leases.last(0), leases.last(1)) == ("10.0.1.11", "")
        leases.free(["10.0.1.10", "10.0.1.99"])
        assert leases.of(WEB) == ["fd00::10"]


@pytest.mark.parametrize(
    ("content", "owner"),
    [(b"web", ("web", "")), (b"", ("", "")), (b"web\neth0\n", WEB), (b"\xff\r\neth0", ("\ufffd", "eth0"))],
)
def test_a_lease_in_another_form_still_keeps_its_address(content: bytes, owner: tuple[str, str], folder: str) -> None:
    """Before 0.7 the reference plugin wrote no interface."""
    os.makedirs(folder)
    Path(folder, "10.0.1.10").write_bytes(content)
    with Leases(folder) as leases:
        assert leases.taken() == {"10.0.1.10"}
        assert list(leases.owners()) == [("10.0.1.10", owner)]


def test_only_one_has_the_books_at_a_time(folder: str) -> None:
    order = []

    def wait() -> None:
        with Leases(folder):
            order.append("second")

    with Leases(folder):
        second = threading.Thread(target=wait)
        second.start()
        second.join(0.05)
        order.append("first")
    second.join()
    assert order == ["first", "second"]


def test_a_draft_left_by_a_plugin_that_was_killed_is_no_address(folder: str) -> None:
    with Leases(folder) as leases:
        Path(folder, "lock.new").write_text("web")
        assert leases.taken() == set()
        leases.take("10.0.1.10", WEB)
        assert leases.of(WEB) == ["10.0.1.10"]


def test_books_that_cannot_be_kept_are_an_io_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PluginError, match="cannot be kept") as error, Leases(str(tmp_path / "file/pods")):
        pass
    assert error.value.code == 5
    (tmp_path / "pods/10.0.1.10").mkdir(parents=True)
    with pytest.raises(PluginError, match="cannot be kept") as error, Leases(str(tmp_path / "pods")) as leases:
        leases.take("10.0.1.10", WEB)
    assert error.value.code == 5
    assert sorted(os.listdir(tmp_path / "pods")) == ["10.0.1.10", "lock"]


def test_another_error_stays_what_it_is(folder: str) -> None:
    with pytest.raises(ZeroDivisionError), Leases(folder):
        raise ZeroDivisionError
    with Leases(folder):  # and the lock is free again
        pass


# --- the plugin -------------------------------------------------------------------------------------------------------


def _request(folder: str, command: str = "ADD", container: str = "web", ifname: str = "eth0", **config: Any) -> Request:
    from labhelpers.cni.plugin.quick_json import dumps

    ipam = {"ranges": [[{"subnet": "10.0.1.0/29"}]], "dataDir": str(Path(folder).parent), **config.pop("ipam", {})}
    text = dumps({"cniVersion": "1.0.0", "name": "pods", **config, "ipam": ipam})
    return Request(command, {"CNI_CONTAINERID": container, "CNI_IFNAME": ifname}, text)


def _address(answer: dict[str, Any]) -> str:
    return str(answer["ips"][0]["address"])


def test_it_answers_without_interfaces(folder: str) -> None:
    ipam = {"routes": [{"dst": "0.0.0.0/0"}], "dns": {"nameservers": ["10.96.0.10"]}}
    assert host_local.add(_request(folder, ipam=ipam)) == {
        "ips": [{"address": "10.0.1.2/29", "gateway": "10.0.1.1"}],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dns": {"nameservers": ["10.96.0.10"]},
    }


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0"])
def test_old_versions_say_which_kind_of_address_it_is(folder: str, version: str) -> None:
    ranges = {"ranges": [[{"subnet": "10.0.1.0/29"}], [{"subnet": "fd00::/64"}]]}
    answer = host_local.add(_request(folder, cniVersion=version, ipam=ranges))
    assert [(one["version"], one["address"]) for one in answer["ips"]] == [("4", "10.0.1.2/29"), ("6", "fd00::2/64")]


def test_an_address_is_given_once_until_it_comes_back(folder: str) -> None:
    given = [_address(host_local.add(_request(folder, container=f"c{number}"))) for number in range(5)]
    assert given == [f"10.0.1.{number}/29" for number in (2, 3, 4, 5, 6)]
    with pytest.raises(PluginError, match=r"no address is left in 10\.0\.1\.1–10\.0\.1\.6") as error:
        host_local.add(_request(folder, container="late"))
    assert error.value.code == 11
    host_local.delete(_request(folder, container="c2"))
    assert _address(host_local.add(_request(folder, container="late"))) == "10.0.1.4/29"


def test_an_address_just_freed_rests_a_while(folder: str) -> None:
    host_local.add(_request(folder))
    host_local.delete(_request(folder))
    assert _address(host_local.add(_request(folder))) == "10.0.1.3/29"


def test_a_second_interface_gets_an_address_of_its_own_and_a_second_add_none(folder: str) -> None:
    host_local.add(_request(folder))
    assert _address(host_local.add(_request(folder, ifname="net1"))) == "10.0.1.3/29"
    with pytest.raises(PluginError, match=r"web eth0 has 10\.0\.1\.2 already") as error:
        host_local.add(_request(folder))
    assert error.value.code == 100


def test_a_set_that_is_used_up_takes_nothing_of_the_others(folder: str) -> None:
    """IPv4 is used up when IPv6 has been asked already."""
    sets = {"ranges": [[{"subnet": "fd00::/64"}], [{"subnet": "10.0.1.0/30"}]]}
    host_local.add(_request(folder, ipam=sets))
    with pytest.raises(PluginError, match="no address is left"):
        host_local.add(_request(folder, container="db", ipam=sets))
    with Leases(folder) as leases:
        assert leases.taken() == {"fd00::2", "10.0.1.2"}


def test_a_set_goes_on_in_its_next_range(folder: str) -> None:
    sets = {"ranges": [[{"subnet": "10.0.1.0/30"}, {"subnet": "10.0.2.0/30"}]]}
    given = [host_local.add(_request(folder, container=one, ipam=sets))["ips"][0] for one in ("a", "b")]
    assert [(one["address"], one["gateway"]) for one in given] == [
        ("10.0.1.2/30", "10.0.1.1"),
        ("10.0.2.2/30", "10.0.2.1"),
    ]


def test_check_status_and_gc(folder: str) -> None:
    sets = {"ranges": [[{"subnet": "10.0.1.0/29", "rangeEnd": "10.0.1.3"}]]}
    request = _request(folder, ipam=sets)
    with pytest.raises(PluginError, match="no address is noted for web eth0") as error:
        host_local.check(request)
    assert error.value.code == 100
    host_local.add(request)
    host_local.check(request)
    host_local.status(request)
    host_local.add(_request(folder, container="db", ipam=sets))
    with pytest.raises(PluginError, match="no address is left") as error:
        host_local.status(request)
    assert error.value.code == 50
    valid = [{"containerID": "db", "ifname": "eth0"}, {"containerID": "web", "ifname": "net1"}]
    config: dict[str, Any] = {"ipam": sets, "cni.dev/valid-attachments": valid}
    host_local.gc(_request(folder, **config))
    with Leases(folder) as leases:
        assert leases.taken() == {"10.0.1.3"}
    host_local.status(request)


@pytest.mark.parametrize(
    ("config", "msg"),
    [
        ({"ipam": {"dataDir": "relative"}}, "dataDir='relative' is not the path of a folder"),
        ({"ipam": {"dataDir": 7}}, "dataDir=7 is not the path of a folder"),
        ({"ipam": {"routes": {"dst": "0.0.0.0/0"}}}, "routes of ipam is not a list of objects"),
        ({"ipam": {"routes": ["0.0.0.0/0"]}}, "routes of ipam is not a list of objects"),
        ({"ipam": {"routes": [{"gw": "10.0.1.1"}]}}, "a route of ipam cannot be: {'gw': '10.0.1.1'}"),
        ({"ipam": {"routes": [{"dst": "10.0.0.1/8"}]}}, "a route of ipam cannot be"),
        ({"ipam": {"routes": [{"dst": "0.0.0.0/0", "gw": "x"}]}}, "a route of ipam cannot be"),
        ({"ipam": {"dns": ["10.96.0.10"]}}, "dns of ipam is not an object"),
    ],
)
def test_a_bad_configuration_takes_no_address(folder: str, config: dict[str, Any], msg: str) -> None:
    with pytest.raises(PluginError) as error:
        host_local.add(_request(folder, **config))
    assert error.value.code == 7
    assert error.value.msg.startswith(msg)
    assert not Path(folder).exists()


@given(st.lists(st.tuples(st.sampled_from(["ADD", "DEL"]), st.integers(0, 6)), max_size=25))
def test_no_two_containers_ever_have_the_same_address(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    folder = str(tmp_path_factory.mktemp("networks") / "pods")
    held: dict[int, str] = {}
    for command, number in steps:
        request = _request(folder, container=f"c{number}")
        if command == "DEL":
            host_local.delete(request)
            held.pop(number, None)
            continue
        if number in held or len(held) == 5:
            with pytest.raises(PluginError) as error:
                host_local.add(request)
            assert error.value.code == (100 if number in held else 11)
        else:
            address = _address(host_local.add(request))
            assert address not in held.values()
            held[number] = address
    with Leases(folder) as leases:
        assert {f"{address}/29" for address in leases.taken()} == set(held.values())
