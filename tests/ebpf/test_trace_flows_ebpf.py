"""The flow log of eBPF: the same flows as the twin's, from the ring buffer; and the firewall is left alone."""

from __future__ import annotations

from labhelpers.lab import Lab
from labhelpers.networks import Cilium
from labhelpers.trace import observe
from tests.netns.kernel import nft
from tests.netns.observed import reasons_observed


def test_flows_come_from_the_ring_buffer_with_identities(lab: Lab) -> None:
    lab.node("node-1")
    lab.node("node-2")
    assert reasons_observed(lab, Cilium("ebpf")) == {"policy denied (ingress)"}
    with Cilium("ebpf").install(lab) as net:
        node = lab.nodes[0]
        a, b = net.pod(node, "a"), net.pod(node, "b")
        before = nft(node.name)
        with observe(net) as flows:
            assert nft(node.name) == before
            assert a.ping(b, timeout=30).ok
        (one,) = flows.rows
        assert (one.source, one.destination, one.protocol, one.verdict) == ("a", "b", "ICMP", "forwarded")
        assert one.source_identity == one.destination_identity > 0
