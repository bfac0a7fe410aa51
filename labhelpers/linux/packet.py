"""Packets as they pass an interface: a capture with a packet socket (``man 7 packet``), and what is in a frame."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labhelpers.errors import NotFound
from labhelpers.linux.headers import Header
from labhelpers.linux.headers import decode as headers_of
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.interrupt import held
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.linux.records import Rows

__all__ = ["Capture", "Packet", "decode"]

_ETH_P_ALL = 0x0003
_DIRECTIONS = {0: "in", 1: "broadcast", 2: "multicast", 3: "other host", 4: "out"}
_ETHERTYPES = {0x0800: "IPv4", 0x0806: "ARP", 0x86DD: "IPv6"}
_PROTOCOLS = {1: "ICMP", 6: "TCP", 17: "UDP", 4: "IPIP", 58: "ICMPv6"}
_LEAST_WAIT = 0.05  # seconds: frames queued on another processor may still be on their way to the socket
_LONGEST_WAIT = 0.5  # seconds for frames that wait in the socket; in a storm more come all the time
_WANTED_BUFFER = 1 << 22  # bytes; the system gives as much of it as it allows
_SOL_PACKET, _PACKET_STATISTICS = 263, 6


@dataclass(frozen=True, slots=True)
class Packet:
    """One frame as an interface saw it."""

    device: str
    direction: str  # in, out, broadcast, multicast, other host
    source_mac: str
    destination_mac: str
    protocol: str  # ARP, ICMP, TCP, UDP … or the EtherType in hex
    source: str = ""  # IP address
    destination: str = ""
    summary: str = ""


def decode(frame: bytes, device: str = "", direction: str = "") -> Packet:
    """What an Ethernet frame says, in a line.

    A frame that ends too early says less, and is never an error: it was on the wire.
    """
    headers = headers_of(frame).headers
    ethernet = headers[0] if headers else None
    macs = {
        "device": device,
        "direction": direction,
        "destination_mac": ethernet["destination"] if ethernet else frame[0:6].hex(":"),
        "source_mac": ethernet["source"] if ethernet else frame[6:12].hex(":"),
    }
    if ethernet is None:
        return Packet(**macs, protocol="cut off")
    if len(headers) == 1:
        return Packet(**macs, protocol=_ETHERTYPES.get(ethernet["type"], f"{ethernet['type']:#06x}"))
    packet = headers[1]
    if packet.protocol == "ARP":
        return Packet(
            **macs, protocol="ARP", source=packet["sender"], destination=packet["target"], summary=_arp(packet)
        )
    protocol, summary = _said(headers[1:])
    ends = {"source": packet.get("source", ""), "destination": packet.get("destination", "")}
    return Packet(**macs, **ends, protocol=protocol, summary=summary)


def _arp(header: Header) -> str:
    if header["operation"] == "request":
        return f"who has {header['target']}? tell {header['sender']}"
    return f"{header['sender']} is at {header['sender_mac']}"


def _said(headers: Sequence[Header]) -> tuple[str, str]:
    """Protocol and words of a packet, from its IP header on; of a tunnel's packet, what it carries."""
    outer, *inner = headers
    if "protocol" not in outer:
        return outer.protocol, ""
    name = _PROTOCOLS.get(outer["protocol"], f"IP protocol {outer['protocol']}")
    if outer.get("fragment_offset"):
        return name, "later fragment"
    for number, header in enumerate(inner):
        if header.quoted:
            break
        if header.protocol == "WireGuard":
            return "WireGuard", header["message"]
        if header.protocol == "VXLAN":
            return "VXLAN", f"vni {header['vni']}: {_carried(inner[number + 1 :])}"
        if header.protocol in ("IPv4", "IPv6"):
            return name, _carried(inner[number:])
    return name, _transport(inner[0]) if inner else ""


def _carried(headers: Sequence[Header]) -> str:
    """The packet inside a tunnel's packet."""
    packet = [header for header in headers if header.protocol != "Ethernet"]
    if not packet:
        return "a frame"
    if packet[0].protocol == "ARP":
        return f"ARP {_arp(packet[0])}"
    ends = f"{packet[0].get('source', '')} → {packet[0].get('destination', '')}"
    return f"{ends} {' '.join(_said(packet))}".strip()


def _transport(header: Header) -> str:
    if "meaning" in header:
        return str(header["meaning"])
    if "source_port" in header:
        ports = f"{header['source_port']} → {header['destination_port']}"
        flags = "".join(word[0] for word in header.get("flags", "").split())
        return f"{ports} [{flags}]" if flags else ports
    return ""


class Capture:
    """Record the frames that pass an interface while the ``with`` block runs.

    Nothing changes in the kernel but that a packet socket exists.  Afterwards ``packets`` holds the frames in order,
    and ``lost`` says how many more there were than could be read.

    Shell: ``ip netns exec NAME tcpdump -i DEVICE``.
    """

    def __init__(self, namespace: NetworkNamespace, device: str) -> None:
        self.namespace = namespace
        self.device = device
        #: frames that the kernel dropped because they came faster than Python reads; known after the block
        self.lost = 0
        self._packets: list[Packet] = []
        self._frames: list[bytes] = []
        self._closing = threading.Event()

    def __enter__(self) -> Capture:
        require_sandbox()

        def open_socket() -> socket.socket:
            # with a protocol it would hear every interface until it is bound to one
            packet_socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            packet_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WANTED_BUFFER)
            try:
                packet_socket.bind((self.device, _ETH_P_ALL))
            except OSError:
                packet_socket.close()
                raise NotFound(
                    f"There is no interface {self.device!r} in {self.namespace.name or 'this namespace'}.",
                    "See which there are with .links().",
                ) from None
            return packet_socket

        with held():
            self._socket = self.namespace.visit(open_socket)
            self._socket.settimeout(0.02)
            self._thread = threading.Thread(target=self._read, name="capture", daemon=True)
            self._thread.start()
        return self

    def _read(self) -> None:
        end = 0.0
        while True:
            if self._closing.is_set():
                end = end or time.monotonic() + _LONGEST_WAIT
                if time.monotonic() > end:
                    return
            try:
                frame, source = self._socket.recvfrom(65536)
            except TimeoutError:
                if self._closing.is_set():
                    return
                continue
            except OSError:  # the interface went down or away: nothing to see until it comes back
                if self._closing.wait(0.02):
                    return
                continue
            self._frames.append(frame)
            self._packets.append(decode(frame, source[0], _DIRECTIONS.get(source[2], str(source[2]))))

    def __exit__(self, *_: object) -> None:
        with held():
            time.sleep(_LEAST_WAIT)
            self._closing.set()
            self._thread.join()
            statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
            self.lost = struct.unpack("=II", statistics)[1]
            self._socket.close()

    @property
    def packets(self) -> Rows[Packet]:
        """What was seen so far."""
        return Rows(tuple(self._packets), f"packets on {self.namespace.name}/{self.device}")

    def saw(self, text: bytes) -> bool:
        """Could this be read in any frame so far, in whatever it was wrapped?  Shell: ``tcpdump -A``."""
        return any(text in frame for frame in self._frames)

    def wait_for(self, wanted: Callable[[Packet], bool], timeout: float = 2.0) -> bool:
        """Wait until a packet of this description has passed.  ``timeout`` in seconds."""
        end = time.monotonic() + timeout
        looked_at = 0
        while True:
            seen = self._packets[looked_at:]
            looked_at += len(seen)
            if any(wanted(packet) for packet in seen):
                return True
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
