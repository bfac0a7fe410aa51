"""Two nodes with the pods of the recipes, whose packets eBPF programs move and judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from labhelpers.cni import CniPod
from labhelpers.conformance.policy.recipes import CAST, cast
from labhelpers.lab import Lab, Node
from labhelpers.linux import link
from labhelpers.linux.bpf import filters
from labhelpers.networks.attach import OnCilium
from labhelpers.networks.cilium.datapath import Datapath, Service, Wanted
from labhelpers.networks.cilium.ebpf import EbpfDatapath
from labhelpers.networks.cilium.nft import NftDatapath
from labhelpers.networks.cilium.plan import Attached, planned
from labhelpers.networks.network import Network
from labhelpers.networks.policy import Applied
from labhelpers.networks.policy.world import World
from labhelpers.networks.route import CiliumNative, CiliumVxlan

__all__ = ["EbpfLab", "ebpf_lab", "programs_of", "with_interfaces"]


class _Cables(Network):
    """What Cilium's composition has but for the datapath."""

    name, file = "cables", "10-cables.conflist"
    attach = OnCilium()
    nat_outgoing = False

    def __init__(self, tunnel: bool) -> None:
        self.options = {"tunnel": tunnel}
        self.route = CiliumVxlan if tunnel else CiliumNative


class EbpfLab:
    """The lab, the API's objects of its pods, and a datapath on each node."""

    def __init__(self, lab: Lab, tunnel: bool) -> None:
        self.lab, self.tunnel = lab, tunnel
        self.nodes: list[Node] = [lab.node(f"node-{number}") for number in (1, 2)]
        self.installed = _Cables(tunnel).install(lab)
        self.pods: dict[str, CniPod] = {
            name: self.installed.pod(self.nodes[number % 2], name.replace("/", "-"))
            for number, name in enumerate(sorted(CAST))
        }
        self.installed.wait()
        addresses = {name: pod.address for name, pod in self.pods.items()}
        self.objects: dict[str, list[Any]] = cast(addresses, {name: pod.node.name for name, pod in self.pods.items()})
        self.objects["networkpolicies"] = []
        self.services: tuple[Service, ...] = ()
        self.datapaths: list[Datapath] = [EbpfDatapath(node) for node in self.nodes]
        self.apply()

    def wanted(self, node: Node) -> Wanted:
        """All that a node's datapath is told."""
        attached = with_interfaces(pod for pod in self.pods.values() if pod.node is node)
        own = [text.split("/")[0] for one in node.links() for text in one.addresses]
        peers = [one for one in self.nodes if one is not node]
        wanted, _ = planned(World(self.objects), node, peers, attached, own, tunnel=self.tunnel, services=self.services)
        return wanted

    def apply(self) -> list[Applied]:
        """Let every node be as its objects and services say."""
        return [one.apply(self.wanted(node)) for one, node in zip(self.datapaths, self.nodes, strict=True)]

    def enforce(self, policies: Iterable[Any]) -> list[Applied]:
        """Let every node enforce these policies, and no others."""
        self.objects["networkpolicies"] = list(policies)
        return self.apply()

    def use(self, kind: type[EbpfDatapath] | type[NftDatapath]) -> None:
        """Have the other kind of datapath on every node."""
        for one in self.datapaths:
            one.clean()
        self.datapaths = [kind(node) for node in self.nodes]
        self.apply()

    def on(self, pod: CniPod) -> Datapath:
        """The datapath of the node that a pod is on."""
        return self.datapaths[self.nodes.index(pod.node)]


def with_interfaces(pods: Iterable[CniPod]) -> list[Attached]:
    """Pods of one node, with the names of their cables as the node's routes have them."""
    found = []
    for pod in pods:
        ways = {one.destination: one.device for one in pod.node.routes()}
        mac = next(one.mac for one in pod.links() if one.name == "eth0")
        found.append(Attached(pod.address, ways.get(pod.address) or ways[f"{pod.address}/32"], mac))
    return found


def programs_of(node: Node) -> dict[str, int]:
    """The kernel's numbers of the programs at a node's interfaces."""
    with node._kernel.socket() as netlink:
        at = {one.name: filters.attached(netlink, one.index) for one in link.dump(netlink)}
    return {name: some[0].program for name, some in at.items() if some}


@contextmanager
def ebpf_lab(tunnel: bool, *, clean: bool = True) -> Iterator[EbpfLab]:
    """Make it, and undo everything; without ``clean``, by letting the nodes end."""
    lab = Lab()
    try:
        made = EbpfLab(lab, tunnel)
        yield made
        if clean:
            for one in made.datapaths:
                one.clean()
            made.installed.clean()
    finally:
        lab.reset()
