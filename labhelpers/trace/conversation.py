"""Which of the recorded frames belong to a probe, and which packet of its conversation each is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labhelpers.linux.headers import Frame, Header
from labhelpers.linux.probe import PROTOCOLS, Probe
from labhelpers.linux.tap import Seen

__all__ = ["Sighting", "later_fragments", "recognise"]

_ICMP_ERROR = "error"
_LEAST_TOKEN = 6  # bytes of the payload that make a packet unmistakable
_AROUND = 1 << 32  # TCP sequence numbers wrap


@dataclass(slots=True)
class Sighting:
    """A frame of the conversation."""

    seen: Seen
    headers: tuple[Header, ...]
    packet: str
    #: where this part of the packet begins, in bytes of what was cut into fragments; 0 for a whole packet
    start: int = 0
    #: what the fragments of one packet have in common; ``None`` for a whole packet
    fragments: tuple[object, ...] | None = None
    inferred: bool = False

    @property
    def place(self) -> tuple[int, str, str]:
        """Namespace, interface, direction."""
        return self.seen.namespace, self.seen.device, self.seen.direction


def recognise(frames: Sequence[tuple[Seen, Frame]], probe: Probe, source: int) -> list[Sighting]:
    """The probe's own frames and its answers', as far as they can be read.

    Args:
        frames: what was recorded, in the order of time.
        source: the namespace that the probe was sent from, as in ``Seen.namespace``.
    """
    judge = {"ICMP": _Icmp, "UDP": _Udp, "TCP": _Tcp}[probe.protocol](probe, source, frames)
    return [_sighting(seen, frame, packet) for seen, frame in frames if (packet := judge.packet(frame))]


def later_fragments(found: Sequence[Sighting], frames: Sequence[tuple[Seen, Frame]]) -> list[Sighting]:
    """The fragments that have no transport header: they are known by what the first one of their packet says."""
    packets = {one.fragments: one for one in found if one.fragments}
    known = {id(one.seen) for one in found}
    later = []
    for seen, frame in frames:
        one = _sighting(seen, frame, "")
        if one.start and id(seen) not in known and (first := packets.get(one.fragments or ())):
            one.packet, one.inferred = first.packet, first.inferred
            later.append(one)
    return later


def _sighting(seen: Seen, frame: Frame, packet: str) -> Sighting:
    for number, header in enumerate(frame.headers):
        cut = header.get("more_fragments") or header.get("fragment_offset")
        if cut and not header.quoted:
            address = frame.headers[number - 1] if header.protocol == "IPv6 fragment" else header
            key = (address["source"], address["destination"], header["protocol"], header["id"])
            return Sighting(seen, frame.headers, packet, header["fragment_offset"], key)
    return Sighting(seen, frame.headers, packet)


class _Judge:
    """Tells which packet of the conversation a frame is, ``""`` for none."""

    def __init__(self, probe: Probe, source: int, frames: Sequence[tuple[Seen, Frame]]) -> None:
        self.probe = probe
        first = next((frame for seen, frame in frames if seen.namespace == source and self._leaves(seen, frame)), None)
        ip = first.find("IPv4") if first else None
        #: ours and the one we talk to; of a packet whose addresses are translated, one of them stays
        self.ends = {probe.destination, *([ip["source"]] if ip else [])}

    def _leaves(self, seen: Seen, frame: Frame) -> bool:
        transport = frame.find(self.probe.protocol)
        numbers = (transport.get("source_port"), transport.get("id")) if transport else ()
        return seen.direction == "out" and self.probe.number in numbers

    def packet(self, frame: Frame) -> str:
        quoted = [header for header in frame.headers if header.quoted]
        if quoted:
            return _ICMP_ERROR if self.about_us(quoted) else ""
        transport = next((one for one in reversed(frame.headers) if one.protocol == self.probe.protocol), None)
        return self.name(transport, frame) if transport else ""

    def about_us(self, quoted: Sequence[Header]) -> bool:
        """Is the packet that an ICMP error quotes ours?"""
        number = self.probe.number
        transport = quoted[-1]
        if transport.protocol == self.probe.protocol:
            return number in (transport.get("id"), transport.get("source_port"), transport.get("destination_port"))
        # only the IP header was quoted whole, as of a later fragment
        protocol: int = transport.get("protocol", 0)
        is_to_it: bool = transport.get("destination") == self.probe.destination
        return is_to_it and protocol == PROTOCOLS[self.probe.protocol]

    def name(self, transport: Header, frame: Frame) -> str:
        raise NotImplementedError

    def has_token(self, frame: Frame) -> bool:
        """Does the payload begin as ours does?  One too short to tell passes."""
        expected = self.probe.payload[: len(self.probe.token)]
        return len(expected) < _LEAST_TOKEN or frame.payload.startswith(expected)

    def is_between_us(self, frame: Frame) -> bool:
        """Is one of the addresses ours, or of the one we talk to?"""
        ip = [header for header in frame.headers if header.protocol == "IPv4"]
        return bool(ip) and not self.ends.isdisjoint((ip[-1]["source"], ip[-1]["destination"]))


class _Icmp(_Judge):
    def name(self, transport: Header, frame: Frame) -> str:
        if transport.get("id") != self.probe.number or not self.has_token(frame):
            return ""
        if len(self.probe.payload) < _LEAST_TOKEN and not self.is_between_us(frame):
            return ""
        return {8: "request", 0: "reply"}.get(transport["type"], "")


class _Udp(_Judge):
    def name(self, transport: Header, frame: Frame) -> str:
        ours, token = self.probe.number, self.has_token(frame)
        certain = token and len(self.probe.payload) >= _LEAST_TOKEN
        if transport["source_port"] == ours and token and (certain or self.is_between_us(frame)):
            return "datagram"
        if transport["destination_port"] == ours and self.is_between_us(frame):
            return "answer"
        return ""


class _Tcp(_Judge):
    """A connection is known by the numbers that its first segments begin with: translation does not change them."""

    def __init__(self, probe: Probe, source: int, frames: Sequence[tuple[Seen, Frame]]) -> None:
        super().__init__(probe, source, frames)
        segments = [(seen, found) for seen, frame in frames if (found := frame.find("TCP"))]
        opening = (
            found["sequence"]
            for seen, found in segments
            if self._leaves_with(seen, found, source) and found["flags"] == "SYN"
        )
        self.first: int = next(opening, -1)
        answers = (
            found["sequence"]
            for _, found in segments
            if found["flags"] == "SYN ACK" and found["acknowledgement"] == (self.first + 1) % _AROUND
        )
        self.answered: int = next(answers, -1)

    def _leaves_with(self, seen: Seen, segment: Header, source: int) -> bool:
        return seen.namespace == source and seen.direction == "out" and segment["source_port"] == self.probe.number

    def name(self, transport: Header, frame: Frame) -> str:
        ports = (transport["source_port"], transport["destination_port"])
        if self.first < 0 or {self.probe.number, self.probe.port}.isdisjoint(ports):
            return ""
        sent = (transport["sequence"] - self.first) % _AROUND
        heard = (transport["acknowledgement"] - self.first) % _AROUND
        window = self.probe.size + 2
        back = ports[1] == self.probe.number or (ports[0] == self.probe.port and ports[1] != self.probe.port)
        if back:
            return self._answer(transport, frame, heard) if 1 <= heard <= window else ""
        return self._own(transport, frame, sent) if sent <= window else ""

    def _own(self, segment: Header, frame: Frame, sent: int) -> str:
        if segment["flags"] == "SYN":
            return "SYN"
        if _has_payload(frame):
            return f"data {sent}"
        # later ones are about what the server says, and a reset is how the probe hangs up: not what was asked
        opens = segment["flags"] == "ACK" and segment["acknowledgement"] == (self.answered + 1) % _AROUND and sent == 1
        return "ACK" if opens else ""

    def _answer(self, segment: Header, frame: Frame, heard: int) -> str:
        if "RST" in segment["flags"]:
            return "RST"
        if segment["flags"] == "SYN ACK":
            return "SYN ACK"
        is_receipt = segment["flags"] == "ACK" and heard > 1 and not _has_payload(frame)
        return f"ACK {heard - 1}" if is_receipt else ""


def _has_payload(frame: Frame) -> bool:
    ip = next((header for header in reversed(frame.headers) if header.protocol == "IPv4"), None)
    segment = frame.headers[-1]
    return ip is not None and segment.protocol == "TCP" and ip["length"] > 20 + int(segment["size"])
