"""Which addresses an IPAM configuration allows, with the standard library's ``ipaddress`` as the judge."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.cni.plugin.ranges import Range, range_sets
from labhelpers.cni.plugin.skeleton import PluginError
from labhelpers.linux import ip

# --- ranges -----------------------------------------------------------------------------------------------------------


def _only(**fields: Any) -> Range:
    ((one,),) = range_sets(fields)
    return one


def _all(one: Range, last: str = "") -> list[str]:
    return [one.text(number) for number in one.after(ip.address(last)[1] if last else None)]


def test_a_subnet_alone_is_all_of_it_but_the_gateway() -> None:
    one = _only(subnet="10.0.1.0/29")
    assert one.text(one.gateway) == "10.0.1.1"
    assert _all(one) == [f"10.0.1.{number}" for number in (2, 3, 4, 5, 6)]


def test_ipv6_has_no_broadcast_address() -> None:
    assert _all(_only(subnet="fd00::/126")) == ["fd00::2", "fd00::3"]


def test_a_range_may_be_smaller_than_its_subnet_and_have_another_gateway() -> None:
    one = _only(subnet="10.0.1.0/24", rangeStart="10.0.1.10", rangeEnd="10.0.1.13", gateway="10.0.1.12")
    assert _all(one) == ["10.0.1.10", "10.0.1.11", "10.0.1.13"]
    assert one.prefix == 24


def test_it_goes_on_after_the_last_one_given_and_around() -> None:
    one = _only(subnet="10.0.1.0/24", rangeStart="10.0.1.10", rangeEnd="10.0.1.13")
    assert _all(one, "10.0.1.11") == ["10.0.1.12", "10.0.1.13", "10.0.1.10", "10.0.1.11"]
    assert _all(one, "10.0.1.13") == _all(one) == ["10.0.1.10", "10.0.1.11", "10.0.1.12", "10.0.1.13"]
    assert _all(one, "10.0.9.9") == _all(one), "the ranges have changed since"


def test_a_huge_range_is_not_written_out() -> None:
    one = _only(subnet="fd00::/64")
    assert [one.text(number) for number in islice(one.after(None), 2)] == ["fd00::2", "fd00::3"]


def test_subnet_beside_ranges_is_one_more_set() -> None:
    sets = range_sets({"subnet": "10.0.1.0/24", "ranges": [[{"subnet": "fd00::/64"}]]})
    assert [[one.version for one in ranges] for ranges in sets] == [[4], [6]]


@given(st.ip_addresses(v=4), st.integers(22, 30), st.data())
def test_every_address_given_is_in_the_subnet_once(address: Any, length: int, data: st.DataObject) -> None:
    block = ip_network((address, length), strict=False)
    last = data.draw(st.none() | st.integers(int(block[0]), int(block[-1])))
    given = list(_only(subnet=str(block)).after(last))
    assert sorted(given) == [int(one) for one in block.hosts()][1:]


@pytest.mark.parametrize(
    ("ipam", "msg"),
    [
        ({}, "ipam has no subnet and no ranges"),
        ({"ranges": []}, "ipam has no subnet and no ranges"),
        ({"ranges": {}}, "ipam has no subnet and no ranges"),
        ({"ranges": [{"subnet": "10.0.0.0/24"}]}, "ranges of ipam is not a list of sets"),
        ({"ranges": [[]]}, "ranges of ipam is not a list of sets"),
        ({"ranges": "10.0.0.0/24"}, "ranges of ipam is not a list of sets"),
        ({"ranges": [["10.0.0.0/24"]]}, "a range of ipam has no subnet: '10.0.0.0/24'"),
        ({"ranges": [[{"gateway": "10.0.0.1"}]]}, "a range of ipam has no subnet: {'gateway': '10.0.0.1'}"),
        ({"subnet": "10.0.0.0"}, "subnet='10.0.0.0' is not a subnet"),
        ({"subnet": "10.0.0.1/24"}, "subnet='10.0.0.1/24' is not a subnet"),
        ({"subnet": None}, "subnet=None is not a subnet"),
        ({"subnet": "10.0.0.0/31"}, "subnet='10.0.0.0/31' is too small"),
        ({"subnet": "fd00::/127"}, "subnet='fd00::/127' is too small"),
        ({"subnet": "10.0.0.0/24", "gateway": "10.0.1.1"}, "gateway=10.0.1.1 is outside 10.0.0.0/24"),
        ({"subnet": "10.0.0.0/24", "gateway": "fd00::1"}, "gateway=fd00::1 is outside 10.0.0.0/24"),
        ({"subnet": "10.0.0.0/24", "gateway": "one"}, "gateway='one' is not an address"),
        ({"subnet": "10.0.0.0/24", "rangeStart": "10.0.1.0"}, "rangeStart=10.0.1.0 is outside 10.0.0.0/24"),
        ({"subnet": "10.0.0.0/24", "rangeEnd": 9}, "rangeEnd=9"),
        (
            {"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.9", "rangeEnd": "10.0.0.8"},
            "rangeStart=10.0.0.9 is after rangeEnd=10.0.0.8",
        ),
        (
            {"subnet": "10.0.0.0/24", "ranges": [[{"subnet": "10.0.0.128/25"}]]},
            "two ranges of ipam overlap: 10.0.0.129–10.0.0.254 and 10.0.0.1–10.0.0.254",
        ),
        ({"ranges": [[{"subnet": "10.0.0.0/24"}, {"subnet": "fd00::/64"}]]}, "a set of ranges has both IPv4 and IPv6"),
    ],
)
def test_what_cannot_be_is_an_invalid_configuration(ipam: dict[str, Any], msg: str) -> None:
    with pytest.raises(PluginError) as error:
        range_sets(ipam)
    assert error.value.code == 7
    assert error.value.msg.startswith(msg)


def test_ranges_of_one_subnet_that_do_not_meet_are_fine() -> None:
    low, high = (
        {"subnet": "10.0.0.0/24", "rangeStart": f"10.0.0.{first}", "rangeEnd": f"10.0.0.{last}"}
        for first, last in ((10, 19), (20, 29))
    )
    assert [str(one) for one in range_sets({"ranges": [[low, high]]})[0]] == [
        "10.0.0.10–10.0.0.19", "10.0.0.20–10.0.0.29",
    ]  # fmt: skip
