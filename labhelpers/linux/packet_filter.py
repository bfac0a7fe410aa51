"""Let a packet socket hear one conversation only: a classic BPF program (Documentation/networking/filter.rst).

The kernel runs it on every frame, so a storm of other traffic never reaches Python.
"""

from __future__ import annotations

import ctypes
import socket
import struct

from labhelpers.linux.headers import SLEEVE_PORT, VXLAN_PORTS, WIREGUARD_PORT

__all__ = ["attach", "conversation", "of_type"]

_SO_ATTACH_FILTER = 26
_NETWORK = 0xFFF00000  # SKF_NET_OFF: offsets count from the IP header, with or without an Ethernet header in front
_PROTOCOL = 0xFFFFF000  # SKF_AD_OFF + SKF_AD_PROTOCOL: the EtherType
_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE = 0x20, 0x28, 0x30
_IF_EQUAL, _IF_ANY_BIT, _RETURN = 0x15, 0x45, 0x06
_ICMP, _IPIP, _TCP, _UDP = 1, 4, 6, 17
_WHOLE, _NOTHING = 0x40000, 0
#: bytes from the start of the outer IP header to the inner one: none has options
_IN_IPIP, _IN_VXLAN = 20, 20 + 8 + 8 + 14


class _Program:
    """Instructions, with jumps to names."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, str, str, int]] = []
        self._labels: dict[str, int] = {}

    def label(self, name: str) -> None:
        self._labels[name] = len(self._lines)

    def load(self, code: int, offset: int) -> None:
        self._lines.append((code, "", "", offset))

    def jump(self, code: int, value: int, then: str = "", otherwise: str = "") -> None:
        """Where no name is given, go on with the next line."""
        self._lines.append((code, then, otherwise, value))

    def end(self, name: str, verdict: int) -> None:
        self.label(name)
        self._lines.append((_RETURN, "", "", verdict))

    def assembled(self) -> bytes:
        packed = b""
        for number, (code, then, otherwise, value) in enumerate(self._lines):
            jumps = [self._labels[name] - number - 1 if name else 0 for name in (then, otherwise)]
            packed += struct.pack("=HBBI", code, *jumps, value)
        return packed


def conversation(protocol: int, number: int) -> bytes:
    """A program that accepts one conversation, plain, in VXLAN or in IP in IP, and what belongs to any.

    What belongs to any: ARP, IPv6, later fragments, ICMP errors, WireGuard and what Weave's
    routers send one another, whose content nobody can read.

    Args:
        protocol: 1 for ICMP, 6 for TCP, 17 for UDP.
        number: of ICMP the echo's identifier; else the client's port, or the server's.
    """
    program = _Program()
    program.load(_LOAD_HALF, _PROTOCOL)
    program.jump(_IF_EQUAL, 0x0800, "", "accept")
    _packet(program, 0, protocol, number)
    for name, offset in (("ipip", _IN_IPIP), ("vxlan", _IN_VXLAN)):
        program.label(name)
        if name == "vxlan":
            program.load(_LOAD_HALF, _NETWORK + offset - 2)
            program.jump(_IF_EQUAL, 0x0800, "", "accept")
        _packet(program, offset, protocol, number)
    program.end("accept", _WHOLE)
    program.end("reject", _NOTHING)
    return program.assembled()


def of_type(kind: int) -> bytes:
    """A program that accepts frames of one EtherType."""
    program = _Program()
    program.load(_LOAD_HALF, _PROTOCOL)
    program.jump(_IF_EQUAL, kind, "accept", "reject")
    program.end("accept", _WHOLE)
    program.end("reject", _NOTHING)
    return program.assembled()


def _packet(program: _Program, at: int, protocol: int, number: int) -> None:
    """Judge the IPv4 packet whose header is ``at`` bytes behind the outermost one's start."""
    here = f"{at} "
    program.load(_LOAD_HALF, _NETWORK + at + 6)
    program.jump(_IF_ANY_BIT, 0x1FFF, "accept")  # a later fragment
    program.load(_LOAD_BYTE, _NETWORK + at + 9)
    if at == 0:
        program.jump(_IF_EQUAL, _IPIP, "ipip")
    program.jump(_IF_EQUAL, _ICMP, here + "icmp")
    program.jump(_IF_EQUAL, _UDP, here + "ports")
    program.jump(_IF_EQUAL, _TCP, here + "ports", "reject")
    program.label(here + "icmp")
    program.load(_LOAD_BYTE, _NETWORK + at + 20)
    program.jump(_IF_EQUAL, 8, here + "echo")
    program.jump(_IF_EQUAL, 0, here + "echo", "accept")
    program.label(here + "echo")
    program.load(_LOAD_HALF, _NETWORK + at + 24)
    program.jump(_IF_EQUAL, number if protocol == _ICMP else 0x10000, "accept", "reject")
    program.label(here + "ports")
    wanted = number if protocol in (_TCP, _UDP) else 0x10000
    for offset in (20, 22):
        program.load(_LOAD_HALF, _NETWORK + at + offset)
        program.jump(_IF_EQUAL, wanted, "accept")
        for port in (WIREGUARD_PORT, SLEEVE_PORT):
            program.jump(_IF_EQUAL, port, "accept")
    if at == 0:
        for port in VXLAN_PORTS:
            program.jump(_IF_EQUAL, port, "vxlan")
    program.jump(_IF_EQUAL, 0x10000, "accept", "reject")  # no port is so large: reject


def attach(packet_socket: socket.socket, program: bytes) -> None:
    """Let the socket hear only what the program accepts.  Shell: ``tcpdump EXPRESSION``."""
    instructions = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: number of instructions, where they are
    header = struct.pack("HL", len(program) // 8, ctypes.addressof(instructions))
    packet_socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)
