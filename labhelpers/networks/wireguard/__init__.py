"""WireGuard on a node: by the kernel where it can, by wireguard-go where it cannot; keys; what it is told."""

from labhelpers.networks.wireguard.interface import add, change, in_kernel, read, remove, require
from labhelpers.networks.wireguard.keys import Keys
from labhelpers.networks.wireguard.x25519 import public_key

__all__ = ["Keys", "add", "change", "in_kernel", "public_key", "read", "remove", "require"]
