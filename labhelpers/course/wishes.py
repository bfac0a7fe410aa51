"""What somebody wishes of a pod network, tried: it is built on bare nodes, asked with packets, and removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from labhelpers.course.as_the_api import as_objects, policy
from labhelpers.errors import LabError
from labhelpers.lab import Lab
from labhelpers.networks import Installed, Network
from labhelpers.trace import walk

__all__ = ["only_udp_passes", "unfulfilled"]

# seconds
_PATIENCE = 0.5
_UNTIL_READY = 10.0

_PROVIDER = """
add table bridge provider
add chain bridge provider forward { type filter hook forward priority 0; }
add rule bridge provider forward ether type arp accept
add rule bridge provider forward ip protocol udp accept
add rule bridge provider forward drop
"""


@contextmanager
def only_udp_passes(lab: Lab) -> Iterator[None]:
    """Let the network between the nodes carry ARP and UDP, and nothing else, while the block runs.

    Shell: ``nft add rule bridge provider forward ip protocol udp accept`` …, in the underlay.
    """
    lab["underlay"].nft(_PROVIDER)
    try:
        yield
    finally:
        lab["underlay"].nft("delete table bridge provider")


def unfulfilled(
    network: object, lab: Lab, *, policies: bool = False, secret: bool = False, no_longer: bool = False
) -> str:
    """Build a network on a lab's two bare nodes, and say which wish it does not fulfil.  Afterwards it is gone again.

    Args:
        policies: a policy that only near reaches web has to be true.
        secret: nobody between the nodes may be able to read.
        no_longer: packets must not grow between the nodes.

    Returns:
        a sentence; ``""`` if all is as it should be.
    """
    if not isinstance(network, Network):
        return "nothing is chosen yet" if network is None else f"{network!r} is no network, such as Flannel()"
    try:
        with network.install(lab) as net:
            return _missing(net, lab, policies=policies, secret=secret, no_longer=no_longer)
    except LabError as error:
        return error.what


def _missing(net: Installed, lab: Lab, *, policies: bool, secret: bool, no_longer: bool) -> str:
    node_1, node_2 = net.nodes
    client, near, web = net.pod(node_1, "client"), net.pod(node_1, "near"), net.pod(node_2, "web")
    net.wait(_UNTIL_READY)
    with lab["underlay"].capture(node_1.name) as wire:
        seen = walk(client, web, timeout=_PATIENCE)
    if not seen:
        return f"client does not reach web: {seen.why}"
    if secret and wire.saw(b"walk"):
        return "what client sends can be read between the nodes"
    between = [hop.length for hop in seen.request if hop.namespace == "underlay"]
    if no_longer and set(between) != {seen.request[0].length}:  # none: something else passes there
        return "what passes between the nodes is longer than what client sent"
    if policies:
        net.apply(as_objects(net.pods, policy("only-near", "web", only_from="near")))
        with web.listen(80):
            if client.connect(web.address, 80, timeout=_PATIENCE):
                return "the policy only-near has no effect: client reaches web"
            if not near.connect(web.address, 80, timeout=_PATIENCE):
                return "near does not reach web, although the policy allows it"
    return ""
