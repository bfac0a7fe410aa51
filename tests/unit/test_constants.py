"""The numbers of the kernel's interface are those of pyroute2's tables, which others wrote from the same headers."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from pyroute2 import netlink
from pyroute2.netlink import rtnl
from pyroute2.netlink.rtnl import fibmsg, ifaddrmsg, ifinfmsg, ndmsg, nsidmsg, rtmsg

from labhelpers.linux import constants

NUMBERS: dict[str, int] = {name: value for name, value in vars(constants).items() if name.isupper()}

#: what pyroute2 has no name for, read from the headers a second time
BESIDE_PYROUTE2 = {
    "FIB_RULE_INVERT": 0x2,  # linux/fib_rules.h
    "FR_ACT_TO_TBL": 1,  # linux/fib_rules.h
    "IFA_F_NODAD": 0x2,  # linux/if_addr.h
    "IFLA_IPTUN_LOCAL": 2,  # linux/if_tunnel.h
    "NETLINK_CAP_ACK": 10,  # linux/netlink.h
    "NLMSGERR_ATTR_MSG": 1,  # linux/netlink.h, enum nlmsgerr_attrs
    "RTEXT_FILTER_SKIP_STATS": 1 << 3,  # linux/rtnetlink.h
    "RT_TABLE_LOCAL": 0xFF,  # linux/rtnetlink.h
    "RT_TABLE_MAIN": 0xFE,  # linux/rtnetlink.h
    "SO_NETNS_COOKIE": 71,  # asm-generic/socket.h
    "VETH_INFO_PEER": 1,  # linux/veth.h
}


def _numbers(module: ModuleType) -> dict[str, int]:
    """Constants, and tables from name to number."""
    found: dict[str, int] = {}
    for name, value in vars(module).items():
        if isinstance(value, int):
            found[name] = value
        elif isinstance(value, dict):
            found.update({key: one for key, one in value.items() if isinstance(key, str) and isinstance(one, int)})
    return found


def _attributes(message: Any) -> dict[str, int]:
    """The attributes of a message, which are numbered by their place unless the number is written."""
    first = message.nla_map[0]
    if isinstance(first[0], int):
        return {entry[1]: entry[0] for entry in message.nla_map}
    return {entry[0]: number for number, entry in enumerate(message.nla_map)}


TABLES: dict[str, int] = {}
for _message in (
    ifinfmsg.ifinfmsg,
    ifinfmsg.ifinfmsg.ifinfo,
    ifaddrmsg.ifaddrmsg,
    ifinfmsg.ifinfmsg.ifinfo.data_map["vxlan"],
    rtmsg.rtmsg,
    rtmsg.rtmsg.metrics,
    ndmsg.ndmsg,
    fibmsg.fibmsg,
    nsidmsg.nsidmsg,
):
    TABLES.update(_attributes(_message))
for _module in (ifinfmsg, ndmsg, rtmsg, rtnl, netlink):
    TABLES.update(_numbers(_module))


@pytest.mark.parametrize("name", NUMBERS)
def test_the_number_is_the_one_others_have(name: str) -> None:
    assert NUMBERS[name] == {**TABLES, **BESIDE_PYROUTE2}[name]


def test_only_what_pyroute2_does_not_know_is_read_twice() -> None:
    assert not BESIDE_PYROUTE2.keys() & TABLES.keys()
    assert BESIDE_PYROUTE2.keys() <= NUMBERS.keys()
