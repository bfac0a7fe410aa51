"""Listen to the datapath that is at work on a node, whoever has put it there."""

from __future__ import annotations

from contextlib import suppress

from labhelpers.errors import LabError, NotFound, Vanished
from labhelpers.linux import nft_library
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.networks.cilium.datapath import Events
from labhelpers.networks.cilium.ebpf.events import RingEvents
from labhelpers.networks.cilium.nft.events import LoggedEvents
from labhelpers.networks.cilium.nft.names import TABLE

__all__ = ["events_of"]


def events_of(node: NetworkNamespace) -> Events | None:
    """The events of the twin in nftables or of the one in eBPF, whose tables are found in the kernel.

    Returns:
        ``None`` where neither is at work.

    Raises:
        AlreadyExists: somebody listens already.
        Vanished.
    """
    if nft_library.structure(node, TABLE):
        return LoggedEvents(node.name, node)
    with suppress(NotFound):
        try:
            return RingEvents(node.name, node)
        except Vanished as error:  # the node, not what is looked for in it
            raise LabError(error.what, error.to_do) from None
    return None
