"""Why a program drops a packet: the words for ``enum reason`` of ``bpf/maps.h``, in its order."""

from __future__ import annotations

from labhelpers.networks.cilium.datapath import INVALID_SOURCE, POLICY

__all__ = ["NOT_IPV4", "NOT_READABLE", "NO_BACKEND", "NO_FIRST_FRAGMENT", "REASONS"]

NO_BACKEND = "service without backends"
NO_FIRST_FRAGMENT = "a fragment whose beginning was not seen"
NOT_READABLE = "not a complete packet"
#: counted, and not told: an event has addresses of IPv4
NOT_IPV4 = "neither IPv4 nor ARP"
#: ``""`` for what was forwarded
REASONS = ("", POLICY, INVALID_SOURCE, NO_BACKEND, NO_FIRST_FRAGMENT, NOT_READABLE, NOT_IPV4)
