"""Chains: a bridge, and plugins of the reference that add to what it made."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from labhelpers.cni import Runtime
from labhelpers.errors import CniFailed
from labhelpers.lab import Lab
from tests.netns.cni import addresses, inside, links, names, network, on_node, plugin, results
from tests.netns.kernel import eventually

PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
FIREWALL = {"type": "firewall", "backend": "iptables"}
TUNING = {
    "type": "tuning",
    "mtu": 1400,
    "sysctl": {"net.core.somaxconn": "500"},
    "capabilities": {"mac": True},
}
BANDWIDTH = {"type": "bandwidth", "capabilities": {"bandwidth": True}}
OFFERED = {
    "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}],
    "mac": "02:11:22:33:44:55",
    "bandwidth": {"ingressRate": 8_000_000, "ingressBurst": 800_000, "egressRate": 4_000_000, "egressBurst": 400_000},
}
BRIDGES = {"our bridge": ("lab-bridge", "lab-host-local"), "their bridge": ("bridge", "host-local")}


@pytest.fixture
def runtime(lab: Lab) -> Runtime:
    lab.node("node-2")
    return Runtime(lab.node("node-1"), observe=False)


def _chain(runtime: Runtime, bridge: str, *more: dict[str, Any]) -> None:
    runtime.configure(network(plugin(*BRIDGES[bridge]), *more))


def _rules(runtime: Runtime) -> list[str]:
    """The firewall of the node, a rule a line, without counters."""
    return on_node(runtime.node, "nft", "--stateless", "list", "ruleset").splitlines()


def _mentions(runtime: Runtime, text: str) -> list[str]:
    return [line.strip() for line in _rules(runtime) if text in line]


@pytest.mark.parametrize("bridge", BRIDGES)
def test_a_port_of_the_node_leads_to_the_pod(lab: Lab, runtime: Runtime, bridge: str) -> None:
    _chain(runtime, bridge, PORTMAP)
    runtime.add("web", capabilities=OFFERED)
    web, outside, node = runtime["web"], lab["node-2"], runtime.node.address
    with web.listen(80):
        assert outside.connect(node, 8080).ok
        assert not outside.connect(node, 80).ok
    assert any(f"dnat to {web.address}:80" in line for line in _rules(runtime))
    address = web.address
    runtime.delete("web")
    assert _mentions(runtime, address) == []
    assert not outside.connect(node, 8080, timeout=0.2).ok


@pytest.mark.parametrize("bridge", BRIDGES)
def test_del_needs_the_runtime_config_of_add(runtime: Runtime, bridge: str) -> None:
    """Kept with the result, and given again.  A runtime that forgets it leaves the port open to whoever comes next."""
    _chain(runtime, bridge, PORTMAP)
    kept = Path(f"{runtime.node.root}/var/lib/cni/results/pods-web-eth0")

    runtime.add("web", capabilities=OFFERED)
    assert json.loads(kept.read_text())["capabilityArgs"] == OFFERED
    operation = runtime.delete("web")
    assert operation.exchanges[0].request["runtimeConfig"] == {"portMappings": OFFERED["portMappings"]}
    assert _mentions(runtime, "dnat to") == []

    runtime.add("web", capabilities=OFFERED)
    address = runtime["web"].address
    note = json.loads(kept.read_text())
    kept.write_text(json.dumps({**note, "capabilityArgs": {}}))
    operation = runtime.delete("web")
    assert operation.ok
    assert "runtimeConfig" not in operation.exchanges[0].request
    assert any(f"dnat to {address}:80" in line for line in _mentions(runtime, "dnat to")), "the port is still open"


@pytest.mark.parametrize("bridge", BRIDGES)
def test_a_firewall_that_drops_lets_the_pod_out(lab: Lab, runtime: Runtime, bridge: str) -> None:
    """As on a machine with a strict firewall, or with Docker on it."""
    _chain(runtime, bridge, FIREWALL)
    node, outside = runtime.node, lab["node-2"]
    on_node(node, "iptables", "--policy", "FORWARD", "DROP")
    runtime.add("web")
    web = runtime["web"]
    outside.add_route("10.0.1.0/24", via=node.address)
    assert web.ping(outside).ok
    assert not outside.ping(web, timeout=0.2).ok, "its rules let in answers only"
    address = web.address
    assert _mentions(runtime, address) != []
    runtime.delete("web")
    assert _mentions(runtime, address) == []


@pytest.mark.parametrize("bridge", BRIDGES)
def test_tuning_changes_what_the_bridge_made(runtime: Runtime, bridge: str) -> None:
    _chain(runtime, bridge, TUNING)
    operation = runtime.add("web", capabilities=OFFERED)
    eth0 = links(runtime.node, "web")["eth0"]
    assert (eth0["address"], eth0["mtu"]) == ("02:11:22:33:44:55", 1400)
    assert inside(runtime.node, "web", "sysctl", "-n", "net.core.somaxconn") == "500\n"
    assert operation.result
    assert [one.mac for one in operation.result.interfaces if one.name == "eth0"] == ["02:11:22:33:44:55"]
    assert runtime.check("web").ok, "a later plugin may change what an earlier one made"
    assert runtime.delete("web").ok


def _needs_shaping() -> None:
    """Ask ``ip`` and ``tc`` whether the kernel has what the bandwidth plugin makes."""
    script = "ip link add probe type ifb && tc qdisc add dev probe root tbf rate 1mbit burst 10kb latency 10ms"
    if subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True, check=False).returncode:
        pytest.skip("this kernel has no ifb or no tbf")


@pytest.mark.parametrize("bridge", BRIDGES)
def test_the_whole_chain(runtime: Runtime, bridge: str) -> None:
    _needs_shaping()
    node = runtime.node
    _chain(runtime, bridge, PORTMAP, FIREWALL, TUNING, BANDWIDTH)
    operation = runtime.add("web", capabilities=OFFERED)
    chain = [BRIDGES[bridge][0], "portmap", "firewall", "tuning", "bandwidth"]
    assert [one.plugin for one in operation.exchanges] == chain
    only = {name: {name: OFFERED[name]} for name in OFFERED}
    assert [one.request.get("runtimeConfig") for one in operation.exchanges] == [
        None, only["portMappings"], None, only["mac"], only["bandwidth"],
    ]  # fmt: skip
    for before, after in zip(operation.exchanges, operation.exchanges[1:], strict=False):
        assert after.request["prevResult"] == before.answer
    queues = json.loads(on_node(node, "tc", "-json", "qdisc", "show"))
    limits = [one["options"]["rate"] for one in queues if one["kind"] == "tbf"]
    assert sorted(limits) == [500_000, 1_000_000], "bytes a second"
    address = runtime["web"].address

    operation = runtime.delete("web")
    assert [one.plugin for one in operation.exchanges] == chain[::-1]
    kept = operation.exchanges[0].request["prevResult"]
    assert all(one.request["prevResult"] == kept for one in operation.exchanges)
    assert [one["name"] for one in kept["interfaces"] if one["name"].startswith("bwp")] != [], "it is the last result"
    assert _mentions(runtime, address) == []
    assert eventually(lambda: set(links(node)) == {"lo", "eth0", "cni0"})
    assert (names(node), results(node)) == ([], [])


@pytest.mark.parametrize("bridge", BRIDGES)
@pytest.mark.parametrize("position", [1, 2, 3])
def test_a_failure_anywhere_in_the_chain_is_undone_everywhere(runtime: Runtime, bridge: str, position: int) -> None:
    chain: list[dict[str, Any]] = [PORTMAP, FIREWALL, TUNING]
    chain.insert(position, {"type": "tuning", "sysctl": {"net.ipv4.nonsense": "1"}})
    _chain(runtime, bridge, *chain)
    with pytest.raises(CniFailed, match="The plugin tuning refused ADD") as failed:
        runtime.add("web", capabilities=OFFERED)
    operation: Any = failed.value.operation
    assert [one.plugin for one in operation.exchanges] == [
        BRIDGES[bridge][0],
        *(one["type"] for one in chain[: position + 1]),
    ]
    assert [one.plugin for one in operation.undo] == [*(one["type"] for one in chain[::-1]), BRIDGES[bridge][0]]
    assert all(one.environment["CNI_COMMAND"] == "DEL" for one in operation.undo)
    assert _mentions(runtime, "10.0.1.") == []
    assert eventually(lambda: set(links(runtime.node)) == {"lo", "eth0", "cni0"})
    assert (names(runtime.node), results(runtime.node)) == ([], [])
    _chain(runtime, bridge, PORTMAP)
    runtime.add("web", capabilities=OFFERED)
    assert len(addresses(runtime.node, "web")) == 1


def test_check_goes_along_the_chain(runtime: Runtime) -> None:
    _chain(runtime, "our bridge", FIREWALL, TUNING)
    runtime.add("web", capabilities=OFFERED)
    assert [one.plugin for one in runtime.check("web").exchanges] == ["lab-bridge", "firewall", "tuning"]
    inside(runtime.node, "web", "ip", "link", "set", "eth0", "mtu", "1300")
    with pytest.raises(CniFailed, match="The plugin tuning refused CHECK") as failed:
        runtime.check("web")
    operation: Any = failed.value.operation
    assert [one.ok for one in operation.exchanges] == [True, True, False]


def test_checking_ports_of_a_pod_without_ipv6_fails_with_the_reference_plugin(runtime: Runtime) -> None:
    """A fact about version 1.1.1: portmap looks for IPv6 rules that it did not make."""
    _chain(runtime, "our bridge", PORTMAP)
    runtime.add("web", capabilities=OFFERED)
    with pytest.raises(CniFailed, match=r"The plugin portmap refused CHECK with code 999 .*could not check ipv6 dnat"):
        runtime.check("web")
