"""Names, addresses and sizes: what can work passes unchanged, everything else is BadInput with a way out."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address, ip_interface, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.errors import BadInput
from labhelpers.linux import names

ANYTHING = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.binary(max_size=20), st.text(max_size=80))


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}", fullmatch=True))
def test_a_good_interface_name_passes(name: str) -> None:
    assert names.link_name(name) == name


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True))
def test_a_good_namespace_name_passes(name: str) -> None:
    assert names.namespace_name(name) == name


@given(ANYTHING)
def test_a_checked_name_is_safe_in_a_shell_and_as_a_file(name: object) -> None:
    for check, longest in ((names.link_name, 15), (names.namespace_name, 63)):
        passed = _passed(check, name)
        if passed is not None:
            assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", str(passed))
            assert len(str(passed).encode()) <= longest


def _passed(check: Callable[[Any], object], value: object) -> object | None:
    """What a check returns, ``None`` if it said in two sentences why not."""
    try:
        return check(value)
    except BadInput as error:
        if error.what.endswith(".") and error.to_do.endswith("."):
            return None
        raise


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a b", "a\n", "-a", "ü", "a:b", "a@b", "\udcff", "a\0", None, 7]
)
def test_a_name_that_would_break_something_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        names.link_name(name)
    with pytest.raises(BadInput):
        names.namespace_name(name)


def test_a_name_that_is_too_long_says_by_how_much() -> None:
    with pytest.raises(BadInput, match=r"is 17 bytes long; Linux allows 15\. Shorten it by 2"):
        names.link_name("veth-in-frontend0")
    with pytest.raises(BadInput, match=r"is 64 characters long; 63 are allowed\. Shorten it by 1"):
        names.namespace_name("a" * 64)


@given(ANYTHING)
def test_anything_else_is_an_address_or_bad_input(value: object) -> None:
    for check in (names.address, names.interface, names.network, names.mac):
        _passed(check, value)


@given(st.ip_addresses())
def test_every_address_passes(value: object) -> None:
    assert names.address(str(value)) == value
    assert names.address(value) == value  # type: ignore[arg-type]


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_every_interface_and_block_passes(value: IPv4Address, prefix: int) -> None:
    text = f"{value}/{prefix}"
    assert names.interface(text) == ip_interface(text)
    block = ip_network(text, strict=False)
    assert names.network(str(block)) == block


@pytest.mark.parametrize(
    "value", [5, True, b"\n\0\0\1", "fe80::1%eth0", "010.0.0.1", "10.0.0.1/24", "", "10.0.0", None]
)
def test_what_only_a_library_takes_for_an_address_is_refused(value: str) -> None:
    with pytest.raises(BadInput, match="is not an IP address"):
        names.address(value)


def test_an_address_where_a_block_is_wanted_says_which_block_was_meant() -> None:
    with pytest.raises(BadInput, match=re.escape("The block that contains it is '10.0.1.0/24'.")):
        names.network("10.0.1.7/24")
    with pytest.raises(BadInput, match=re.escape("is not a CIDR block. Write it like '10.0.1.0/24'.")):
        names.network("10.0.1.0/33")


def test_an_address_without_its_prefix_length_says_what_is_missing() -> None:
    with pytest.raises(BadInput, match="has no prefix length"):
        names.interface("10.0.1.7")


@given(st.binary(min_size=6, max_size=6))
def test_a_mac_address_names_one_interface(packed: bytes) -> None:
    text = packed.hex(":")
    if packed[0] & 1 or not any(packed):
        with pytest.raises(BadInput, match="names a group"):
            names.mac(text)
    else:
        assert names.mac(text) == names.mac(text.upper()) == packed


@pytest.mark.parametrize("value", ["0a:58", "0a-58-0a-00-01-0a", "0a:58:0a:00:01:0g", "0a:58:0a:00:01:0a\n", None, 7])
def test_what_is_no_mac_address_is_refused(value: str) -> None:
    with pytest.raises(BadInput, match="is not a MAC address"):
        names.mac(value)


@pytest.mark.parametrize("value", [68, 1500, 65535])
def test_a_possible_mtu_passes(value: int) -> None:
    assert names.mtu(value) == value


@pytest.mark.parametrize("value", [0, -1, 67, 65536, 1500.0, "1500", True, None])
def test_an_impossible_mtu_is_refused(value: int) -> None:
    with pytest.raises(BadInput, match="use a whole number from 68 to 65535"):
        names.mtu(value)


def test_the_address_of_nobody_is_still_an_address() -> None:
    assert names.address("0.0.0.0") == ip_address(0)
