"""Rows of records: a tuple that knows its title, its rows by name, and how to choose among them."""

from __future__ import annotations

import pytest

from labhelpers.errors import BadInput
from labhelpers.linux.records import FdbEntry, Link, Route, Rows, Rule
from labhelpers.linux.spelling import device

LO = Link("lo", 1, "loopback", True, "unknown", "00:00:00:00:00:00", 65536)
ETH0 = Link("eth0", 2, "veth", True, "up", "0a:58:0a:00:01:0a", 1500)
LINKS = Rows((LO, ETH0), "links of pod-a")


def test_rows_are_a_tuple() -> None:
    assert LINKS == (LO, ETH0)
    assert list(LINKS) == [LO, ETH0]
    assert LINKS[0] is LO
    assert LINKS[-1] is ETH0
    assert LINKS[:1] == (LO,)
    assert not Rows()


def test_a_row_is_found_by_its_first_field() -> None:
    assert LINKS["eth0"] is ETH0
    rules = Rows((Rule(0, "from all", "local"),), "rules")
    with pytest.raises(KeyError, match="eth7"):
        LINKS["eth7"]
    with pytest.raises(KeyError):
        rules["0"]


def test_rows_are_chosen_by_the_values_of_fields() -> None:
    routes = Rows((Route("default", "10.0.1.1", "eth0"), Route("10.0.1.0/24", device="eth0")), "routes")
    assert routes.where(device="eth0") == routes
    assert routes.where(device="eth0", via="10.0.1.1") == routes[:1]
    assert routes.where(device="eth1") == ()
    assert routes.where(device="eth0").title == "routes"


def test_choosing_by_what_is_no_field_names_the_fields() -> None:
    with pytest.raises(BadInput, match=r"A Route has no field 'interface'\. It has: destination, via, device, source"):
        Rows((Route("default"),), "routes").where(interface="eth0")
    with pytest.raises(BadInput, match="A Route has no field 'interface'"):
        Rows((Route("default", device="eth1"),), "routes").where(device="eth0", interface="eth0")


def test_an_empty_table_can_be_searched_too() -> None:
    assert Rows[Route]((), "routes").where(device="eth0") == ()


def test_records_compare_by_value_and_cannot_be_changed() -> None:
    assert FdbEntry("02:00:00:00:00:01", "eth0") == FdbEntry("02:00:00:00:00:01", "eth0")
    with pytest.raises(AttributeError):
        ETH0.mtu = 9000  # type: ignore[misc]
    assert len({LO, ETH0, ETH0}) == 2


@pytest.mark.parametrize("name", ["eth0", "br0", "veth-pod-a", "upx", "d0"])
def test_an_ordinary_name_is_written_alone(name: str) -> None:
    assert device(name) == name


@pytest.mark.parametrize("name", ["a", "up", "dow", "br", "name", "master", "n", "xdp"])
def test_a_name_that_ip_could_read_as_a_word_gets_a_word_before_it(name: str) -> None:
    assert device(name) == f"dev {name}"
    assert device(name, "name") == f"name {name}"
