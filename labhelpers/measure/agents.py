"""What a network's agents take in a cluster."""

from __future__ import annotations

from labhelpers.cluster import Cluster
from labhelpers.lab import Lab
from labhelpers.linux import usage
from labhelpers.networks import Network

__all__ = ["memory_of_agents"]


def memory_of_agents(network: Network) -> float:
    """Make a cluster of two nodes, and remove it: bytes of all processes on a node, as soon as it is ready, on average.

    Before it has pods, these are the network's.

    Raises:
        LabError: the cluster cannot be made here, or one runs already.
    """
    with Lab() as lab, Cluster(2, network=network, lab=lab):
        nodes = lab.nodes
        programs = usage.processes_in((node.inode for node in nodes), but=(node.pid for node in nodes))
        return usage.memory(programs) / len(nodes)
