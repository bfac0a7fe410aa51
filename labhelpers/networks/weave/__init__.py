"""A model of Weave's router: a user-space program on each node that carries the frames of a bridge to other nodes.

Peers tell one another by TCP who is connected with whom, so that any connected graph will do.  Frames travel by UDP,
encrypted if there is a password, or by the kernel's VXLAN between two peers that are connected directly.
"""
