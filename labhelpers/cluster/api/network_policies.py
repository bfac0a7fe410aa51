"""What a NetworkPolicy must be like, in the API server's words.

Source: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/networking/validation/validation.go
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from labhelpers.cluster.api.problems import NOT_HERE, Problems, invalid, label_problems, unsupported
from labhelpers.store import Object

__all__ = ["network_policy_problems"]

_TYPES = ("Egress", "Ingress")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_NUMBER = "must be between 1 and 65535, inclusive"


def network_policy_problems(obj: Object) -> Problems:
    """Everything that is wrong with a policy."""
    spec = obj["spec"]
    yield from _selector(spec.get("podSelector") or {}, "spec.podSelector")
    for direction, side in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction) or ()):
            path = f"spec.{direction}[{index}]"
            for number, port in enumerate(rule.get("ports") or ()):
                yield from _port(port, f"{path}.ports[{number}]")
            for number, peer in enumerate(rule.get(side) or ()):
                yield from _peer(peer, f"{path}.{side}[{number}]")
    types = spec.get("policyTypes") or ()
    if len(types) > len(_TYPES):
        yield "spec.policyTypes", invalid(list(types), "may not specify more than two policyTypes")
        return
    for index, one in enumerate(types):
        if one not in _TYPES:
            yield f"spec.policyTypes[{index}]", unsupported(one, _TYPES)


def _selector(selector: Mapping[str, Any], path: str) -> Problems:
    yield from label_problems(selector.get("matchLabels") or {}, f"{path}.matchLabels")
    for index, one in enumerate(selector.get("matchExpressions") or ()):
        where, operator, values = f"{path}.matchExpressions[{index}]", one.get("operator"), one.get("values") or []
        if operator in ("In", "NotIn"):
            if not values:
                yield f"{where}.values", "Required value: must be specified when `operator` is 'In' or 'NotIn'"
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                yield (
                    f"{where}.values",
                    "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                )
        else:
            yield f"{where}.operator", invalid(operator, "not a valid selector operator")
        yield from label_problems({one.get("key") or "": ""}, f"{where}.key")
        for number, value in enumerate(values):
            yield from label_problems({"key": value}, f"{where}.values[{number}]")


def _port(port: Mapping[str, Any], path: str) -> Problems:
    protocol, number, end = port.get("protocol"), port.get("port"), port.get("endPort")
    if protocol is not None and protocol not in _PROTOCOLS:
        yield f"{path}.protocol", unsupported(protocol, _PROTOCOLS)
    elif protocol == "SCTP":
        yield f"{path}.protocol", f"Forbidden: {NOT_HERE}: only ports of TCP and UDP are enforced"
    if number is None:
        if end is not None:
            yield f"{path}.endPort", invalid(end, "may not be specified when `port` is not specified")
    elif isinstance(number, str):
        if end is not None:
            yield f"{path}.endPort", invalid(end, "may not be specified when `port` is non-numeric")
        for words in _port_name(number):
            yield f"{path}.port", invalid(number, words)
    else:
        if not 1 <= number <= 65535:
            yield f"{path}.port", invalid(number, _NUMBER)
        if end is not None:
            if end < number:
                yield f"{path}.endPort", invalid(end, "must be greater than or equal to `port`")
            if not 1 <= end <= 65535:
                yield f"{path}.endPort", invalid(end, _NUMBER)


def _port_name(name: str) -> list[str]:
    wrong = []
    if len(name) > 15:
        wrong.append("must be no more than 15 characters")
    if not re.fullmatch(r"[-a-z0-9]+", name):
        wrong.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", name):
        wrong.append("must contain at least one letter (a-z)")
    if "--" in name:
        wrong.append("must not contain consecutive hyphens")
    if name.startswith("-") or name.endswith("-"):
        wrong.append("must not begin or end with a hyphen")
    return wrong


def _peer(peer: Mapping[str, Any], path: str) -> Problems:
    for kind in ("podSelector", "namespaceSelector"):
        if peer.get(kind) is not None:
            yield from _selector(peer[kind], f"{path}.{kind}")
    block = peer.get("ipBlock")
    selectors = [kind for kind in ("podSelector", "namespaceSelector") if peer.get(kind) is not None]
    if block is not None:
        yield from _block(block, f"{path}.ipBlock")
        if selectors:
            yield path, "Forbidden: may not specify both ipBlock and another peer"
    elif not selectors:
        yield path, "Required value: must specify a peer"


def _block(block: Mapping[str, Any], path: str) -> Problems:
    cidr = block.get("cidr") or ""
    if not cidr:
        yield f"{path}.cidr", "Required value"
        return
    whole = _network(cidr)
    if whole is None:
        yield f"{path}.cidr", invalid(cidr, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
        return
    for index, text in enumerate(block.get("except") or ()):
        part = _network(text)
        if part is None:
            words = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            yield f"{path}.except[{index}]", invalid(text, words)
        elif not _is_strictly_within(part, whole):
            yield f"{path}.except[{index}]", invalid(text, "must be a strict subset of `cidr`")


def _network(text: str) -> IPv4Network | IPv6Network | None:
    """A block, also one that is written with an address inside it, as the API takes it."""
    if "/" not in text:
        return None
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _is_strictly_within(part: IPv4Network | IPv6Network, whole: IPv4Network | IPv6Network) -> bool:
    return part.version == whole.version and part.prefixlen > whole.prefixlen and part.network_address in whole
