"""Names and MAC addresses that are the same in every run, so that outputs can be compared."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address

from labhelpers.linux.names import LONGEST_LINK_NAME

__all__ = ["host_link", "mac_of_address", "mac_of_link"]


def mac_of_address(address: str) -> str:
    """The MAC address of a pod's eth0: 0a:58 and the four bytes of its IPv4 address.

    Locally administered (IEEE 802), and readable in a capture: 10.0.1.10 is 0a:58:0a:00:01:0a.
    """
    return "0a:58:" + IPv4Address(address).packed.hex(":")


def mac_of_link(namespace: str, link: str) -> str:
    """The MAC address of any other interface: 02 and five bytes of a hash of where it is."""
    return "02:" + hashlib.sha256(f"{namespace}/{link}".encode()).digest()[:5].hex(":")


def host_link(pod: str) -> str:
    """The name of a pod's veth on the node: ``veth-web``, or a hash where that is longer than 15 bytes."""
    readable = f"veth-{pod}"
    if len(readable.encode()) <= LONGEST_LINK_NAME:
        return readable
    return "veth" + hashlib.sha256(pod.encode()).hexdigest()[:8]
