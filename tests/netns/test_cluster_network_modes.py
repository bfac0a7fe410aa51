"""Every network in every mode, brought by its agents: the network model by packets, and nothing of the one before."""

from __future__ import annotations

import pytest

from labhelpers.conformance import across_nodes, network_model
from labhelpers.conformance.policy import truth_table
from labhelpers.networks import Calico, Canal, Cilium, Flannel, Network
from tests.netns.networked import networked

pytestmark = pytest.mark.once

NAT, POLICY = "ip nat_outgoing", "ip network_policy"
CILIUM = {"cilium_host", "cilium_net"}
#: each with the interfaces, the programs that may serve them, the tables and the rules that it has on a node
EVERY: dict[str, tuple[Network, set[str], set[str], set[str], set[str]]] = {
    "flannel vxlan": (Flannel(), {"cni0", "flannel.1"}, set(), {NAT}, set()),
    "flannel host-gw": (Flannel("host-gw"), {"cni0"}, set(), {NAT}, set()),
    "flannel wireguard": (Flannel("wireguard"), {"cni0", "flannel-wg"}, {"wireguard-go"}, {NAT}, set()),
    "calico ipip": (Calico("ipip"), {"tunl0"}, {"bird"}, {NAT, POLICY}, set()),
    "calico vxlan": (Calico("vxlan"), {"vxlan.calico"}, set(), {NAT, POLICY}, set()),
    "calico vxlan-cross-subnet": (Calico("vxlan-cross-subnet"), {"vxlan.calico"}, set(), {NAT, POLICY}, set()),
    "calico bgp": (Calico("bgp"), set(), {"bird"}, {NAT, POLICY}, set()),
    "calico wireguard": (Calico(wireguard=True), {"wireguard.cali"}, {"wireguard-go"}, {NAT, POLICY}, {"99"}),
    "canal": (Canal(), {"flannel.1"}, set(), {NAT, POLICY}, set()),
    "cilium nft vxlan": (
        Cilium("nft"),
        {*CILIUM, "cilium_vxlan"},
        set(),
        {NAT, "netdev cilium", "netdev cilium_vni", "ip cilium_guard"},
        {"1000"},
    ),
    "cilium nft native": (Cilium("nft", tunnel=""), CILIUM, set(), {NAT, "netdev cilium", "ip cilium_guard"}, set()),
}
DENY = {"metadata": {"name": "deny"}, "spec": {"podSelector": {"matchLabels": {"app": "a"}}, "ingress": []}}


@pytest.mark.parametrize("name", EVERY)
def test_it_has_nothing_of_the_network_before_and_meets_the_model_by_its_agents(name: str) -> None:
    """A fresh cluster each time, right after one that had another network."""
    network, links, programs, tables, rules = EVERY[name]
    with networked(network) as made:
        pods = list(made.run("a", "b", "c", "d").values())
        for node in made.nodes:
            marks = made.marks(node)
            assert marks.pop("programs") <= programs  # some kernels need none
            assert marks == {"links": links, "configurations": {network.file}, "tables": tables, "rules": rules}
        # BGP's sessions come a moment after the nodes are ready, WireGuard's keys with the first packet
        assert made.comes(lambda: all(a.ping(b).ok for a in pods for b in pods))
        rows = [*network_model(made.lab, pods=pods), *across_nodes(made.lab, pods=pods)]
        assert {row.id: row.seen for row in rows if not row.ok} == {}
        made.enforce([DENY])
        if network.enforces:
            assert made.comes(lambda: truth_table(made.objects(), [("TCP", 80)]).ok)
        else:
            table = truth_table(made.objects(), [("TCP", 80)])
            assert {cell.destination for cell in table.mismatches} == {"default/a"}
            assert all(cell.seen == "allowed" for cell in table.mismatches)
