"""What the twin's tables, interfaces and log group are called."""

from __future__ import annotations

__all__ = ["GROUP", "GUARD", "PROXIED", "TABLE", "TUNNEL", "UPLINK"]

TABLE, GUARD = "netdev cilium", "ip cilium_guard"
UPLINK, TUNNEL = "eth0", "cilium_vxlan"
#: of NFLOG
GROUP = 6081
#: the set of ports of pods in front of which a proxy of the node stands; ``hand_over`` fills it
PROXIED = "proxied"
