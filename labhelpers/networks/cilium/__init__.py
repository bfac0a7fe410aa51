"""The parts of the Cilium model: identities instead of addresses, and two datapaths that enforce them."""

from labhelpers.networks.cilium.datapath import Datapath, Wanted

__all__ = ["Datapath", "Wanted"]
