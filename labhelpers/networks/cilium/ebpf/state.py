"""What the tables must hold, and what they hold: entries by table and key, as bytes.  Touches no kernel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from labhelpers.errors import BadInput
from labhelpers.linux.records import Link
from labhelpers.networks.cilium.datapath import Wanted
from labhelpers.networks.cilium.ebpf import records

__all__ = ["MANAGED", "Tables", "entries", "remembered", "require_half"]

#: by table and key
Tables = dict[str, dict[bytes, bytes]]
#: those that the agent fills, in the order in which entries are made: what others rely on first, and an endpoint last,
#: so that none is there before its policy.  They are taken out in the opposite order.
MANAGED = ("settings", "own", "ipcache", "rules", "policy", "isolated", "backends", "services", "endpoints")
_LONGEST_NAME = 319  # bytes; a namespace and a policy's name have 63 and 253

_NAME = 119  # of a service, bytes


def entries(wanted: Wanted, links: Mapping[str, Link], there: Tables, uplink: str, overlay: str) -> Tables:
    """What the tables must hold.

    Args:
        links: the node's interfaces by name; an endpoint whose interface is not among them has gone.
        there: what they hold now: rules and services keep their numbers.

    Raises:
        BadInput: two entries contradict each other.
    """
    found: Tables = {name: {} for name in MANAGED}
    over = links[overlay].index if wanted.tunnel else 0
    found["settings"][records.NUMBER.pack(0)] = records.SETTINGS.pack(links[uplink].index, over, len(wanted.services))
    found["own"] = {records.address(one): records.NUMBER.pack(1) for one in wanted.own}
    for line in wanted.ipcache:
        node = records.address(line.node) if line.node else bytes(4)
        found["ipcache"][records.block(line.block)] = records.LOCATED.pack(line.identity, node)
    for identity, direction in wanted.isolated:
        found["isolated"][records.SIDE.pack(identity, records.DIRECTIONS.index(direction))] = records.NUMBER.pack(1)
    for one in wanted.endpoints:
        if link := links.get(one.interface):
            value = records.ENDPOINT.pack(link.index, one.identity, records.mac(one.mac), records.mac(link.mac))
            found["endpoints"][records.address(one.address)] = value
    _policy(wanted, there, found)
    _services(wanted, there, found)
    return found


def _policy(wanted: Wanted, there: Tables, found: Tables) -> None:
    named = {value: int.from_bytes(key, "little") for key, value in there.get("rules", {}).items()}
    asked = list(dict.fromkeys(_named(one.policy, one.rule) for one in wanted.allowed))
    numbers = _numbers(asked, named)
    found["rules"] = {records.NUMBER.pack(number): name for name, number in numbers.items()}
    for one in wanted.allowed:
        rule = numbers[_named(one.policy, one.rule)]
        for key in records.questions(one.subject, one.direction, one.remote, one.protocol, one.first, one.last):
            if key in found["policy"]:
                raise BadInput(
                    f"Two entries of {wanted.node}'s policy allow the same: {one}.",
                    "Nothing was changed. Leave out one.",
                )
            found["policy"][key] = records.answer(rule)


def _named(policy: str, rule: int) -> bytes:
    return records.RULE.pack(policy.encode()[:_LONGEST_NAME], rule)


def _services(wanted: Wanted, there: Tables, found: Tables) -> None:
    before = {key: records.SERVICE.unpack(value)[0] for key, value in there.get("services", {}).items()}
    fronts = {
        records.FRONTEND.pack(records.address(one.address), one.port.to_bytes(2, "big"), one.protocol): one
        for one in wanted.services
    }
    if len(fronts) < len(wanted.services):
        raise BadInput("Two services have the same address, port and protocol.", "Nothing was changed. Leave out one.")
    for front, number in _numbers(fronts, before).items():
        backends = fronts[front].backends
        found["services"][front] = records.SERVICE.pack(number, len(backends), fronts[front].name.encode()[:_NAME])
        for slot, (address, port) in enumerate(backends):
            target = records.TARGET.pack(records.address(address), port.to_bytes(2, "big"))
            found["backends"][records.SLOT.pack(number, slot)] = target


def _numbers(names: Iterable[bytes], before: Mapping[bytes, int]) -> dict[bytes, int]:
    """A number for each: the one that it had, or a new one, so that an event of a moment ago is still told right."""
    following = max(before.values(), default=0)
    numbers: dict[bytes, int] = {}
    for name in names:
        if name not in before:
            following += 1
        numbers[name] = before.get(name, following)
    return numbers


def remembered(table: str, value: bytes) -> bytes:
    """The part of an entry that the agent gives; the rest is what programs have counted."""
    return value[:4] if table == "policy" else value


def require_half(tables: Tables, room: Mapping[str, int]) -> None:
    """Half of a table's room is for the entries that it has, while others come.

    Raises:
        BadInput: that is not enough.
    """
    for name, table in tables.items():
        if len(table) > max(1, room[name] // 2):
            raise BadInput(
                f"{len(table)} entries for the eBPF map {name!r}, which is full with {room[name] // 2}.",
                "Nothing was changed. Fewer pods, rules or ranges of ports make fewer entries.",
            )
