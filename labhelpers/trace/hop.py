"""The values of a packet walk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from labhelpers.linux.headers import Header
from labhelpers.linux.probe import Answer
from labhelpers.linux.records import Rows
from labhelpers.topology.model import Snapshot
from labhelpers.trace import pcapng

__all__ = ["Hop", "Walk", "Why"]


@dataclass(frozen=True, slots=True)
class Hop:
    """A packet as one interface saw it."""

    namespace: str
    device: str
    #: ``in``, ``out``, or ``other host``: in, for another MAC address than this interface's, as on a bridge's port
    direction: str
    #: which packet of the conversation: ``request``, ``reply``, ``SYN`` … or ``error``
    packet: str
    #: what brought it here: ``sent``, ``cable``, ``bridge``, ``routed``, ``encapsulated``, ``decapsulated`` …
    by: str
    #: what is different from the hop before, in words
    changed: tuple[str, ...] = ()
    #: from the outermost to the innermost
    headers: tuple[Header, ...] = ()
    #: bytes, with the Ethernet header
    length: int = 0
    #: the fragment that this is, ``"2 of 3"``; ``""`` for a whole packet
    part: str = ""
    #: nanoseconds since 1970, taken by the kernel when it passed
    stamp: int = 0
    #: its content is encrypted: it was recognised by its size and time
    inferred: bool = False
    #: a copy that a bridge flooded, or a router's way to somebody it was not meant for: nobody takes it
    astray: bool = False
    #: the first bytes of the frame, and whether they begin with an Ethernet header
    data: bytes = field(default=b"", repr=False)
    ethernet: bool = True

    def __str__(self) -> str:
        return f"{self.packet} on {self.place}, {self.direction}: {', '.join((self.by, *self.changed))}"

    @property
    def place(self) -> str:
        """``node-1/eth0``."""
        return f"{self.namespace}/{self.device}"

    @property
    def stack(self) -> str:
        """The headers' names: ``Ethernet | IPv4 | UDP | VXLAN | Ethernet | IPv4 | ICMP``."""
        return " | ".join(header.protocol for header in self.headers)

    def header(self, protocol: str, *, inner: bool = False) -> Header | None:
        """The outermost header of this protocol, or the innermost; ``None`` if there is none."""
        found = [one for one in self.headers if one.protocol == protocol and not one.quoted]
        return (found[-1] if inner else found[0]) if found else None


@dataclass(frozen=True, slots=True)
class Why:
    """Why a packet did not arrive: what happened, in a sentence; by which ``evidence``; what to do about it."""

    what: str
    #: one word for the kind: ``no route``, ``rule``, ``mtu`` …
    kind: str = "unknown"
    #: where it was last
    place: str = ""
    evidence: tuple[str, ...] = ()
    to_do: str = ""
    #: the kernel's own word for it, ``netfilter drop``; only real root is told, so it is ``""`` for others
    kernel_says: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.to_do) if part)


@dataclass(frozen=True)
class Walk:
    """One probe, hop by hop: every interface that it, and what answered it, passed."""

    source: str
    target: str
    #: what was sent, in words
    probe: str
    hops: Rows[Hop]
    answer: Answer
    #: why there was no answer, ``None`` if there was one
    why: Why | None = None
    #: frames that came faster than they could be read: hops may be missing
    lost: int = 0
    #: the network as it was when the walk began
    snapshot: Snapshot | None = field(default=None, repr=False, compare=False)
    #: how ``print`` shows it: this layer knows no tables, and the one that does puts its own here
    as_text: ClassVar[Callable[[Walk], str]] = object.__repr__

    @property
    def ok(self) -> bool:
        """Did an answer come back?"""
        return self.answer.ok

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return type(self).as_text(self)

    def save(self, path: str | Path) -> Path:
        """Write the frames to a file that Wireshark and tshark open, with what happened at each hop as a comment.

        Args:
            path: a new file, or one to replace; ``walk.pcapng``.

        Raises:
            BadInput: the file cannot be written.
        """
        return pcapng.write(path, self.hops, f"{self.probe} from {self.source} to {self.target}")

    @property
    def packets(self) -> tuple[str, ...]:
        """The packets of the conversation, in the order they were first seen."""
        return tuple(dict.fromkeys(hop.packet for hop in self.hops))

    @property
    def request(self) -> Rows[Hop]:
        """The hops of the first packet, without copies that went astray."""
        first = self.packets[0] if self.hops else ""
        return self._of(first)

    @property
    def reply(self) -> Rows[Hop]:
        """The hops of the first packet that went back, without copies that went astray."""
        back = next((one for one in self.packets if one in ("reply", "SYN ACK", "answer", "error", "RST")), "")
        return self._of(back)

    def _of(self, packet: str) -> Rows[Hop]:
        title = f"{packet} {self.source} → {self.target}".strip()
        return Rows((hop for hop in self.hops if hop.packet == packet and not hop.astray), title)
