"""Flannel, Calico and Canal on a lab: each meets the network model, in every mode, and leaves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from labhelpers.conformance import across_nodes, network_model
from labhelpers.course.facts import facts
from labhelpers.errors import AlreadyExists, BadInput, ToolMissing
from labhelpers.lab import Lab
from labhelpers.networks import Calico, Canal, Cilium, Flannel, Installed, Network, PlainBridge, Weave
from labhelpers.networks.nat_outgoing import TABLE
from labhelpers.networks.route import WireGuard
from labhelpers.trace import walk
from tests.netns.everything import Everything

EVERY = {
    "bridge": PlainBridge(),
    "flannel vxlan": Flannel(),
    "flannel host-gw": Flannel("host-gw"),
    "flannel wireguard": Flannel("wireguard"),
    "calico ipip": Calico("ipip"),
    "calico vxlan": Calico("vxlan"),
    "calico vxlan-cross-subnet": Calico("vxlan-cross-subnet"),
    "calico bgp": Calico("bgp"),
    "calico wireguard": Calico(wireguard=True),
    "canal": Canal(),
    "cilium nft vxlan": Cilium("nft"),
    "cilium nft native": Cilium("nft", tunnel=""),
    "weave": Weave(),
    "weave sleeve": Weave(fast=False, npc=False),
    "weave encrypted": Weave(password="open sesame"),
}


@pytest.fixture(scope="module")
def nodes() -> Iterator[Lab]:
    lab = Lab()
    lab.node("node-1")
    lab.node("node-2")
    yield lab
    lab.reset()


def _with_pods(network: Network, lab: Lab) -> Installed:
    installed = network.install(lab)
    for node in lab.nodes:
        for number in (1, 2):
            installed.pod(node, f"{node.name}-pod-{number}")
    installed.wait()
    return installed


@pytest.mark.parametrize("name", EVERY)
def test_it_meets_the_network_model_and_leaves_nothing(nodes: Lab, name: str) -> None:
    before = Everything.now(nodes, firewall=True).snapshot
    with _with_pods(EVERY[name], nodes) as installed:
        assert len(installed.pods) == 4
        rows = [*network_model(nodes, pods=installed.pods), *across_nodes(nodes, pods=installed.pods)]
        assert {row.id: row.seen for row in rows if not row.ok} == {}
        assert all(leg.ok for leg in installed.status())
    assert Everything.now(nodes, firewall=True).snapshot == before


def test_a_calico_pod_is_wired_as_calico_wires_it(nodes: Lab) -> None:
    with Calico("vxlan").install(nodes) as installed:
        node = nodes.nodes[0]
        pod = installed.pod(node, "web")
        (end,) = [one for one in node.links() if one.name.startswith("cali")]
        assert len(end.name) == 15 and end.mac == "ee:ee:ee:ee:ee:ee"
        assert [one.via for one in pod.routes().where(destination="default")] == ["169.254.1.1"]
        assert pod.links()["eth0"].addresses == (f"{pod.address}/32",)
        assert [one.device for one in node.routes().where(destination=f"{pod.address}/32")] == [end.name]
        assert not [one for one in node.links() if one.kind == "bridge"]
        assert pod.ping("169.254.1.1").ok is False  # nobody has the address
        assert pod.ping(node.address).ok
        assert {one.address: one.mac for one in pod.neighbours()}["169.254.1.1"] == end.mac


def test_a_walk_names_the_switch_it_is_at_though_those_of_all_nodes_have_one_mac(nodes: Lab) -> None:
    with Flannel("host-gw").install(nodes) as installed:
        here, there = (installed.pod(node, name) for node, name in zip(nodes.nodes, ("here", "there"), strict=True))
        assert len({node.links()["cni0"].mac for node in nodes.nodes}) == 1
        seen = walk(here, there)
    changed = [
        hop.changed[0]
        for packet in (seen.request, seen.reply)
        for hop in packet
        if hop.device == "cni0" and hop.changed
    ]
    assert [words.split(" (")[0] for words in changed] == ["source MAC now node-2/cni0", "source MAC now node-1/cni0"]


def test_what_leaves_the_cluster_gets_its_nodes_address_and_the_rest_does_not(nodes: Lab) -> None:
    first, second = nodes.nodes
    for nat_outgoing in (True, False):
        with Calico("vxlan", nat_outgoing=nat_outgoing).install(nodes) as installed:
            here, there = installed.pod(first, "here"), installed.pod(second, "there")
            with there.listen(80), second.listen(8080):
                assert here.connect(there.address, 80).saw == here.address
                assert here.connect(second.address, 8080).saw == (first.address if nat_outgoing else here.address)
        assert TABLE not in first.ruleset()


def test_flannel_enforces_no_policy_and_calico_does(nodes: Lab) -> None:
    first, second = nodes.nodes
    for network, reached in ((Flannel(), True), (Calico("vxlan"), False), (Canal(), False)):
        with network.install(nodes) as installed:
            here, there = installed.pod(first, "here"), installed.pod(second, "there")
            meta = {"namespace": "default", "name": "there", "labels": {"app": "there"}}
            pod = {"metadata": meta, "spec": {"nodeName": second.name}, "status": {"podIP": there.address}}
            policy = {"metadata": {"name": "deny", "namespace": "default"}, "spec": {"podSelector": {}, "ingress": []}}
            applied = installed.apply({"pods": [pod], "namespaces": [], "networkpolicies": [policy]})
            assert bool(applied) is not reached
            with there.listen(80):
                assert here.connect(there.address, 80, timeout=0.3).ok is reached


@pytest.mark.parametrize(
    ("make", "to_do"),
    [
        (lambda: Flannel("udp"), "vxlan, host-gw, wireguard"),
        (lambda: Calico("geneve"), "ipip, vxlan, vxlan-cross-subnet, bgp"),
        (lambda: Calico("bgp", wireguard=True), "ipip, vxlan, vxlan-cross-subnet, bgp"),
        (lambda: Calico(wireguard="yes"), "wireguard=True or wireguard=False"),  # type: ignore[arg-type]
        (lambda: Canal(nat_outgoing=1), "nat_outgoing=True"),  # type: ignore[arg-type]
        (lambda: Cilium("iptables"), "ebpf, nft"),
        (lambda: Cilium(tunnel="geneve"), "vxlan"),
        (lambda: Cilium(["ebpf"]), "ebpf, nft"),  # type: ignore[arg-type]
    ],
)
def test_settings_that_cannot_be_are_refused_with_those_that_can(make: Callable[[], Network], to_do: str) -> None:
    with pytest.raises(BadInput) as caught:
        make()
    assert to_do in caught.value.to_do


@pytest.mark.parametrize(
    ("network", "others"),
    [
        (Flannel("wireguard"), "vxlan, host-gw"),
        (Calico(wireguard=True), "ipip, vxlan, vxlan-cross-subnet, bgp"),
        (Calico("bgp"), "vxlan, vxlan-cross-subnet"),
        (Calico("ipip"), "vxlan, vxlan-cross-subnet"),
    ],
    ids=repr,
)
def test_where_a_program_is_missing_the_modes_that_need_none_are_named(
    nodes: Lab, network: Network, others: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if network.route.needs == {"wireguard"} and _kernel_has_wireguard(nodes):
        pytest.skip("this kernel has its own WireGuard")
    before = Everything.now(nodes, firewall=True)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolMissing) as caught:
        network.install(nodes)
    monkeypatch.undo()
    assert caught.value.to_do.endswith(f"Or choose a mode of {network.name} that does without: {others}.")
    assert Everything.now(nodes, firewall=True) == before


def _kernel_has_wireguard(lab: Lab) -> bool:
    with WireGuard(lab) as carrier:
        return "kernel" in carrier.way


def test_one_network_at_a_time(nodes: Lab) -> None:
    with Flannel().install(nodes):
        before = Everything.now(nodes, firewall=True)
        with pytest.raises(AlreadyExists, match="flannel"):
            Calico().install(nodes)
        assert Everything.now(nodes, firewall=True) == before


@pytest.mark.parametrize("network", EVERY.values(), ids=EVERY)
def test_it_says_what_it_leaves_out(network: Network) -> None:
    rows = network.about()
    assert len({row.part for row in rows}) == len(rows) > 0
    assert all(row.real and row.model and row.leaves_out for row in rows)
    days = {one.checked for one in facts().values() if one.id.startswith(network.name)}
    assert {row.checked for row in rows} - {""} <= days  # a day without a dated fact would be made up
