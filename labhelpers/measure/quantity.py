"""``Quantity``: something that is measured of a network, in what unit, and whether more of it is better."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from labhelpers.errors import BadInput

__all__ = ["QUANTITIES", "Quantity", "quantities_named"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a number means."""

    id: str
    title: str
    unit: str
    more_is_better: bool
    #: how it is measured, in one sentence
    how: str
    #: does it depend on what carries packets, so that it says nothing of a product for which something stands in?
    by_carrier: bool = True
    #: is it the same in every run, so that once is enough?
    is_exact: bool = False
    #: the smallest difference that the instrument tells apart
    step: float = 0.0
    #: is it about the course's own programs and not about how packets travel, so that it ranks nobody?
    of_the_model: bool = False

    @property
    def arrow(self) -> str:
        """For the head of a narrow column: ``↑`` if more is better, ``↓`` if less is."""
        return "↑" if self.more_is_better else "↓"

    def words(self, value: float) -> str:
        """A number with its unit: ``9.81 Gbit/s``.  Three digits; more would be noise."""
        return f"{value:.3g} {self.unit}" if value < 1000 else f"{value:.0f} {self.unit}"


_ALL = (
    Quantity(
        "throughput", "TCP from node to node", "Gbit/s", True,
        "iperf3, one stream from a pod to a pod of the other node; what arrived.",
    ),
    Quantity(
        "processor", "processor time", "s/Gbit", False,
        "What iperf3's two ends and the network's own programs used of the processors meanwhile, for each gigabit.",
    ),
    Quantity(
        "latency", "there and back, node to node", "µs", False,
        "The quickest of a flood of pings to a pod of the other node.", step=1,
    ),
    Quantity(
        "same-node", "there and back, same node", "µs", False,
        "The quickest of a flood of pings to a pod of the same node.", by_carrier=False, step=1,
    ),
    Quantity(
        "connections", "new TCP connections, one after the other", "/s", True,
        "One second divided by the median time of opening a connection to a pod of the other node.",
    ),
    Quantity("ready", "network ready on 2 nodes", "ms", False, "From installing it until each node has its ways."),
    Quantity("pod", "first pod", "ms", False, "From CNI's ADD until the pod has answered a pod of the other node."),
    Quantity(
        "memory", "memory", "MB/node", False,
        "Of the programs that carry packets and make routes on each node; agents are not there without a cluster.",
    ),
    Quantity(
        "agents", "memory in a cluster, with the model's agents", "MB/node", False,
        "Of all that the network runs on a node of a cluster; the agents are programs in Python and not the product's.",
        by_carrier=False, of_the_model=True,
    ),
    Quantity(
        "lines", "state in the kernel", "lines/pod", False,
        "Interfaces, addresses, routes, rules, neighbours, forwarding entries, parts of nftables and entries of eBPF's "
        "maps that a pod adds to both nodes together, with a policy that selects it.", by_carrier=False, is_exact=True,
    ),
    Quantity(
        "rules", "a connection among 1000 policies", "times", False,
        "The quickest connection with 1000 policies that do not select its pods, to that with 10.", by_carrier=False,
        step=0.2,
    ),
)  # fmt: skip

#: by id, in the order of the table
QUANTITIES = {one.id: one for one in _ALL}


def quantities_named(ids: Iterable[str] | None) -> tuple[Quantity, ...]:
    """Those of these ids; all for ``None``.

    Raises:
        BadInput: there is none of this id.
    """
    wanted = list(QUANTITIES) if ids is None else [ids] if isinstance(ids, str) else list(ids)
    for one in wanted:
        if one not in QUANTITIES:
            raise BadInput(f"There is no quantity {one!r} to measure.", f"Choose of {', '.join(QUANTITIES)}.")
    return tuple(one for one in _ALL if one.id in wanted)
