"""Which datapath runs here: eBPF where the kernel lets us load it, its twin elsewhere."""

from __future__ import annotations

import os
from functools import cache

from labhelpers.errors import NeedsPrivilege
from labhelpers.linux import bpf
from labhelpers.networks.cilium.ebpf import EbpfDatapath
from labhelpers.networks.cilium.nft import NftDatapath

__all__ = ["DATAPATHS", "chosen"]

_Kind = type[EbpfDatapath] | type[NftDatapath]
DATAPATHS: dict[str, _Kind] = {kind.name: kind for kind in (EbpfDatapath, NftDatapath)}


def chosen(name: str = "") -> _Kind:
    """The datapath of this name; without one, the first that works here.  Loads a small program to see, and drops it.

    Raises:
        NeedsPrivilege: eBPF was asked for, and the kernel does not let us load any.
    """
    if name == NftDatapath.name:
        return NftDatapath
    refused = _refused()
    if not refused:
        return EbpfDatapath
    if name:
        raise NeedsPrivilege(
            f"No eBPF program can be loaded here: {refused}.",
            "Leave the datapath out, or choose datapath='nft': it decides the same, and needs no root.",
        )
    return NftDatapath


@cache
def _refused() -> str:
    try:
        os.close(bpf.load())
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""
