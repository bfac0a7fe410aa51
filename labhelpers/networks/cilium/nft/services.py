"""One address that stands for several: which pod a new flow goes to, by a hash; and answers in the service's name.

Packets are rewritten where they come in, before policies are asked: the other end sees the client's own address, and
policies are about the pod behind the service.  Nothing of the node's connection tracking takes part.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Sequence

from labhelpers.networks.cilium.datapath import Service
from labhelpers.networks.cilium.limits import FLOWS
from labhelpers.networks.cilium.nft.names import GROUP
from labhelpers.networks.cilium.nft.table import Chain, Named

__all__ = ["MYSELF", "answered", "chains", "named", "translated"]

#: in whose name a pod gets its own packets, when it is behind the service that it asks
MYSELF = "169.254.42.1"
_PROTOCOLS = {6: "tcp", 17: "udp"}
_SECONDS, _FRAGMENT_SECONDS = 3600, 30
_MOST_NAME = 120  # letters of a comment

# four fields, and so a map for each protocol: nft 1.0.6 ends with a failed assertion if packets fill a map of five
_FLOW = "ip saddr . th sport . ip daddr . th dport"
_BACK = "ip daddr . th dport . ip saddr . th sport"
_PIECE = "ip saddr . ip daddr . ip id . ip protocol"
_KIND = "type ipv4_addr . inet_service . ipv4_addr . inet_service : mark;"
_DYNAMIC = f"size {FLOWS}; flags dynamic,timeout;"
_STRAIGHT = "fwd ip to ip daddr device ip daddr map @cables"
_LATER, _FIRST, _FIRST_OF_SEVERAL = (
    "ip frag-off & 0x1fff != 0",
    "ip frag-off & 0x1fff == 0",
    "ip frag-off & 0x2000 != 0",
)
_FULL = f'counter log prefix "dropped full" group {GROUP} drop'


def named(services: Sequence[Service]) -> Iterator[tuple[str, Named]]:
    """The maps: which chain a service has, which backend a flow, which service an answer is of, and pieces of both."""
    if not services:
        return
    begin = {f"{one.address} . {one.port} . {_PROTOCOLS[one.protocol]}": f"jump service-{_of(one)}" for one in services}
    yield "services", Named("map", "type ipv4_addr . inet_service . inet_proto : verdict;", begin)
    for name in ("backends", "answers"):
        for protocol in _PROTOCOLS.values():
            yield f"{name}-{protocol}", Named("map", f"{_KIND} {_DYNAMIC}")
    for name in ("pieces", "answer-pieces"):
        yield name, Named("map", f"typeof {_PIECE} : ip daddr; {_DYNAMIC}")


def translated(services: Sequence[Service]) -> Iterator[str]:
    """Rules for what a pod sends, before anybody is asked about it."""
    if services:
        yield f"{_LATER} ip daddr set {_PIECE} map @pieces"
        # a port that asked a pod by a service, and now asks the pod itself, is to be answered in the pod's name
        yield f"tcp flags & (syn | ack) == syn delete @answers-tcp {{ {_BACK} : meta mark }}"
        yield f"{_FIRST} ip protocol udp delete @answers-udp {{ {_BACK} : meta mark }}"
        yield f"{_FIRST} ip daddr . th dport . ip protocol vmap @services"
        yield f"ip daddr {MYSELF} goto to-myself"


def answered(services: Sequence[Service]) -> Iterator[str]:
    """Rules for what goes to a pod of this node, after everybody was asked."""
    if services:
        yield f"{_LATER} ip saddr set {_PIECE} map @answer-pieces {_STRAIGHT}"
        yield f"{_FIRST} ip protocol {{ tcp, udp }} ip daddr @endpoints jump answered"


def chains(services: Sequence[Service]) -> Iterator[tuple[str, Chain]]:
    """The chains of all services and their backends."""
    if not services:
        return
    for one in services:
        yield f"service-{_of(one)}", Chain("", tuple(_service(one)))
        for backend in one.backends:
            yield f"service-{_of(one)}-{_number(backend)}", Chain("", tuple(_backend(one, backend)))
        yield f"answer-{_of(one)}", Chain("", tuple(_answer(one)))
    whose = ", ".join(f"{_of(one)} : goto answer-{_of(one)}" for one in services)
    yield (
        "answered",
        Chain(
            "",
            (
                "meta mark set 0",
                *(f"ip protocol {one} meta mark set {_FLOW} map @answers-{one}" for one in _PROTOCOLS.values()),
                f"meta mark vmap {{ {whose} }}",
            ),
        ),
    )
    yield "sent", Chain("", (f"ip saddr {MYSELF} {_STRAIGHT}",))
    yield "to-myself", Chain("", ("jump answered", "drop"))


def _of(service: Service) -> int:
    return _number((service.address, service.port, service.protocol))


def _number(of: tuple[object, ...]) -> int:
    """One that stays the same while other services and backends come and go, as flows are known by it; never 0."""
    return binascii.crc32("/".join(map(str, of)).encode()) or 1


def _service(service: Service) -> Iterator[str]:
    name = f'comment "{service.name[:_MOST_NAME]}"'
    if not service.backends:
        yield f'counter log prefix "dropped backend" group {GROUP} drop {name}'
        return
    known = f"backends-{_PROTOCOLS[service.protocol]}"
    numbers = [_number(backend) for backend in service.backends]
    yield f"meta mark set 0 {name}"
    yield f"meta mark set {_FLOW} map @{known}"
    # nobody knows it yet, or the backend that it had has gone
    chosen = ", ".join(f"{place} : {number}" for place, number in enumerate(numbers))
    listed = ", ".join(map(str, numbers))
    yield f"meta mark != {{ {listed} }} meta mark set jhash ip saddr . th sport mod {len(numbers)} map {{ {chosen} }}"
    chains = ", ".join(f"{number} : goto service-{_of(service)}-{number}" for number in numbers)
    yield f"update @{known} {{ {_FLOW} timeout {_SECONDS}s : meta mark }} meta mark vmap {{ {chains} }}"
    yield _FULL


def _backend(service: Service, backend: tuple[str, int]) -> Iterator[str]:
    address, port = backend
    protocol = _PROTOCOLS[service.protocol]
    yield f"{_FIRST_OF_SEVERAL} update @pieces {{ {_PIECE} timeout {_FRAGMENT_SECONDS}s : {address} }}"
    yield f"ip saddr {address} ip saddr set {MYSELF}"
    yield f"ip daddr set {address}"
    yield f"{protocol} dport set {port}"
    yield f"update @answers-{protocol} {{ {_BACK} timeout {_SECONDS}s : {_of(service)} }} goto sent"
    yield _FULL


def _answer(service: Service) -> Iterator[str]:
    """It goes the short way, as its address is no pod's any more."""
    yield f"{_FIRST_OF_SEVERAL} update @answer-pieces {{ {_PIECE} timeout {_FRAGMENT_SECONDS}s : {service.address} }}"
    yield f"ip daddr {MYSELF} ip daddr set ip saddr"
    yield f"ip saddr set {service.address}"
    yield f"{_PROTOCOLS[service.protocol]} sport set {service.port}"
    yield _STRAIGHT
