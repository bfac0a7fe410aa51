"""IP addresses as numbers, with the standard library's ``ipaddress`` as the judge."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.errors import BadInput
from labhelpers.linux import ip


@given(st.ip_addresses())
def test_an_address_is_the_number_that_ipaddress_says(address: Any) -> None:
    assert ip.address(str(address)) == (address.version, int(address))
    assert ip_address(ip.text(address.version, int(address))) == address


@given(st.ip_addresses(), st.integers(0, 128))
def test_a_block_is_what_ipaddress_says(address: Any, length: int) -> None:
    block = ip_network((address, length % (address.max_prefixlen + 1)), strict=False)
    assert ip.block(str(block)) == (block.version, int(block.network_address), block.prefixlen)


@given(st.text(alphabet="0123456789abcdf.:/ ", max_size=20) | st.text(max_size=8))
def test_no_text_is_taken_that_ipaddress_refuses(text: str) -> None:
    for read, judge in ((ip.address, ip_address), (ip.block, ip_network)):
        try:
            read(text)
        except ValueError:
            continue
        judge(text)


@pytest.mark.parametrize(
    "value", [None, 7, True, b"10.0.0.1", ["10.0.0.1"], "", "10.0.0", "010.0.0.1", "::%eth0", "a\0"]
)
def test_what_is_no_address_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"is not an IP address|embedded null"):
        ip.address(value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("10.0.0.0", "has no prefix length from 0 to 32"),
        ("10.0.0.0/33", "has no prefix length from 0 to 32"),
        ("10.0.0.0/-1", "has no prefix length"),
        ("10.0.0.0/255.0.0.0", "has no prefix length"),
        ("10.0.0.0/²", "has no prefix length"),
        ("fd00::/129", "has no prefix length from 0 to 128"),
        ("10.0.0.1/24", "has bits set after its prefix"),
        ("/24", "is not an IP address"),
        (24, "is not an IP address"),
    ],
)
def test_what_is_no_block_is_refused(value: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ip.block(value)


# --- what is written in an unusual way, or wrongly --------------------------------------------------------------------


@given(st.ip_addresses(), st.integers(0, 128))
def test_a_checked_value_is_what_ipaddress_says(address: Any, length: int) -> None:
    interface = ip_interface((address, length % (address.max_prefixlen + 1)))
    network = interface.network
    assert ip.checked_address(str(address)) == (address.version, int(address))
    assert ip.checked_interface(str(interface)) == (address.version, int(address), network.prefixlen)
    assert ip.checked_block(str(network)) == (address.version, int(network[0]), network.prefixlen)


def test_unusual_spellings_are_understood() -> None:
    assert ip.checked_interface("10.0.0.1/255.255.255.0") == (4, 0x0A000001, 24)
    assert ip.checked_block("10.0.0.0/255.255.255.0") == (4, 0x0A000000, 24)
    assert ip.checked_block("10.0.0.1") == (4, 0x0A000001, 32)
    assert ip.checked_address(ip_address("fd00::1")) == (6, int(ip_address("fd00::1")))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("check", "value", "sentence"),
    [
        (ip.checked_address, "10.0.0.1/24", "Leave the part from '/' on away."),
        (ip.checked_address, "::1%eth0", "is not an IP address"),
        (ip.checked_address, 7, "is not an IP address"),
        (ip.checked_interface, "10.0.0.1", "has no prefix length, so nothing says how large its subnet is"),
        (ip.checked_interface, "10.0.0.1/33", "is not an address with a prefix length"),
        (ip.checked_block, "10.0.0.1/24", "The block that contains it is '10.0.0.0/24'."),
        (ip.checked_block, "ten", "is not a CIDR block"),
    ],
)
def test_what_cannot_be_is_said_as_names_says_it(check: Any, value: Any, sentence: str) -> None:
    with pytest.raises(BadInput) as error:
        check(value)
    assert sentence in str(error.value)
