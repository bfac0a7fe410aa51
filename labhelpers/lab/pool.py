"""A pool of pod addresses: one node's share of the cluster's pod network."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network

from labhelpers.errors import AlreadyExists, BadInput, PoolExhausted
from labhelpers.linux import names

__all__ = ["Pool", "free_block", "pod_block"]

_FIRST_POD = 10  # .1 is the bridge; the numbers up to .9 are left for what a lesson adds


def pod_block(cidr: str, *, taken: dict[str, str]) -> IPv4Network:
    """Check a node's pod CIDR: IPv4, room for a pod, and no overlap.

    Args:
        taken: who has which block already, ``{"node-1": "10.0.1.0/24"}``.
    """
    block = names.network(cidr)
    if not isinstance(block, IPv4Network):
        raise BadInput(f"{cidr} is IPv6; lab nodes have IPv4 pods.", "Use a block such as '10.0.3.0/24'.")
    if block.prefixlen > 28:
        raise BadInput(
            f"{cidr} has {block.num_addresses} addresses; pods begin at number {_FIRST_POD}.", "Use a /28 or larger."
        )
    for owner, other in taken.items():
        if block.overlaps(IPv4Network(other)):
            raise BadInput(
                f"{cidr} overlaps {other} of {owner}: an address in both would have two places.",
                "Choose a block nobody has.",
            )
    return block


def free_block(number: int, taken: dict[str, str]) -> IPv4Network:
    """The block of the node with this number, 10.0.NUMBER.0/24, or the next one that overlaps none of these."""
    blocks = [IPv4Network(other) for other in taken.values()]
    for third in (*range(number, 256), *range(number)):
        block = IPv4Network(f"10.0.{third}.0/24")
        if not any(block.overlaps(other) for other in blocks):
            return block
    raise PoolExhausted("Every block from 10.0.0.0/24 to 10.0.255.0/24 is in use.", "Give the node a pod_cidr.")


class Pool:
    """Addresses of one block, handed out in order.  A lease ends with its pod, however the pod ended."""

    def __init__(self, block: IPv4Network, alive: Callable[[str], bool]) -> None:
        self.block = block
        self._alive = alive
        self._leases: dict[int, str] = {}  # by the address's number in the block
        self._lowest = _FIRST_POD  # no number below is free

    @property
    def gateway(self) -> str:
        """The first address of the block: the bridge's, and the pods' default gateway."""
        return str(self.block[1])

    def lease(self, pod: str, wanted: str | None = None) -> str:
        """Hand out an address: the lowest free one, or the one wanted.

        Raises:
            BadInput: not an address a pod can have here.
            AlreadyExists: another pod has it.
            PoolExhausted: no address is left.
        """
        number = self._lowest_free() if wanted is None else self._checked(wanted)
        holder = self._leases.get(number)
        if holder is not None and self._alive(holder):
            raise AlreadyExists(
                f"{self.block[number]} is the address of {holder}.", "Leave the address out to get a free one."
            )
        self._leases[number] = pod
        return str(self.block[number])

    def release(self, pod: str) -> None:
        """The pod is gone: its address is free."""
        self._keep(lambda holder: holder != pod)

    def release_address(self, address: str) -> None:
        """The address was leased for a pod that was not made."""
        self._leases.pop(int(IPv4Address(address)) - int(self.block[0]), None)
        self._lowest = _FIRST_POD

    def _lowest_free(self) -> int:
        for _ in range(2):
            for number in range(self._lowest, self.block.num_addresses - 1):
                if number not in self._leases:
                    self._lowest = number
                    return number
            self._keep(self._alive)
        raise PoolExhausted(
            f"All {self.block.num_addresses - 1 - _FIRST_POD} pod addresses of {self.block} are in use.",
            "Delete a pod, or make the node with a larger pod_cidr.",
        )

    def _keep(self, wanted: Callable[[str], bool]) -> None:
        self._leases = {number: pod for number, pod in self._leases.items() if wanted(pod)}
        self._lowest = _FIRST_POD

    def _checked(self, wanted: str) -> int:
        address = names.address(wanted)
        if not isinstance(address, IPv4Address) or address not in self.block:
            raise BadInput(
                f"{wanted} is outside {self.block}, the block of this node's pods.",
                f"Choose one between {self.block[2]} and {self.block[-2]}.",
            )
        if address in (self.block[0], self.block[1], self.block[-1]):
            raise BadInput(
                f"{wanted} is not for a pod: it is the network's, the gateway's or the broadcast address.",
                f"Choose one between {self.block[2]} and {self.block[-2]}.",
            )
        return int(address) - int(self.block[0])
