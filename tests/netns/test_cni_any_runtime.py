"""The course's plugins are programs like any others: a runtime of fifty lines of shell drives them too."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from labhelpers.cni import Result, Runtime
from labhelpers.cni.programs import install
from labhelpers.lab import Lab, Node
from tests.netns.cni import PAIRS, cables, leases, names, network, on_node, plugin
from tests.netns.kernel import eventually

pytestmark = pytest.mark.once

SCRIPT = Path(__file__).with_name("data") / "tiny-runtime.sh"
OURS = [pair for pair, (main, ipam) in PAIRS.items() if "lab-" in main + ipam]


@pytest.fixture
def node(lab: Lab) -> Node:
    node = lab.node("node-1")
    install(node)
    return node


def _tiny(node: Node, command: str, container: str, config: dict[str, Any], valid: str = "") -> Any:
    """Run the small runtime in the node; what it prints as a value, with ``ok``."""
    enter = ["nsenter", "-t", str(node.pid), "-n", "-m", "-u", "--"]
    variables = ["env", f"CONFLIST={json.dumps(config)}", f"VALID={valid}"]
    done = subprocess.run([*enter, *variables, SCRIPT, command, container], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return {"ok": done.returncode == 0, **json.loads(done.stdout or "{}")}


def _inside(node: Node, container: str) -> Any:
    found = json.loads(on_node(node, "ip", "-n", container, "-json", "address"))
    return {
        one["ifname"]: [f"{ip['local']}/{ip['prefixlen']}" for ip in one["addr_info"] if ip["scope"] == "global"]
        for one in found
    }


@pytest.mark.parametrize("pair", OURS)
def test_add_check_del(node: Node, pair: str) -> None:
    config = network(plugin(*PAIRS[pair]))
    added = _tiny(node, "ADD", "web", config)
    assert added["ok"]
    assert _inside(node, "web")["eth0"] == [one.address for one in Result.parse(added).ips]
    assert _tiny(node, "CHECK", "web", config) == {"ok": True}
    for _ in range(2):
        assert _tiny(node, "DEL", "web", config) == {"ok": True}
    assert (names(node), leases(node)) == ([], {})
    assert eventually(lambda: not cables(node))


def test_a_chain_with_plugins_of_the_reference(node: Node) -> None:
    config = network(plugin(), {"type": "tuning", "mtu": 1300}, {"type": "firewall", "backend": "iptables"})
    assert _tiny(node, "ADD", "web", config)["ok"]
    (eth0,) = json.loads(on_node(node, "ip", "-n", "web", "-json", "link", "show", "eth0"))
    assert eth0["mtu"] == 1300
    assert _tiny(node, "DEL", "web", config)["ok"]


def test_status_and_gc(node: Node) -> None:
    config = network(version="1.1.0")
    assert _tiny(node, "STATUS", "", config) == {"ok": True}
    for container in ("web", "gone"):
        _tiny(node, "ADD", container, config)
    on_node(node, "ip", "netns", "delete", "gone")
    assert _tiny(node, "GC", "", config, valid="web") == {"ok": True}
    assert leases(node) == {"10.0.1.2": "web eth0"}
    assert eventually(lambda: len(cables(node)) == 1)
    assert _inside(node, "web")["eth0"] == ["10.0.1.2/24"]


def test_its_error_objects_arrive(node: Node) -> None:
    answer = _tiny(node, "ADD", "web", network(plugin("lab-bridge", "nobody")))
    assert not answer["ok"]
    assert (answer["code"], answer["cniVersion"]) == (7, "1.0.0")
    on_node(node, "ip", "netns", "delete", "web")


def test_two_runtimes_on_one_node_share_the_books(node: Node) -> None:
    config = network()
    ours = Runtime(node, observe=False)
    ours.configure(config)
    assert _tiny(node, "ADD", "web", config)["ips"][0]["address"] == "10.0.1.2/24"
    (ip,) = ours.add("db").result.ips  # type: ignore[union-attr]
    assert ip.address == "10.0.1.3/24"
    assert leases(node) == {"10.0.1.2": "web eth0", "10.0.1.3": "db eth0"}


@pytest.mark.parametrize(("first", "then"), [("host-local", "lab-host-local"), ("lab-host-local", "host-local")])
def test_either_ipam_goes_on_with_the_books_of_the_other(node: Node, first: str, then: str) -> None:
    """The files are the same, so an administrator may change from one to the other while pods run."""
    before, after = (network(plugin("lab-bridge", ipam)) for ipam in (first, then))
    assert _tiny(node, "ADD", "old", before)["ips"][0]["address"] == "10.0.1.2/24"
    assert _tiny(node, "ADD", "new", after)["ips"][0]["address"] == "10.0.1.3/24"
    assert _tiny(node, "CHECK", "old", after) == {"ok": True}
    assert _tiny(node, "DEL", "old", after) == {"ok": True}
    assert leases(node) == {"10.0.1.3": "new eth0"}
    assert _tiny(node, "DEL", "new", before) == {"ok": True}
    assert leases(node) == {}
