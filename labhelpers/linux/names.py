"""Names, addresses and sizes are checked before the kernel is asked, so that the error can say what to do."""

from __future__ import annotations

from labhelpers.errors import BadInput

TYPE_CHECKING = False  # see netlink.py; and ``ipaddress`` is imported late, because CNI plugins check names only
if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

    Address = IPv4Address | IPv6Address
    Interface = IPv4Interface | IPv6Interface
    Network = IPv4Network | IPv6Network

__all__ = [
    "LARGEST_MTU",
    "LONGEST_LINK_NAME",
    "LONGEST_NAMESPACE_NAME",
    "SMALLEST_MTU",
    "address",
    "interface",
    "link_name",
    "mac",
    "mtu",
    "namespace_name",
    "network",
]

LONGEST_LINK_NAME = 15  # IFNAMSIZ is 16 with the closing zero, include/uapi/linux/if.h
LONGEST_NAMESPACE_NAME = 63  # also a pod's hostname: RFC 1123 label
SMALLEST_MTU, LARGEST_MTU = 68, 65535  # RFC 791; veth takes up to ETH_MAX_MTU

_ALPHANUMERIC = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_IN_NAMES = _ALPHANUMERIC | frozenset("._-")
_HEXADECIMAL = frozenset("0123456789abcdef")


def link_name(name: str) -> str:
    """Check the name of an interface to be made: 1 to 15 letters, digits, ``.``, ``_`` and ``-``."""
    if not isinstance(name, str) or not name:
        raise BadInput(f"{name!r} is not an interface name.", "Use a word such as 'eth0'.")
    size = len(name.encode(errors="replace"))
    if size > LONGEST_LINK_NAME:
        raise BadInput(
            f"The interface name {name!r} is {size} bytes long; Linux allows {LONGEST_LINK_NAME}.",
            f"Shorten it by {size - LONGEST_LINK_NAME}.",
        )
    if not _is_plain(name):
        raise BadInput(
            f"The interface name {name!r} has a character that the tools trip over.",
            "Use letters, digits, '.', '_' and '-', and begin with a letter or a digit.",
        )
    return name


def namespace_name(name: str) -> str:
    """Check a namespace, node or pod name: it becomes a file in /run/netns and a hostname."""
    if not isinstance(name, str) or not name:
        raise BadInput(f"{name!r} is not a name.", "Use a word such as 'pod-a'.")
    if len(name) > LONGEST_NAMESPACE_NAME:
        raise BadInput(
            f"The name {name[:20]}… is {len(name)} characters long; {LONGEST_NAMESPACE_NAME} are allowed.",
            f"Shorten it by {len(name) - LONGEST_NAMESPACE_NAME}.",
        )
    if not _is_plain(name):
        raise BadInput(
            f"The name {name!r} cannot be a file name and a hostname.",
            "Use letters, digits, '.', '_' and '-', and begin with a letter or a digit.",
        )
    return name


def _is_plain(name: str) -> bool:
    """Letters, digits, ``.``, ``_`` and ``-``, beginning with a letter or a digit."""
    return name[:1] in _ALPHANUMERIC and _IN_NAMES.issuperset(name)


def address(value: str) -> Address:
    """Check one IP address without a prefix: ``"10.0.1.10"``."""
    from ipaddress import ip_address

    text = _text(value)
    try:
        return ip_address(text)
    except ValueError:
        hint = "Leave the part from '/' on away." if "/" in text else "Write it like '10.0.1.10'."
        raise BadInput(f"{value!r} is not an IP address.", hint) from None


def interface(value: str) -> Interface:
    """Check an address with its prefix length, as an interface gets it: ``"10.0.1.10/24"``."""
    from ipaddress import ip_interface

    text = _text(value)
    try:
        parsed = ip_interface(text)
    except ValueError:
        raise BadInput(f"{value!r} is not an address with a prefix length.", "Write it like '10.0.1.10/24'.") from None
    if "/" not in text:
        raise BadInput(
            f"{value!r} has no prefix length, so nothing says how large its subnet is.",
            f"Write '{value}/24' if the first three numbers name the subnet.",
        )
    return parsed


def network(value: str) -> Network:
    """Check a CIDR block: ``"10.0.1.0/24"``, with no bit set after the prefix."""
    from ipaddress import ip_network

    text = _text(value)
    try:
        return ip_network(text)
    except ValueError:
        try:
            meant = ip_network(text, strict=False)
        except ValueError:
            raise BadInput(f"{value!r} is not a CIDR block.", "Write it like '10.0.1.0/24'.") from None
        raise BadInput(
            f"{value!r} has bits set after its prefix: it names an address, not a block.",
            f"The block that contains it is '{meant}'.",
        ) from None


def _text(value: object) -> str:
    """As text; numbers and bytes, which ``ipaddress`` takes too, are no addresses to people, nor is a zone."""
    text = str(value)
    return "" if isinstance(value, (int, bytes)) or "%" in text else text


def mac(value: str) -> bytes:
    """Check a MAC address of one interface and return its six bytes."""
    parts = value.lower().split(":") if isinstance(value, str) else []
    if len(parts) != 6 or not all(len(part) == 2 and _HEXADECIMAL.issuperset(part) for part in parts):
        raise BadInput(f"{value!r} is not a MAC address.", "Write it like '0a:58:0a:00:01:0a'.")
    packed = bytes.fromhex(value.replace(":", ""))
    if packed[0] & 1 or not any(packed):
        raise BadInput(
            f"The MAC address {value} names a group (or nobody), not one interface.",
            "Make the first byte even, for example 0a.",
        )
    return packed


def mtu(value: int) -> int:
    """Check a maximum transmission unit in bytes: 68 (RFC 791) to 65535."""
    if not isinstance(value, int) or isinstance(value, bool) or not SMALLEST_MTU <= value <= LARGEST_MTU:
        raise BadInput(
            f"An MTU of {value!r} bytes is not possible: use a whole number from {SMALLEST_MTU} to {LARGEST_MTU}.",
            "Ethernet uses 1500; a VXLAN over it leaves 1450.",
        )
    return value
