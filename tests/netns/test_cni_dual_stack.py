"""Pods with an IPv4 and an IPv6 address, by each plugin."""

from __future__ import annotations

import pytest

from labhelpers.cni import Runtime
from labhelpers.errors import CniFailed
from labhelpers.lab import Lab
from tests.netns.cni import PAIRS, addresses, cables, leases, names, network, on_node, plugin, results, routes
from tests.netns.kernel import eventually, sysctl

BOTH = ("10.0.1.0/24", "fd00:1::/64")


@pytest.fixture
def runtime(lab: Lab) -> Runtime:
    """A runtime on a node that has IPv6, which nodes of the course do not by themselves."""
    node = lab.node("node-1")
    for which in ("all", "default"):
        node.sysctl(f"net.ipv6.conf.{which}.disable_ipv6", 0)
    return Runtime(node, observe=False)


@pytest.mark.parametrize("pair", PAIRS)
def test_a_pod_has_both_and_reaches_its_node_by_both(runtime: Runtime, pair: str) -> None:
    node = runtime.node
    main, ipam = PAIRS[pair]
    runtime.configure(network(plugin(main, ipam, *BOTH)))
    result = runtime.add("web").result
    assert result
    assert sorted(one.address for one in result.ips) == sorted(addresses(node, "web"))
    assert ("default", "10.0.1.1", "eth0") in routes(node, "web")
    assert ("default", "fd00:1::1", "eth0") in routes(node, "web", "-6")
    assert sysctl("net.ipv4.ip_forward", "node-1") == sysctl("net.ipv6.conf.all.forwarding", "node-1") == "1"
    assert list(leases(node).values()) == ["web eth0", "web eth0"]
    for destination in ("10.0.1.1", "fd00:1::1"):
        command = ["ping", "-c", "1", "-W", "1", destination]
        assert eventually(lambda command=command: runtime["web"].run(command).ok), destination  # type: ignore[misc]
    assert runtime.check("web").ok
    assert runtime.delete("web").ok
    assert (names(node), leases(node), results(node)) == ([], {}, [])
    assert eventually(lambda: not cables(node))
    assert [one for one in routes(node, family="-6") if one[0].startswith("fd00:1::") and one[2] != "cni0"] == []


@pytest.mark.parametrize("main", ["lab-bridge", "lab-ptp"])
def test_a_pod_can_send_at_once(runtime: Runtime, main: str) -> None:
    """No second passes in which the kernel makes sure that nobody else has the IPv6 address: IPAM has made sure."""
    runtime.configure(network(plugin(main, "lab-host-local", *BOTH)))
    for container in ("web", "db"):
        runtime.add(container)
    for destination in ("fd00:1::1", "fd00:1::3"):
        assert runtime["web"].run(["ping", "-c", "1", "-W", "1", destination]).ok


@pytest.mark.parametrize("main", ["lab-bridge", "lab-ptp"])
def test_ipv6_alone(runtime: Runtime, main: str) -> None:
    runtime.configure(network(plugin(main, "lab-host-local", "fd00:1::/64")))
    runtime.add("web")
    length = 64 if main == "lab-bridge" else 128
    assert addresses(runtime.node, "web") == [f"fd00:1::2/{length}"]
    assert runtime["web"].run(["ping", "-c", "1", "-W", "1", "fd00:1::1"]).ok
    assert runtime.check("web").ok
    assert runtime.delete("web").ok


@pytest.mark.parametrize("main", ["lab-bridge", "lab-ptp"])
def test_on_a_node_without_ipv6_it_is_refused_whole(lab: Lab, main: str) -> None:
    """Where one of the two addresses cannot be had, a pod with the other would surprise more than none."""
    node = lab.node("node-1")
    runtime = Runtime(node, observe=False)
    runtime.configure(network(plugin(main, "lab-host-local", *BOTH)))
    with pytest.raises(CniFailed, match=r"refused ADD with code 100 .*IPv6"):
        runtime.add("web")
    assert (names(node), leases(node), results(node)) == ([], {}, [])
    assert eventually(lambda: not cables(node))
    assert "inet6" not in on_node(node, "ip", "address")
