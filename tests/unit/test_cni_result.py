"""Results of ADD: read in every version, written in every version, and refused where they are none."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface, ip_interface, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.cni.result import Interface, Ip, Result, Route
from labhelpers.cni.version import SUPPORTED, at_least
from labhelpers.errors import BadInput

#: the same attachment as the examples in the specifications write it
NETNS = "/run/netns/cni-web"
IN_1_1: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "interfaces": [
        {"name": "cni0", "mac": "00:11:22:33:44:55"},
        {"name": "eth0", "mac": "99:88:77:66:55:44", "sandbox": NETNS, "mtu": 1400, "socketPath": "/s", "pciID": "0:1"},
    ],
    "ips": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1", "interface": 1}, {"address": "fd00::5/64"}],
    "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1", "mtu": 1400, "priority": 5}, {"dst": "fd01::/16"}],
    "dns": {"nameservers": ["10.1.0.1"], "search": ["cluster.local"]},
}
IN_1_0: dict[str, Any] = {
    **IN_1_1,
    "cniVersion": "1.0.0",
    "interfaces": [
        {"name": "cni0", "mac": "00:11:22:33:44:55"},
        {"name": "eth0", "mac": "99:88:77:66:55:44", "sandbox": NETNS},
    ],
    "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}, {"dst": "fd01::/16"}],
}
IN_0_4: dict[str, Any] = {
    **IN_1_0,
    "cniVersion": "0.4.0",
    "ips": [
        {"version": "4", "address": "10.1.0.5/16", "gateway": "10.1.0.1", "interface": 1},
        {"version": "6", "address": "fd00::5/64"},
    ],
}
IN_0_3: dict[str, Any] = {**IN_0_4, "cniVersion": "0.3.1"}


@pytest.mark.parametrize("form", [IN_1_1, IN_1_0, IN_0_4, IN_0_3])
def test_a_result_is_written_as_it_was_read(form: dict[str, Any]) -> None:
    assert Result.parse(form).to_json() == form


@pytest.mark.parametrize("form", [IN_1_0, IN_0_4, IN_0_3])
def test_a_new_result_is_written_in_an_old_version(form: dict[str, Any]) -> None:
    assert Result.parse(IN_1_1).to_json(form["cniVersion"]) == form


@pytest.mark.parametrize("form", [IN_0_4, IN_0_3])
def test_an_old_result_is_written_in_a_new_version(form: dict[str, Any]) -> None:
    assert Result.parse(form).to_json("1.0.0") == IN_1_0


def test_what_is_read_has_names() -> None:
    result = Result.parse(IN_1_1)
    assert result.interfaces[1] == Interface("eth0", "99:88:77:66:55:44", NETNS, 1400, "/s", "0:1")
    assert result.interfaces_in(NETNS) == result.interfaces[1:]
    assert result.interfaces_in("/run/netns/another") == ()
    assert result.ips == (Ip("10.1.0.5/16", "10.1.0.1", 1), Ip("fd00::5/64"))
    assert result.routes[0] == Route("0.0.0.0/0", "10.1.0.1", (("mtu", 1400), ("priority", 5)))
    assert dict(result.dns) == IN_1_1["dns"]


def test_what_is_left_out_is_empty() -> None:
    bare = Result.parse({"cniVersion": "1.1.0"})
    assert (bare.interfaces, bare.ips, bare.routes, bare.dns) == ((), (), (), ())
    assert bare == Result.parse({"cniVersion": "1.1.0", "interfaces": None, "ips": [], "routes": None, "dns": None})
    assert bare.to_json() == {"cniVersion": "1.1.0"}


def test_what_ipam_answers_has_no_interfaces() -> None:
    """Its addresses may name an index all the same: there is no list yet that it could be wrong for."""
    answer = {"cniVersion": "1.0.0", "ips": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1", "interface": 0}]}
    assert Result.parse(answer).to_json() == {**answer, "dns": {}}


NAMES = st.text(min_size=1, max_size=15)
WORDS = st.text(max_size=10)
ADDRESSES = st.ip_addresses()


def _interface_of(address: Any, length: int) -> str:
    return f"{address}/{length % (address.max_prefixlen + 1)}"


@st.composite
def results(draw: st.DrawFn) -> Result:
    interfaces = draw(
        st.lists(st.builds(Interface, NAMES, WORDS, WORDS, st.integers(0, 65535), WORDS, WORDS), max_size=3)
    )
    indexes = st.none() | st.integers(0, max(len(interfaces), 1) - 1)
    addresses = st.builds(_interface_of, ADDRESSES, st.integers(0, 128))
    gateways = st.just("") | ADDRESSES.map(str)
    blocks = addresses.map(lambda text: str(ip_network(text, strict=False)))
    more = st.lists(
        st.tuples(st.sampled_from(["mtu", "advmss", "priority", "table", "scope"]), st.integers(0, 9000)),
        unique_by=lambda pair: pair[0],
    )
    order = ("mtu", "advmss", "priority", "table", "scope")
    return Result(
        draw(st.sampled_from(SUPPORTED)),
        tuple(interfaces),
        tuple(draw(st.lists(st.builds(Ip, addresses, gateways, indexes), max_size=3))),
        tuple(
            Route(dst, gw, tuple(sorted(pairs, key=lambda pair: order.index(pair[0]))))
            for dst, gw, pairs in draw(st.lists(st.tuples(blocks, gateways, more), max_size=3))
        ),
        tuple(
            sorted(draw(st.dictionaries(WORDS, st.text(min_size=1) | st.lists(WORDS, min_size=1), max_size=2)).items())
        ),
    )


@given(results())
def test_nothing_is_lost_between_versions_that_can_say_it(result: Result) -> None:
    assert Result.parse(result.to_json("1.1.0")).to_json(result.version) == result.to_json()


@given(results(), st.sampled_from(SUPPORTED))
def test_what_is_written_is_a_result_of_the_version_asked_for(result: Result, version: str) -> None:
    written = result.to_json(version)
    again = Result.parse(written)
    assert again.version == version
    assert [one.name for one in again.interfaces] == [one.name for one in result.interfaces]
    assert again.ips == result.ips
    assert [(one.dst, one.gw) for one in again.routes] == [(one.dst, one.gw) for one in result.routes]
    for one in written.get("ips", []):
        kind = {IPv4Interface: "4", IPv6Interface: "6"}[type(ip_interface(one["address"]))]
        assert one.get("version") == (None if at_least(version, "1.0.0") else kind)
    if version != "1.1.0":
        assert all(set(one) <= {"name", "mac", "sandbox"} for one in written.get("interfaces", []))
        assert all(set(one) <= {"dst", "gw"} for one in written.get("routes", []))


def _result(**fields: Any) -> dict[str, Any]:
    return {"cniVersion": "1.0.0", **fields}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (None, "is not a JSON object"),
        ([], "is not a JSON object"),
        ("ok", "is not a JSON object"),
        ({}, "has the cniVersion None"),
        ({"cniVersion": "9.9.9"}, "has the cniVersion '9.9.9'"),
        ({"cniVersion": ["1.0.0"]}, "has the cniVersion ['1.0.0']"),
        ({"cniVersion": "0.2.0", "ip4": {}}, "has the cniVersion '0.2.0'"),
        (_result(interfaces={}), "has interfaces that are not a list of objects"),
        (_result(interfaces=["eth0"]), "has interfaces that are not a list of objects"),
        (_result(interfaces=[{}]), "has an interface without a name"),
        (_result(interfaces=[{"name": 7}]), "has an interface whose name is 7"),
        (_result(interfaces=[{"name": "eth0", "mac": 5}]), "has the interface eth0 whose mac is 5"),
        (_result(interfaces=[{"name": "eth0", "mtu": "1500"}]), "has the interface eth0 whose mtu is '1500'"),
        (_result(ips="10.0.0.1/24"), "has ips that are not a list of objects"),
        (_result(ips=[{}]), "has an ip that is none"),
        (_result(ips=[{"address": "10.0.0.1"}]), "has an ip that is none: '10.0.0.1' has no prefix length"),
        (_result(ips=[{"address": "10.0.0.1/24", "gateway": "x"}]), "has an ip that is none: 'x' is not an IP address"),
        (_result(ips=[{"address": "10.0.0.1/24", "gateway": 1}]), "has an ip whose gateway is 1"),
        (_result(ips=[{"address": "10.0.0.1/24", "interface": 1}]), "on interface 1, which is not in its list"),
        (_result(ips=[{"address": "10.0.0.1/24", "interface": -1}]), "on interface -1, which is not in its list"),
        (_result(ips=[{"address": "10.0.0.1/24", "interface": "0"}]), "has the ip 10.0.0.1/24 whose interface is '0'"),
        (_result(ips=[{"address": "10.0.0.1/24", "interface": False}]), "whose interface is False"),
        ({"cniVersion": "0.4.0", "ips": [{"address": "10.0.0.1/24"}]}, "has the ip 10.0.0.1/24 with the version None"),
        ({"cniVersion": "0.3.1", "ips": [{"version": "6", "address": "10.0.0.1/24"}]}, "with the version '6'"),
        (_result(routes=[7]), "has routes that are not a list of objects"),
        (_result(routes=[{}]), "has a route that is none"),
        (_result(routes=[{"dst": "10.0.0.1/8"}]), "has a route that is none: '10.0.0.1/8' has bits set"),
        (_result(routes=[{"dst": "10.0.0.0/8", "gw": "10.0.0.1/8"}]), "has a route that is none: '10.0.0.1/8' is not"),
        (_result(routes=[{"dst": "10.0.0.0/8", "mtu": "1400"}]), "has the route 10.0.0.0/8 whose mtu is '1400'"),
        (_result(dns=["10.0.0.1"]), "has dns that is not an object"),
    ],
)  # fmt: skip
def test_what_is_no_result_is_said_in_a_sentence(given: Any, sentence: str) -> None:
    with pytest.raises(BadInput) as error:
        Result.parse(given)
    assert error.value.what.startswith("The plugin's result ")
    assert sentence in error.value.what
