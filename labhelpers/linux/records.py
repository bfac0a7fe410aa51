"""What the kernel says about one network namespace, as plain values.

Each record is one line of ``ip -details`` or ``bridge fdb`` output, decoded from netlink.  Records are immutable and
compare by value.  ``Rows`` is a tuple of records that knows what it is a table of, so that a notebook can show it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Generic, SupportsIndex, TypeVar, overload

from labhelpers.errors import BadInput

__all__ = ["FdbEntry", "Link", "Neighbour", "Route", "Rows", "Rule"]


@dataclass(frozen=True, slots=True)
class Link:
    """One network interface (``ip -details link`` and ``ip address``)."""

    name: str
    index: int
    #: ``veth``, ``bridge``, ``vxlan`` …; ``loopback`` for lo; ``""`` for a physical device
    kind: str
    #: administratively up (IFF_UP)
    up: bool
    #: RFC 2863 operational state in lower case: ``up``, ``down``, ``lowerlayerdown``, ``unknown`` …
    state: str
    mac: str
    mtu: int
    #: name of the bridge (or other device) this is a port of, ``""`` if none
    master: str = ""
    #: ``ip link set … alias``
    alias: str = ""
    #: addresses with prefix length, ``"10.0.1.10/24"``
    addresses: tuple[str, ...] = ()
    #: for a veth (or anything stacked on another device): the other device's index, 0 if none
    peer_index: int = 0
    #: the other device's namespace as an id known to this namespace; -1 if it is in this namespace, -2 if in one that
    #: has no id here, which is so while it is being removed
    peer_nsid: int = -1
    #: what is special to the kind, ``(("id", "42"), …)`` for vxlan, ``(("isolated", "on"),)`` for a bridge port
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """One route (``ip route``).  Routes of table ``local`` are left out, as ``ip route`` does."""

    destination: str  # "default" or "10.0.1.0/24"
    via: str = ""
    device: str = ""
    source: str = ""
    scope: str = ""
    protocol: str = ""
    metric: int = 0
    table: str = "main"
    kind: str = "unicast"  # unicast, blackhole, unreachable …
    onlink: bool = False  # the router is behind the interface, although no subnet says so
    mtu: int = 0  # bytes, 0 for the interface's own
    encap: str = ""  # what a tunnel device is told of each packet: "ip id 4711 dst 192.168.1.11"


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy routing rule (``ip rule``)."""

    priority: int
    selector: str  # "from all", "from 10.0.1.0/24 iif eth0"
    table: str  # or what is done instead: blackhole, unreachable, prohibit


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One neighbour entry (``ip neighbour``): which MAC address answers for this IP address."""

    address: str
    device: str
    mac: str
    state: str  # reachable, stale, delay, probe, failed, permanent, incomplete, noarp


@dataclass(frozen=True, slots=True)
class FdbEntry:
    """One forwarding entry (``bridge fdb``): behind which port this MAC address lives."""

    mac: str
    device: str  # the port
    master: str = ""  # the bridge, "" for an entry of the device itself (``self``)
    kind: str = "learned"  # learned, static, permanent
    destination: str = ""  # for a tunnel: the remote end's IP address
    vlan: int = 0


Row = TypeVar("Row")


class Rows(tuple[Row, ...], Generic[Row]):
    """A tuple of records with a title.  ``print`` and notebooks show it as a table."""

    title: str
    #: how ``print`` shows them: this layer knows no tables, and the one that does puts its own here
    as_text: ClassVar[Callable[[Rows[Any]], str]] = tuple.__repr__

    def __new__(cls, rows: Iterable[Row] = (), title: str = "") -> Rows[Row]:
        """A tuple of ``rows`` with this title."""
        self = super().__new__(cls, rows)
        self.title = title
        return self

    def __str__(self) -> str:
        return type(self).as_text(self)

    @overload
    def __getitem__(self, key: SupportsIndex) -> Row: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Row, ...]: ...
    @overload
    def __getitem__(self, key: str) -> Row: ...
    def __getitem__(self, key: Any) -> Any:
        """``rows[0]`` by position, ``rows["eth0"]`` by the record's first field."""
        if isinstance(key, str):
            for row in self:
                if getattr(row, fields(row)[0].name) == key:  # type: ignore[arg-type]
                    return row
            raise KeyError(key)
        return super().__getitem__(key)

    def where(self, **wanted: Any) -> Rows[Row]:
        """The rows whose fields equal the given values: ``routes.where(device="eth0")``.

        Raises:
            BadInput: there is no such field; the message lists those there are.
        """
        for row in self[:1]:
            there = [field.name for field in fields(row)]  # type: ignore[arg-type]
            for name in wanted.keys() - set(there):
                raise BadInput(f"A {type(row).__name__} has no field {name!r}.", f"It has: {', '.join(there)}.")
        return Rows(
            (row for row in self if all(getattr(row, k) == v for k, v in wanted.items())),
            self.title,
        )
