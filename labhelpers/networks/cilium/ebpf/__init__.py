"""The datapath of a node by eBPF programs; their source is in ``../bpf``."""

from labhelpers.networks.cilium.ebpf.datapath import EbpfDatapath

__all__ = ["EbpfDatapath"]
