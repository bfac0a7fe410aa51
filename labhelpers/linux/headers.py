"""The headers of a frame, from the outside in: what stands in front of the data, tunnels included.

Understood are Ethernet, 802.1Q, ARP (RFC 826), IPv4 (RFC 791), IPv6 (RFC 8200), ICMP (RFC 792), ICMPv6 (RFC 4443),
UDP (RFC 768), TCP (RFC 9293), VXLAN (RFC 7348), IP in IP (RFC 2003) and the message types of WireGuard.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["SLEEVE_PORT", "VXLAN_PORTS", "WIREGUARD_PORT", "Frame", "Header", "decode"]

#: Flannel and Linux use 8472, older than the standard's 4789; Weave 6784
VXLAN_PORTS = (8472, 4789, 6784)
WIREGUARD_PORT = 51820
#: between the routers of Weave's model
SLEEVE_PORT = 6783
_MOST_HEADERS = 16  # a frame that nests deeper than any tunnel is not read to its end
_ETHERNET = struct.Struct("!6s6sH")
_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")
_IPV6_FRAGMENT = struct.Struct("!BxHI")
_UDP = struct.Struct("!HHHH")
_TCP = struct.Struct("!HHIIBB")
_TCP_FLAGS = (("SYN", 2), ("FIN", 1), ("RST", 4), ("PSH", 8), ("ACK", 16), ("URG", 32))
_WIREGUARD = {1: "handshake initiation", 2: "handshake response", 3: "cookie reply", 4: "data"}
_ICMP = {
    (0, None): "echo reply", (8, None): "echo request", (5, None): "redirect",
    (3, 0): "network unreachable", (3, 1): "host unreachable", (3, 2): "protocol unreachable",
    (3, 3): "port unreachable", (3, 4): "fragmentation needed",
    (3, 9): "network prohibited", (3, 10): "host prohibited", (3, 13): "communication prohibited",
    (3, None): "destination unreachable", (11, 1): "reassembly time exceeded", (11, None): "time exceeded",
}  # fmt: skip
_ICMPV6 = {
    (128, None): "echo request", (129, None): "echo reply", (1, 0): "no route", (1, 1): "prohibited",
    (1, 3): "address unreachable", (1, 4): "port unreachable", (1, None): "destination unreachable",
    (2, None): "packet too big", (3, None): "time exceeded",
    (133, None): "router solicitation", (134, None): "router advertisement",
    (135, None): "neighbour solicitation", (136, None): "neighbour advertisement",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Header:
    """One header: its ``protocol`` and what stands in it; ``header["ttl"]`` is one field."""

    protocol: str
    fields: dict[str, Any]
    #: an ICMP error quotes the packet that it is about: this header is part of the quotation
    quoted: bool = False

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def __contains__(self, name: object) -> bool:
        return name in self.fields

    def get(self, name: str, default: Any = None) -> Any:
        """The field, or ``default`` where this protocol has none of this name."""
        return self.fields.get(name, default)


@dataclass(frozen=True, slots=True)
class Frame:
    """What a frame says."""

    headers: tuple[Header, ...]
    #: what follows the innermost header, as far as it was captured
    payload: bytes
    #: the frame ends inside a header, or is not what it says it is
    cut_off: bool = False

    def find(self, protocol: str) -> Header | None:
        """The outermost header of this protocol, ``None`` if there is none."""
        return next((one for one in self.headers if one.protocol == protocol and not one.quoted), None)


#: a header, how to read the next one, how many bytes this one has, and how many its packet has from there to its end
Step = tuple[Header, "Parser | None", int, int]
Parser = Callable[[bytes, int], Step]


def decode(data: bytes, *, ethernet: bool = True) -> Frame:
    """Read the headers of a frame.  Whatever the bytes are, it ends, and says as much as it could read.

    Args:
        data: the frame, or its beginning.
        ethernet: whether it begins with an Ethernet header; from a TUN device it begins with the IP header.
    """
    headers: list[Header] = []
    parse: Parser | None = _ethernet if ethernet else _ip
    offset, quoted, cut_off = 0, False, False
    while parse is not None and len(headers) < _MOST_HEADERS:
        try:
            header, parse, size, length = parse(data, offset)
        except (struct.error, IndexError):
            cut_off = True
            break
        headers.append(Header(header.protocol, header.fields, True) if quoted else header)
        data = data[: offset + length]  # behind it is padding
        offset += size
        quoted = quoted or (header.protocol in ("ICMP", "ICMPv6") and parse is not None)
    # an ICMP error quotes the first bytes only
    return Frame(tuple(headers), data[offset:], cut_off and not quoted)


def _ethernet(data: bytes, offset: int) -> Step:
    destination, source, kind = _ETHERNET.unpack_from(data, offset)
    fields = {"source": source.hex(":"), "destination": destination.hex(":"), "type": kind}
    return Header("Ethernet", fields), _ETHERTYPES.get(kind), 14, len(data) - offset


def _vlan(data: bytes, offset: int) -> Step:
    tag, kind = struct.unpack_from("!HH", data, offset)
    return Header("802.1Q", {"vlan": tag & 0xFFF, "type": kind}), _ETHERTYPES.get(kind), 4, len(data) - offset


def _arp(data: bytes, offset: int) -> Step:
    (operation,) = struct.unpack_from("!H", data, offset + 6)
    sender_mac, sender, target_mac, target = struct.unpack_from("!6s4s6s4s", data, offset + 8)
    fields = {
        "operation": {1: "request", 2: "reply"}.get(operation, str(operation)),
        "sender_mac": sender_mac.hex(":"),
        "sender": socket.inet_ntoa(sender),
        "target_mac": target_mac.hex(":"),
        "target": socket.inet_ntoa(target),
    }
    return Header("ARP", fields), None, 28, 28


def _ip(data: bytes, offset: int) -> Step:
    """Without an Ethernet header in front, the version says which it is."""
    return (_ipv6 if data[offset] >> 4 == 6 else _ipv4)(data, offset)


def _ipv4(data: bytes, offset: int) -> Step:
    words, _, total, identification, fragment, ttl, protocol, _, source, destination = _IPV4.unpack_from(data, offset)
    size = (words & 15) * 4
    if words >> 4 != 4 or size < 20:
        raise IndexError
    start = (fragment & 0x1FFF) * 8
    fields = {
        "source": socket.inet_ntoa(source),
        "destination": socket.inet_ntoa(destination),
        "ttl": ttl,
        "protocol": protocol,
        "id": identification,
        # a packet that the kernel will cut later can be longer than the field has room for; then it is zero
        "length": total or len(data) - offset,
        "dont_fragment": bool(fragment & 0x4000),
        "more_fragments": bool(fragment & 0x2000),
        "fragment_offset": start,
    }
    return Header("IPv4", fields), None if start else _NEXT.get(protocol), size, total or len(data) - offset


def _ipv6(data: bytes, offset: int) -> Step:
    first, length, following, hop_limit, source, destination = _IPV6.unpack_from(data, offset)
    if first >> 28 != 6:
        raise IndexError
    fields = {
        "source": socket.inet_ntop(socket.AF_INET6, source),
        "destination": socket.inet_ntop(socket.AF_INET6, destination),
        "hop_limit": hop_limit,
        "protocol": following,
        "length": length + 40 if length else len(data) - offset,
    }
    return Header("IPv6", fields), _NEXT_IPV6.get(following), 40, length + 40 if length else len(data) - offset


def _ipv6_fragment(data: bytes, offset: int) -> Step:
    following, where, identification = _IPV6_FRAGMENT.unpack_from(data, offset)
    start = where & 0xFFF8
    fields = {
        "protocol": following,
        "id": identification,
        "more_fragments": bool(where & 1),
        "fragment_offset": start,
    }
    return Header("IPv6 fragment", fields), None if start else _NEXT_IPV6.get(following), 8, len(data) - offset


def _icmp(data: bytes, offset: int) -> Step:
    return _control(data, offset, "ICMP", _ICMP, echo=(0, 8), errors=(3, 4, 5, 11, 12), too_big=(3, 4))


def _icmpv6(data: bytes, offset: int) -> Step:
    return _control(data, offset, "ICMPv6", _ICMPV6, echo=(128, 129), errors=(1, 2, 3, 4), too_big=(2, 0))


def _control(
    data: bytes,
    offset: int,
    name: str,
    words: dict[tuple[int, int | None], str],
    *,
    echo: tuple[int, ...],
    errors: tuple[int, ...],
    too_big: tuple[int, int],
) -> Step:
    kind, code, _, rest = struct.unpack_from("!BBHI", data, offset)
    meaning = words.get((kind, code)) or words.get((kind, None)) or f"type {kind}"
    fields: dict[str, Any] = {"type": kind, "code": code, "meaning": meaning}
    if kind in echo:
        fields |= {"id": rest >> 16, "sequence": rest & 0xFFFF}
    if (kind, code) == too_big:
        fields["mtu"] = rest & 0xFFFF
    return Header(name, fields), _ip if kind in errors else None, 8, len(data) - offset


def _udp(data: bytes, offset: int) -> Step:
    source, destination, length, _ = _UDP.unpack_from(data, offset)
    following: Parser | None = None
    first = int.from_bytes(data[offset + 8 : offset + 9], "big")
    if destination in VXLAN_PORTS and first & 8:
        following = _vxlan
    elif WIREGUARD_PORT in (source, destination) and first in _WIREGUARD:
        following = _wireguard
    elif source == destination == SLEEVE_PORT:
        following = _sleeve
    fields = {"source_port": source, "destination_port": destination, "length": length}
    return Header("UDP", fields), following, 8, len(data) - offset


def _tcp(data: bytes, offset: int) -> Step:
    source, destination, sequence, acknowledged, words, bits = _TCP.unpack_from(data, offset)
    size = (words >> 4) * 4
    if size < 20:
        raise IndexError
    fields = {
        "source_port": source,
        "destination_port": destination,
        "sequence": sequence,
        "acknowledgement": acknowledged,
        "flags": " ".join(name for name, bit in _TCP_FLAGS if bits & bit),
        "size": size,
    }
    return Header("TCP", fields), None, size, len(data) - offset


def _vxlan(data: bytes, offset: int) -> Step:
    _, network = struct.unpack_from("!II", data, offset)
    return Header("VXLAN", {"vni": network >> 8}), _ethernet, 8, len(data) - offset


def _wireguard(data: bytes, offset: int) -> Step:
    """Of a data message only the receiver's number and the counter can be read: the rest is encrypted."""
    kind = data[offset]
    fields: dict[str, Any] = {"message": _WIREGUARD[kind]}
    if kind != 4:
        return Header("WireGuard", fields), None, 4, len(data) - offset
    receiver, counter = struct.unpack_from("<IQ", data, offset + 4)
    return Header("WireGuard", {**fields, "receiver": receiver, "counter": counter}), None, 16, len(data) - offset


def _sleeve(data: bytes, offset: int) -> Step:
    """Of a sealed datagram only the sender's name and the number can be read; else a frame follows, or several.

    A frame says how many peers may still pass it on, 16 at most, and how long it is.  In a sealed one the bytes at
    these places are as good as random.
    """
    name, number = struct.unpack_from("!6sQ", data, offset)
    fields: dict[str, Any] = {"peer": name.hex(":"), "number": number}
    if len(data) >= offset + 30:
        _, _, kind, hops, length = struct.unpack_from("!6s6sBBH", data, offset + 14)
        if kind == 0 and hops <= 16 and 14 <= length <= len(data) - offset - 30:
            return Header("sleeve", {**fields, "sealed": False}), _ethernet, 30, length + 30
    return Header("sleeve", {**fields, "sealed": True}), None, 14, len(data) - offset


_ETHERTYPES: dict[int, Parser] = {0x0800: _ipv4, 0x0806: _arp, 0x86DD: _ipv6, 0x8100: _vlan}
_NEXT: dict[int, Parser] = {1: _icmp, 4: _ipv4, 6: _tcp, 17: _udp, 41: _ipv6}
_NEXT_IPV6: dict[int, Parser] = {4: _ipv4, 6: _tcp, 17: _udp, 41: _ipv6, 44: _ipv6_fragment, 58: _icmpv6}
