"""The agents of pod networks: one program on each node, which keeps the node's kernel as the API says it must be."""

from labhelpers.cluster.agent.agent import NodeAgent

__all__ = ["NodeAgent"]
