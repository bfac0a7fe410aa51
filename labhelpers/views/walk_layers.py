"""What is shown of each header of a packet, and which of it is new since the hop before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labhelpers.linux.headers import Header
from labhelpers.trace.change import put_around

__all__ = ["Field", "Layer", "layers"]

_IP = ("IPv4", "IPv6")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a header as it is shown: ``10.0.1.10`` or ``TTL 64``."""

    words: str
    #: different from the hop before
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """A header as it is shown."""

    protocol: str
    fields: tuple[Field, ...] = ()
    #: the hop before did not have it
    is_new: bool = False
    #: how many packets this one is inside of: 1 in a tunnel, and where an ICMP error quotes the packet it is about
    depth: int = 0
    quoted: bool = False

    def __str__(self) -> str:
        return " ".join([self.protocol, *(field.words for field in self.fields)])


#: the names of the fields that one piece of text is made of, and the text
_Piece = tuple[tuple[str, ...], str]


def _pair(header: Header) -> list[_Piece]:
    return [(("source",), str(header["source"])), (("destination",), f"→ {header['destination']}")]


def _ipv4(header: Header) -> list[_Piece]:
    start = header.get("fragment_offset")
    cut = f"fragment from byte {start}" if start else "first fragment" if header.get("more_fragments") else ""
    return [*_pair(header), (("ttl",), f"TTL {header['ttl']}"), (("fragment_offset", "more_fragments"), cut)]


def _ipv6(header: Header) -> list[_Piece]:
    return [*_pair(header), (("hop_limit",), f"hop limit {header['hop_limit']}")]


def _ports(header: Header) -> list[_Piece]:
    ports = [
        (("source_port",), str(header["source_port"])),
        (("destination_port",), f"→ {header['destination_port']}"),
    ]
    return [*ports, (("flags",), str(header.get("flags", "")))]


def _icmp(header: Header) -> list[_Piece]:
    return [(("type", "code"), str(header["meaning"])), (("mtu",), f"MTU {header['mtu']}" if "mtu" in header else "")]


#: what differs from run to run is left out: IP and ICMP identifiers, TCP sequence numbers, WireGuard's counters
_SHOWN: dict[str, Callable[[Header], list[_Piece]]] = {
    "Ethernet": _pair,
    "802.1Q": lambda header: [(("vlan",), f"VLAN {header['vlan']}")],
    "ARP": lambda header: [(("operation",), str(header["operation"])), (("target",), str(header["target"]))],
    "IPv4": _ipv4,
    "IPv6": _ipv6,
    "UDP": _ports,
    "TCP": _ports,
    "ICMP": _icmp,
    "ICMPv6": _icmp,
    "VXLAN": lambda header: [(("vni",), f"vni {header['vni']}")],
    "WireGuard": lambda header: [(("message",), str(header["message"]))],
}


def layers(headers: Sequence[Header], before: Sequence[Header] | None = None) -> tuple[Layer, ...]:
    """The headers from the outermost to the innermost.

    Args:
        headers: of a hop.
        before: the headers of the hop before, ``None`` if this is the first.
    """
    # of the first hop's nothing is new: there was nothing before
    new = 0 if before is None else len(put_around(before, headers))
    # compared from the innermost header outwards: what a tunnel puts around stands in front
    same = list(before or ())[len(before or ()) - (len(headers) - new) :]
    found = []
    depth = 0
    for number, header in enumerate(headers):
        depth += _is_inside(headers[:number], header)
        twin = same[number - new] if before is not None and number >= new else None
        is_outside_of_tunnel = number + 1 < len(headers) and headers[number + 1].protocol in ("VXLAN", "WireGuard")
        fields = tuple(
            Field(words, twin is not None and any(twin.get(name) != header.get(name) for name in names))
            for names, words in _pieces(header, is_outside_of_tunnel)
            if words
        )
        found.append(Layer(header.protocol, fields, number < new, depth, header.quoted))
    return tuple(found)


def _pieces(header: Header, is_outside_of_tunnel: bool) -> list[_Piece]:
    if is_outside_of_tunnel and header.protocol == "UDP":
        # the kernel chooses the source port by a hash of the inner packet
        return [(("destination_port",), f"port {header['destination_port']}")]
    return _SHOWN[header.protocol](header) if header.protocol in _SHOWN else []


def _is_inside(outer: Sequence[Header], header: Header) -> bool:
    """Does another packet begin with this header?"""
    if not outer:
        return False
    begins_quotation = header.quoted and not outer[-1].quoted
    return begins_quotation or outer[-1].protocol == "VXLAN" or (header.protocol in _IP and outer[-1].protocol in _IP)
