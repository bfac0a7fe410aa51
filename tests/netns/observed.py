"""A network is installed on two nodes, and its flow log compared with what three pods do."""

from __future__ import annotations

from typing import Any

from labhelpers.cni import CniPod
from labhelpers.lab import Lab
from labhelpers.networks import Network
from labhelpers.trace import Flows, observe

__all__ = ["reasons_observed"]


def _objects(pods: dict[str, CniPod]) -> dict[str, list[Any]]:
    """What an API server would say, with a policy that lets only ``near`` talk to ``web``."""

    def pod(name: str, one: CniPod) -> dict[str, Any]:
        meta = {"name": name, "namespace": "default", "labels": {"app": name}}
        return {"metadata": meta, "spec": {"nodeName": one.node.name}, "status": {"podIP": one.address}}

    ingress = [{"from": [{"podSelector": {"matchLabels": {"app": "near"}}}]}]
    spec = {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": ingress}
    return {
        "pods": [pod(name, one) for name, one in pods.items()],
        "namespaces": [{"metadata": {"name": "default", "labels": {}}}],
        "networkpolicies": [{"metadata": {"name": "web", "namespace": "default"}, "spec": spec}],
    }


def _seen(flows: Flows, *pods: CniPod) -> set[tuple[str, str, str, int, str, str]]:
    names = {pod.address: pod.name for pod in pods}
    return {
        (one.node, one.source, one.destination, one.port, one.verdict, one.policy)
        for one in flows.rows
        if {one.source_address, one.destination_address} <= names.keys()
    }


def reasons_observed(nodes: Lab, network: Network) -> set[str]:
    """Let pods talk, and see that the flow log says so; returns why it says that some were dropped."""
    first, second = nodes.nodes
    with network.install(nodes) as net:
        near, web, far = net.pod(first, "near"), net.pod(first, "web"), net.pod(second, "far")
        net.wait()
        with web.listen(80):
            with observe(net) as flows:
                assert near.connect(web, 80, timeout=30).ok
                assert far.connect(web, 80, timeout=30).ok
            everyone = near, web, far
            assert _seen(flows, *everyone) == {
                ("node-1", "near", "web", 80, "forwarded", ""),
                ("node-1", "far", "web", 80, "forwarded", ""),
                ("node-2", "far", "web", 80, "forwarded", ""),
            }
            assert flows.lost == 0
            if not network.enforces:
                return set()
            net.apply(_objects({"near": near, "web": web, "far": far}))
            with observe(net) as flows:
                assert near.connect(web, 80, timeout=30).ok
                assert not far.connect(web, 80, timeout=0.3).ok
            found = _seen(flows, *everyone)
            assert ("node-1", "near", "web", 80, "forwarded", "default/web ingress rule 1") in found
            assert ("node-1", "far", "web", 80, "dropped", "default/web") in found
            assert ("node-1", "far", "web", 80, "forwarded", "") not in found
            return {one.reason for one in flows.rows if one.verdict == "dropped"}
