"""IP addresses as numbers, as the kernel takes them.

``ipaddress`` can do more, and takes a CNI plugin longer to import than an address to add.  So what is written in the
usual way is read here; everything else is left to :mod:`labhelpers.linux.names`, which knows what to say about it.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton

from labhelpers.linux import names

__all__ = ["BITS", "FAMILIES", "address", "block", "checked_address", "checked_block", "checked_interface", "text"]

#: of an address, by IP version
BITS = {4: 32, 6: 128}
FAMILIES = {4: AF_INET, 6: AF_INET6}


def address(value: object) -> tuple[int, int]:
    """IP version and number of an address: ``"10.0.1.10"``.

    Raises:
        ValueError: it is none.
    """
    version = 6 if isinstance(value, str) and ":" in value else 4
    try:
        packed = inet_pton(FAMILIES[version], value)  # type: ignore[arg-type]
    except (OSError, TypeError):
        raise ValueError(f"{value!r} is not an IP address") from None
    return version, int.from_bytes(packed, "big")


def block(value: object) -> tuple[int, int, int]:
    """IP version, first number and prefix length of a block: ``"10.0.1.0/24"``.

    Raises:
        ValueError: it is none, or has bits set after its prefix.
    """
    version, number, length = _interface(value)
    if number & ((1 << BITS[version] - length) - 1):
        raise ValueError(f"{value!r} has bits set after its prefix")
    return version, number, length


def _interface(value: object) -> tuple[int, int, int]:
    first, slash, length = value.partition("/") if isinstance(value, str) else ("", "", "")
    version, number = address(first)
    if not slash or not (length.isascii() and length.isdecimal()) or int(length) > BITS[version]:
        raise ValueError(f"{value!r} has no prefix length from 0 to {BITS[version]}")
    return version, number, int(length)


def text(version: int, number: int) -> str:
    """The address as people write it."""
    return inet_ntop(FAMILIES[version], number.to_bytes(BITS[version] // 8, "big"))


def checked_address(value: str) -> tuple[int, int]:
    """The same as ``address``; ``BadInput`` if it is none."""
    try:
        return address(value)
    except ValueError:
        parsed = names.address(value)
        return parsed.version, int(parsed)


def checked_block(value: str) -> tuple[int, int, int]:
    """The same as ``block``; ``BadInput`` if it is none."""
    try:
        return block(value)
    except ValueError:
        parsed = names.network(value)
        return parsed.version, int(parsed.network_address), parsed.prefixlen


def checked_interface(value: str) -> tuple[int, int, int]:
    """IP version, number and prefix length of an address as an interface gets it: ``"10.0.1.10/24"``."""
    try:
        return _interface(value)
    except ValueError:
        parsed = names.interface(value)
        return parsed.version, int(parsed.ip), parsed.network.prefixlen
