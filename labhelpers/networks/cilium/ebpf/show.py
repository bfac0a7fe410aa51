"""The tables of a node as people read them.  Changes nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from labhelpers.linux.bpf import filters, find
from labhelpers.linux.bpf.maps import RING, Map
from labhelpers.linux.netlink import NetlinkSocket
from labhelpers.linux.records import Link, Rows
from labhelpers.networks.cilium.datapath import Endpoint, Located, RuleCounter, Service
from labhelpers.networks.cilium.ebpf import records
from labhelpers.networks.cilium.ebpf.events import named
from labhelpers.networks.cilium.ebpf.reasons import REASONS

__all__ = ["FlowLine", "MapLine", "PolicyLine", "ProgramLine", "counters", "programs", "tables"]

_BEFORE_PORT = 80  # bits of a policy's key


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """One entry of the policy."""

    #: identity of endpoints of this node
    subject: int
    direction: str
    #: identity of the other end, 0 for any
    remote: int
    #: 0 for any
    protocol: int
    #: ``any``, ``80``, or a prefix: ``8080/14`` is 8080 to 8083
    port: str
    policy: str
    rule: int
    #: first packets of flows that it has allowed
    packets: int
    bytes: int


@dataclass(frozen=True, slots=True)
class FlowLine:
    """A flow that was allowed to begin."""

    source: str
    source_port: int
    destination: str
    destination_port: int
    protocol: int
    #: in both directions
    packets: int
    bytes: int
    #: ``new``, ``answered``, ``ending``
    state: str
    #: seconds since its last packet
    silent: int


@dataclass(frozen=True, slots=True)
class MapLine:
    """A table of the programs, ``bpftool map show``."""

    name: str
    kind: str
    #: entries now, and at most; of a ring buffer: its size in bytes
    entries: int
    room: int
    #: of the kernel's memory, in bytes; before Linux 6.4 for as many entries as there may be
    memory: int


@dataclass(frozen=True, slots=True)
class ProgramLine:
    """A program at an interface, ``bpftool net show``."""

    interface: str
    program: str
    #: bytes, after the kernel has compiled it for this processor
    machine_code: int
    #: how many it uses or keeps
    maps: int


def counters(maps: Mapping[str, Map]) -> Rows[RuleCounter]:
    """See ``Datapath.counters``."""
    sums: dict[tuple[str, str, str], list[int]] = {}
    for line in _policy(maps):
        counted = sums.setdefault((line.direction, line.policy, f"rule {line.rule}"), [0, 0])
        counted[0] += line.packets
        counted[1] += line.bytes
    for key, value in maps["drops"].items():
        packets, size = records.COUNT.unpack(value)
        direction, reason = divmod(int.from_bytes(key, "little"), len(REASONS))
        if packets:
            sums[records.direction_of(direction), "", REASONS[reason]] = [packets, size]
    return Rows((RuleCounter(*key, *counted) for key, counted in sorted(sums.items())), "counters")


def tables(maps: Mapping[str, Map], interfaces: Mapping[int, str]) -> dict[str, Rows[Any]]:
    """See ``Datapath.tables``.

    Args:
        interfaces: the node's, name by index.
    """
    return {
        "endpoints": Rows(_endpoints(maps, interfaces), "endpoints"),
        "ipcache": Rows(_ipcache(maps), "ipcache"),
        "policy": Rows(_policy(maps), "policy"),
        "flows": Rows(_flows(maps), "flows"),
        "services": Rows(_services(maps), "services"),
        "maps": Rows(_maps(maps), "maps"),
    }


def _endpoints(maps: Mapping[str, Map], interfaces: Mapping[int, str]) -> list[Endpoint]:
    found = []
    for key, value in sorted(maps["endpoints"].items()):
        index, identity, mac, _ = records.ENDPOINT.unpack(value)
        found.append(Endpoint(socket.inet_ntoa(key), interfaces.get(index, f"if{index}"), mac.hex(":"), identity))
    return found


def _ipcache(maps: Mapping[str, Map]) -> list[Located]:
    lines = [
        (*reversed(records.BLOCK.unpack(key)), *records.LOCATED.unpack(value)) for key, value in maps["ipcache"].items()
    ]
    return [
        Located(f"{socket.inet_ntoa(address)}/{bits}", identity, socket.inet_ntoa(node) if any(node) else "")
        for address, bits, identity, node in sorted(lines)
    ]


def _policy(maps: Mapping[str, Map]) -> list[PolicyLine]:
    found = []
    for key, value in maps["policy"].items():
        bits, subject, remote, direction, protocol, port = records.QUESTION.unpack(key)
        rule, packets, size = records.unanswer(value)
        found.append(
            PolicyLine(
                *(subject, records.direction_of(direction), remote, protocol if bits >= _BEFORE_PORT else 0),
                _port(int.from_bytes(port, "big"), bits - _BEFORE_PORT),
                *(*named(maps["rules"], rule), packets, size),
            )
        )
    return sorted(found, key=lambda line: (line.subject, line.direction, line.remote, line.protocol, line.port))


def _port(first: int, bits: int) -> str:
    if bits <= 0:
        return "any"
    return str(first) if bits == 16 else f"{first}/{bits}"


def _flows(maps: Mapping[str, Map]) -> list[FlowLine]:
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    found = []
    for key, value in sorted(maps["flows"].items()):
        source, destination, source_port, destination_port, protocol = records.FLOW.unpack(key)
        last, packets, size, answered, ending = records.STATE.unpack(value)
        found.append(
            FlowLine(
                socket.inet_ntoa(source),
                int.from_bytes(source_port, "big"),
                socket.inet_ntoa(destination),
                int.from_bytes(destination_port, "big"),
                protocol,
                packets,
                size,
                "ending" if ending else "answered" if answered else "new",
                max(0, now - last) // 10**9,
            )
        )
    return found


def _services(maps: Mapping[str, Map]) -> list[Service]:
    slots: dict[int, list[tuple[int, tuple[str, int]]]] = {}
    for key, value in maps["backends"].items():
        service, slot = records.SLOT.unpack(key)
        address, port = records.TARGET.unpack(value)
        slots.setdefault(service, []).append((slot, (socket.inet_ntoa(address), int.from_bytes(port, "big"))))
    found = []
    for key, value in sorted(maps["services"].items()):
        address, port, protocol = records.FRONTEND.unpack(key)
        number, _, name = records.SERVICE.unpack(value)
        backends = tuple(backend for _, backend in sorted(slots.get(number, [])))
        found.append(Service(_text(name), socket.inet_ntoa(address), int.from_bytes(port, "big"), protocol, backends))
    return found


def _maps(maps: Mapping[str, Map]) -> list[MapLine]:
    return [
        MapLine(
            name,
            one.kind.word,
            0 if one.kind.kind == RING else len(list(one.keys())),
            one.kind.entries,
            one.memory(),
        )
        for name, one in sorted(maps.items())
    ]


def programs(socket: NetlinkSocket, links: Iterable[Link]) -> Rows[ProgramLine]:
    """The programs at a node's interfaces."""
    found = []
    for place in links:
        for one in filters.attached(socket, place.index):
            info = find.program(one.program)
            found.append(ProgramLine(place.name, one.name, info.machine_code, len(info.maps)))
    return Rows(sorted(found, key=lambda line: line.interface), "programs")


def _text(field: bytes) -> str:
    return field.rstrip(b"\0").decode(errors="replace")
