"""The datapath of the Cilium model for whom eBPF is not allowed: nftables where a packet comes in."""

from labhelpers.networks.cilium.nft.datapath import NftDatapath

__all__ = ["NftDatapath"]
