"""How much fits into the tables of a node's datapath: what is more is refused in words, never dropped in silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labhelpers.errors import BadInput
from labhelpers.networks.cilium.datapath import Wanted

__all__ = ["FLOWS", "FLOW_SECONDS", "LIMITS", "require_room"]

LIMITS: Mapping[str, int] = {"endpoints": 256, "ipcache": 16384, "allowed": 16384, "services": 64}
#: flows that a node knows at a time
FLOWS = 65535
#: how long a flow is known after its last packet
FLOW_SECONDS: Mapping[str, int] = {"TCP": 21600, "TCP, new": 60, "TCP, ending": 10, "others": 60}


def require_room(wanted: Wanted, limits: Mapping[str, int] = LIMITS) -> None:
    """Touches no kernel.

    Raises:
        BadInput: there is no room for so much.
    """
    counts: dict[str, Sequence[object]] = {
        "endpoints": wanted.endpoints,
        "ipcache": wanted.ipcache,
        "allowed": wanted.allowed,
        "services": wanted.services,
    }
    for name, some in counts.items():
        if len(some) > limits[name]:
            raise BadInput(
                f"{len(some)} entries of {name} on {wanted.node}, and its datapath has room for {limits[name]}.",
                "Nothing was changed. Fewer pods, labels or rules make fewer entries.",
            )
