"""The services that a datapath translates, from the API's objects.

Source: https://kubernetes.io/docs/reference/networking/virtual-ips/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, ip_address
from typing import Any

from labhelpers.networks.cilium.compile import NUMBERS
from labhelpers.networks.cilium.datapath import Service
from labhelpers.networks.policy.world import Objects

__all__ = ["services_of"]


def services_of(objects: Objects) -> tuple[Service, ...]:
    """One for each port of each service that has an address and selects pods.  Touches no kernel.

    A service without a selector is left to others: what is behind it is no pod, and answers another way.

    Args:
        objects: with ``services`` and ``endpoints``; without them there are none.
    """
    behind = {_key(one): one for one in objects.get("endpoints") or ()}
    found = [
        Service(_name(one, port), one["spec"]["clusterIP"], port["port"], NUMBERS[protocol], backends)
        for one in objects.get("services") or ()
        if _is_ours(one["spec"])
        for port in one["spec"].get("ports") or ()
        if (protocol := port.get("protocol") or "TCP") in NUMBERS
        for backends in (tuple(sorted(_backends(behind.get(_key(one), {}), port, protocol))),)
    ]
    return tuple(sorted(found, key=lambda one: (one.name, one.protocol, one.port)))


def _key(obj: Mapping[str, Any]) -> tuple[str, str]:
    return obj["metadata"].get("namespace") or "default", obj["metadata"]["name"]


def _name(service: Mapping[str, Any], port: Mapping[str, Any]) -> str:
    called = f":{port['name']}" if port.get("name") else ""
    return "/".join(_key(service)) + called


def _is_ours(spec: Mapping[str, Any]) -> bool:
    try:
        address = ip_address(spec.get("clusterIP") or "")
    except ValueError:  # none, or "None": a headless one
        return False
    return isinstance(address, IPv4Address) and bool(spec.get("selector"))


def _backends(endpoints: Mapping[str, Any], port: Mapping[str, Any], protocol: str) -> Iterator[tuple[str, int]]:
    """Those that are ready, with the number that their port has."""
    for subset in endpoints.get("subsets") or ():
        for number in _numbers(subset.get("ports") or (), port, protocol):
            for one in subset.get("addresses") or ():
                yield one["ip"], number


def _numbers(there: Iterable[Mapping[str, Any]], port: Mapping[str, Any], protocol: str) -> Iterator[int]:
    for one in there:
        if (one.get("name") or "", one.get("protocol") or "TCP") == (port.get("name") or "", protocol):
            yield one["port"]
