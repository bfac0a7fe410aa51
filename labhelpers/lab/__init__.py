"""Labs: nodes, pods, cables and switches, made of namespaces, with the commands that made them."""

from labhelpers.lab.bridge import Bridge
from labhelpers.lab.checkpoint import checkpoint
from labhelpers.lab.lab import Lab
from labhelpers.lab.namespace import Namespace
from labhelpers.lab.node import Node
from labhelpers.lab.pod import Pod
from labhelpers.lab.veth import Veth

__all__ = ["Bridge", "Lab", "Namespace", "Node", "Pod", "Veth", "checkpoint"]
