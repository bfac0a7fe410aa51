"""``lab-cilium``: a cable from the container to the node, wired as Cilium's plugin wires it.

::

    {"type": "lab-cilium", "mtu": 1450, "ipam": {...}}

The container has a single address and one gateway: the first address of the node's block, which the node has on its
interface ``cilium_host``.  The node's end is called ``lxc…``; it has no address and answers ARP for the gateway, as the
product's program there does.  There is no bridge, and what becomes of the packets is not this plugin's affair: it
tells the node's agent, which attaches its rules or programs to the cable before ADD returns.

Source: https://github.com/cilium/cilium, ``plugins/cilium-cni/cmd/cmd.go``, ``pkg/endpoint/connector/add.go``.
"""

from __future__ import annotations

import _socket as s  # see linux/netlink.py
import hashlib

from labhelpers.cni.plugin import ptp, single
from labhelpers.cni.plugin.skeleton import PluginError
from labhelpers.cni.plugin.wiring import Cable, node_end

TYPE_CHECKING = False  # from typing it would cost a millisecond
if TYPE_CHECKING:
    from typing import Any

    from labhelpers.cni.plugin.delegate import Delegated
    from labhelpers.cni.plugin.kernel import Place
    from labhelpers.cni.plugin.skeleton import Request

__all__ = ["AGENT", "DONE", "attach", "check", "node_end_of", "ready"]

#: where the agent listens, and what it answers when it knows the pod
AGENT, DONE = "/run/cilium/cilium.sock", b"done\n"
_PATIENCE = 20.0  # seconds
_TRY_AGAIN = 11  # a code of the specification


def node_end_of(*parts: str) -> str:
    """``lxc`` and twelve digits of the SHA-256 of what the cable belongs to."""
    return f"lxc{hashlib.sha256('.'.join(parts).encode()).hexdigest()[:12]}"


def attach(request: Request, here: Place, pod: Place, ipam: Delegated) -> dict[str, Any]:
    """Make the cable, give the container a single address and the node's as gateway, and the node a route to it."""
    cable = Cable(request, here, pod, mtu=ptp.mtu(request))
    here.inside(lambda: single.set_up(cable.host, single.ANSWERS))
    result = single.connected(request, here, pod, ipam, cable)
    _tell_the_agent()
    return result


def check(request: Request, here: Place, pod: Place) -> None:
    """Is the node's end there, does it lead to the container, does the container have its addresses and routes?"""
    ptp.check(request, here, pod)
    single.check_settings(node_end(request), single.ANSWERS)


def ready(request: Request, here: Place) -> None:
    """Nothing of the node is needed beforehand."""


def _tell_the_agent() -> None:
    """Wait until it knows the pod.  Where none runs, whoever attaches pods tells its successor."""
    agent = s.socket(s.AF_UNIX, s.SOCK_STREAM)
    try:
        agent.settimeout(_PATIENCE)
        agent.connect(AGENT)
        agent.sendall(b"a new pod\n")
        answer = agent.recv(1 << 12)
    except (FileNotFoundError, ConnectionRefusedError):
        return
    except OSError as error:
        raise PluginError(_TRY_AGAIN, f"the node's agent did not answer: {error}") from None
    finally:
        agent.close()
    if answer != DONE:
        raise PluginError(_TRY_AGAIN, f"the node's agent could not attach the pod: {answer.decode(errors='replace')}")
