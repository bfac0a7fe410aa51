"""Which datapath runs here: eBPF where the kernel lets us load it, its twin elsewhere."""

from __future__ import annotations

from functools import cache

from labhelpers.errors import KernelFeatureMissing, LabError, NeedsPrivilege
from labhelpers.networks.cilium.ebpf import EbpfDatapath
from labhelpers.networks.cilium.ebpf.loaded import Loaded
from labhelpers.networks.cilium.nft import NftDatapath

__all__ = ["DATAPATHS", "chosen"]

_Kind = type[EbpfDatapath] | type[NftDatapath]
DATAPATHS: dict[str, _Kind] = {kind.name: kind for kind in (EbpfDatapath, NftDatapath)}


def chosen(name: str = "") -> _Kind:
    """The datapath of this name; without one, the first that works here.  Loads the programs to see, and drops them.

    Raises:
        NeedsPrivilege: eBPF was asked for, and the kernel does not let us load any.
        KernelFeatureMissing: the kernel is too old for these programs, which need Linux 5.10.
    """
    if name == NftDatapath.name:
        return NftDatapath
    refused = _refused()
    if refused is None:
        return EbpfDatapath
    if name:
        kind = NeedsPrivilege if isinstance(refused, NeedsPrivilege) else KernelFeatureMissing
        raise kind(
            f"The eBPF programs cannot be loaded here. {refused.what}",
            "Leave the datapath out, or choose datapath='nft': it decides the same, and needs no root.",
        )
    return NftDatapath


@cache
def _refused() -> LabError | None:
    try:
        Loaded.try_out()
    except LabError as error:
        return error
    return None
