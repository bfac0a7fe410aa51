"""How a container stands: what an operation on another one must not take from it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from labhelpers.cni.exchange import Exchange
from labhelpers.conformance.cni.ask import Failed, addresses, is_there, node_end, one_address, result
from labhelpers.conformance.cni.trial import Trial

__all__ = ["Standing", "gateways"]

#: seconds.  A cable that has just come loses the first question for the gateway's MAC address, and on a busy machine
#: the second too; they come a second apart.  A wrong MAC address that is known stays so for eight seconds or more.
_PATIENCE = 5.0
_LINK_LOCAL = "169.254."


@dataclass(frozen=True, slots=True)
class Standing:
    """Its addresses, the bridge it is plugged into, and the gateway that it reaches."""

    addresses: tuple[str, ...]
    #: ``""`` if the node's end of its cable is no port
    bridge: str
    #: its MAC address
    mac: str
    #: which it reaches
    gateways: tuple[str, ...]

    @classmethod
    def after(cls, added: Exchange, trial: Trial, container: str) -> Standing:
        """Look at it after its ADD.  ``Failed`` if it does not even reach its gateway then."""
        one_address(trial, container)
        end = node_end(trial, container)
        bridge = end.master if end else ""
        reached = gateways(added, trial, container)
        return cls(addresses(trial, container), bridge, _mac(trial, bridge), reached)

    def must_last(self, trial: Trial, container: str) -> None:
        """Raise ``Failed`` if it has lost something since."""
        if not is_there(trial, container):
            raise Failed("the other container lost eth0")
        if addresses(trial, container) != self.addresses:
            raise Failed("the other container lost an address")
        end = node_end(trial, container)
        if self.bridge and (end is None or end.master != self.bridge):
            raise Failed(f"the other container is no longer plugged into {self.bridge}")
        for one in self.gateways:
            if not _reaches(trial, container, one):
                why = "" if self.mac == _mac(trial, self.bridge) else f": the MAC address of {self.bridge} has changed"
                raise Failed(f"the other container no longer reaches its gateway {one}{why}")


def _mac(trial: Trial, name: str) -> str:
    return next((one.mac for one in trial.node.links() if one.name == name), "")


def gateways(added: Exchange, trial: Trial, container: str) -> tuple[str, ...]:
    """The container's gateways, each of which has answered; none where the configuration does not ask for one.

    Without a bridge the cable leads nowhere but to the node: then the node must be the gateway, whatever it says.
    """
    named = tuple(one.gateway for one in result(added).ips if one.gateway)
    end = node_end(trial, container)
    if not trial.config.get("isGateway") and (end is None or end.master):
        return ()
    if not named:
        raise Failed("the result names no gateway")
    for one in named:
        if not _reaches(trial, container, one):
            raise Failed(f"no answer from the gateway {one}")
    return named


def _reaches(trial: Trial, container: str, address: str) -> bool:
    """Does a ping from the container come back?

    A link-local gateway is nobody's address: it only has to be answered for when asked by ARP.
    """
    inside, end = trial.inside(container), time.monotonic() + _PATIENCE
    while not inside.ping(address, timeout=0.5):
        known = inside.neighbours().where(address=address)
        if address.startswith(_LINK_LOCAL) and any(one.mac for one in known):
            return True
        if time.monotonic() > end:
            return False
    return True
