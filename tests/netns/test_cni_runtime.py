"""The runtime drives the course's plugins and the reference ones, and either with the other's IPAM."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labhelpers.cni import Operation, Runtime
from labhelpers.cni.version import SUPPORTED, at_least
from labhelpers.errors import AlreadyExists, BadInput, CniFailed, NotFound, NotYours
from labhelpers.lab import Lab
from labhelpers.topology import Snapshot
from tests.netns.cni import (
    PAIRS,
    addresses,
    cables,
    inside,
    leases,
    links,
    names,
    network,
    on_node,
    plugin,
    results,
    routes,
)  # fmt: skip
from tests.netns.kernel import eventually, state

#: a bridge without a cable, which it is some time after its last cable is gone
DOWN = {"operstate": "DOWN"}


@pytest.fixture
def runtime(lab: Lab) -> Runtime:
    """A runtime on node-1 with the course's own bridge plugin."""
    made = Runtime(lab.node("node-1"), observe=False)
    made.configure(network(version="1.1.0"))
    return made


def test_containers_on_isolated_ports_reach_their_gateway_and_not_one_another(runtime: Runtime) -> None:
    runtime.configure(network(plugin(portIsolation=True)))
    for name in ("web", "db"):
        runtime.add(name)
    web, db = runtime["web"], runtime["db"]
    assert web.ping("10.0.1.1")
    assert not web.ping(db.address, timeout=0.3)


@pytest.mark.parametrize("pair", PAIRS)
def test_add_makes_what_its_result_says(runtime: Runtime, pair: str) -> None:
    main, ipam = PAIRS[pair]
    node = runtime.node
    runtime.configure(network(plugin(main, ipam)))
    operation = runtime.add("web")

    assert operation.ok
    assert operation.result
    (ip,) = operation.result.ips
    mine = operation.result.interfaces[ip.interface or 0]
    assert (mine.name, mine.sandbox) == ("eth0", "/run/netns/cni-web")
    assert links(node, "web")["eth0"]["address"] == mine.mac
    assert addresses(node, "web") == [ip.address]
    assert ("default", "10.0.1.1", "eth0") in routes(node, "web")
    assert names(node) == ["cni-web"]
    (end,) = cables(node)
    assert end in {one.name for one in operation.result.interfaces if not one.sandbox}
    if main.endswith("bridge"):
        assert links(node)[end]["master"] == "cni0"
        assert addresses_of_bridge(runtime) == ["10.0.1.1/24"]
    else:
        assert (ip.address.split("/")[0], "", end) in routes(node)
    assert leases(node) == {ip.address.split("/")[0]: "web eth0"}
    assert results(node) == ["pods-web-eth0"]
    kept = json.loads(Path(f"{node.root}/var/lib/cni/results/pods-web-eth0").read_text())
    assert kept["result"] == operation.exchanges[-1].answer


def addresses_of_bridge(runtime: Runtime) -> list[str]:
    return [f"{one['local']}/{one['prefixlen']}" for one in links(runtime.node)["cni0"]["addr_info"]]


@pytest.mark.parametrize("pair", PAIRS)
def test_pods_talk_to_one_another_and_to_their_node(runtime: Runtime, pair: str) -> None:
    runtime.configure(network(plugin(*PAIRS[pair])))
    for container in ("web", "db"):
        runtime.add(container)
    web, db = runtime["web"], runtime["db"]
    with db.listen(5432):
        assert web.connect(db.address, 5432).saw == web.address
        assert runtime.node.connect(db.address, 5432).ok
    assert db.ping(web.address).ok
    assert web.ping("10.0.1.1").ok


@pytest.mark.parametrize("pair", PAIRS)
def test_del_leaves_the_node_as_it_was(runtime: Runtime, pair: str) -> None:
    """But for the bridge, which is for all containers to come."""
    node = runtime.node
    runtime.configure(network(plugin(*PAIRS[pair])))
    runtime.add("first")
    runtime.delete("first")
    assert eventually(lambda: not cables(node) and links(node).get("cni0", DOWN)["operstate"] == "DOWN")
    before = state("node-1")
    runtime.add("web")
    assert state("node-1") != before
    assert runtime.delete("web").ok
    assert eventually(lambda: state("node-1") == before), "a cable's end may go a little later"
    assert (names(node), leases(node), results(node)) == ([], {}, [])


@pytest.mark.parametrize("pair", PAIRS)
def test_check_and_a_second_del(runtime: Runtime, pair: str) -> None:
    runtime.configure(network(plugin(*PAIRS[pair])))
    runtime.add("web")
    assert runtime.check("web").ok
    inside(runtime.node, "web", "ip", "address", "flush", "dev", "eth0")
    with pytest.raises(CniFailed, match=f"The plugin {PAIRS[pair][0]} refused CHECK with code"):
        runtime.check("web")
    for _ in range(3):
        assert runtime.delete("web").ok
    with pytest.raises(NotFound, match=r"web is not attached by eth0\. CHECK is for what ADD made\."):
        runtime.check("web")


@pytest.mark.parametrize("version", SUPPORTED)
def test_every_version_of_the_specification(runtime: Runtime, version: str) -> None:
    runtime.configure(network(version=version))
    operation = runtime.add("web")
    assert operation.exchanges[0].request["cniVersion"] == operation.exchanges[0].answer["cniVersion"] == version
    assert ("version" in operation.exchanges[0].answer["ips"][0]) is not at_least(version, "1.0.0")
    newer: list[tuple[str, Callable[[], Operation]]] = [
        ("0.4.0", lambda: runtime.check("web")), ("1.1.0", runtime.status), ("1.1.0", runtime.gc),
    ]  # fmt: skip
    for since, call in newer:
        if at_least(version, since):
            assert call().ok
        else:
            with pytest.raises(BadInput, match=f"it is for CNI {version}"):
                call()
    assert addresses(runtime.node, "web") == ["10.0.1.2/24"], "GC has spared it"
    assert runtime.delete("web").ok
    assert leases(runtime.node) == {}


def test_the_highest_version_in_common_is_spoken(runtime: Runtime) -> None:
    runtime.configure({**network(version="0.4.0"), "cniVersions": ["0.4.0", "1.1.0", "9.0.0"]})
    assert runtime.add("web").exchanges[0].request["cniVersion"] == "1.1.0"


def test_what_the_plugins_say_they_speak(runtime: Runtime) -> None:
    assert (
        runtime.versions("lab-bridge") == runtime.versions("lab-host-local") == runtime.versions("lab-ptp") == SUPPORTED
    )
    assert runtime.versions("bridge") == ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0")


def test_each_pod_has_an_address_of_its_own(runtime: Runtime) -> None:
    found = [runtime.add(f"pod-{number}").result for number in range(3)]
    assert [one.ips[0].address for one in found if one] == ["10.0.1.2/24", "10.0.1.3/24", "10.0.1.4/24"]
    assert [addresses(runtime.node, f"pod-{number}") for number in range(3)] == [[f"10.0.1.{n}/24"] for n in (2, 3, 4)]
    assert runtime.attachments() == (("pod-0", "eth0"), ("pod-1", "eth0"), ("pod-2", "eth0"))


def test_a_pod_may_have_several_attachments(runtime: Runtime) -> None:
    node = runtime.node
    runtime.add("web")
    runtime.add("web", "net1")
    assert (addresses(node, "web"), addresses(node, "web", "net1")) == (["10.0.1.2/24"], ["10.0.1.3/24"])
    assert len(cables(node)) == 2
    runtime.delete("web", "eth0")
    assert set(links(node, "web")) == {"lo", "net1"}
    assert leases(node) == {"10.0.1.3": "web net1"}
    assert names(node) == ["cni-web"], "net1 is still in it"
    runtime.delete("web")
    assert (names(node), leases(node), results(node)) == ([], {}, [])


def test_two_networks_for_one_pod(runtime: Runtime) -> None:
    node = runtime.node
    runtime.add("web")
    second = plugin("lab-bridge", "lab-host-local", "10.9.0.0/24", bridge="cni1")
    runtime.configure(network(second, version="1.1.0", name="storage"), "05-storage.conflist")
    runtime.add("web", "net1")
    assert (addresses(node, "web"), addresses(node, "web", "net1")) == (["10.0.1.2/24"], ["10.9.0.2/24"])
    assert ("default", "10.0.1.1", "eth0") in routes(node, "web"), "the default route is the first network's"
    assert results(node) == ["pods-web-eth0", "storage-web-net1"]
    assert runtime.attachments() == (("web", "net1"),)
    assert runtime.gc().ok
    assert set(links(node, "web")) == {"lo", "eth0", "net1"}, "GC is about one network"


def test_del_uses_the_network_of_add_when_another_is_configured_since(runtime: Runtime) -> None:
    node = runtime.node
    runtime.add("web")
    runtime.configure(network(plugin("lab-ptp", "lab-host-local", "10.9.0.0/24"), name="new"), "05-new.conflist")
    operation = runtime.delete("web")
    assert (operation.network, operation.exchanges[0].plugin) == ("pods", "lab-bridge")
    assert (names(node), leases(node), leases(node, "new"), results(node)) == ([], {}, {}, [])


def test_del_works_when_no_network_is_configured_any_more(runtime: Runtime) -> None:
    runtime.add("web")
    Path(f"{runtime.node.root}/etc/cni/net.d/10-lab.conflist").unlink()
    assert runtime.delete("web").ok
    assert (names(runtime.node), leases(runtime.node), results(runtime.node)) == ([], {}, [])
    with pytest.raises(NotFound, match="There is no network configuration"):
        runtime.delete("web")


def test_a_namespace_that_is_there_is_used_and_left(runtime: Runtime) -> None:
    """The second attachment fails; the first one's namespace stays."""
    node = runtime.node
    runtime.add("web")
    runtime.configure(network(plugin("lab-bridge", "nobody"), version="1.1.0", name="other"), "05-other.conflist")
    with pytest.raises(CniFailed):
        runtime.add("web", "net1")
    assert names(node) == ["cni-web"]
    assert set(links(node, "web")) == {"lo", "eth0"}


def test_a_name_left_by_a_namespace_that_is_gone_is_not_in_the_way(runtime: Runtime) -> None:
    node = runtime.node
    on_node(node, "sh", "-c", "mkdir -p /run/netns; : >/run/netns/cni-web")
    assert runtime.add("web").ok
    on_node(node, "umount", "/run/netns/cni-web")
    assert runtime.delete("web").ok
    assert (names(node), leases(node), results(node)) == ([], {}, [])


def test_add_is_not_called_twice(runtime: Runtime) -> None:
    runtime.add("web")
    before = Snapshot.take()
    with pytest.raises(AlreadyExists, match=r"web is attached by eth0 already\. ADD is not called twice"):
        runtime.add("web")
    assert Snapshot.take() == before


def test_the_programs_of_a_pod_end_with_it(runtime: Runtime) -> None:
    runtime.add("web")
    server = runtime["web"].spawn(["sleep", "infinity"])
    runtime.delete("web")
    assert eventually(lambda: not server.running)
    server.stop()


def test_a_pod_belongs_to_its_runtime(runtime: Runtime) -> None:
    runtime.add("web")
    pod = runtime["web"]
    assert (pod.name, pod.container, pod.netns, pod.owner) == ("web", "web", "/run/netns/cni-web", "cni")
    assert (pod.address, pod.node.name) == ("10.0.1.2", "node-1")
    with pytest.raises(NotYours, match=r"web belongs to the cni, not to the lab\. Use the CNI runtime"):
        pod.delete()
    with pytest.raises(NotFound, match="There is no namespace 'cni-db' on this node"):
        runtime["db"]


def test_loopback_is_a_plugin_too(runtime: Runtime) -> None:
    runtime.configure(network({"type": "loopback"}, name="lo"))
    operation = runtime.add("web", "lo")
    assert operation.result
    assert [one.address for one in operation.result.ips][:1] == ["127.0.0.1/8"]
    assert "UP" in links(runtime.node, "web")["lo"]["flags"]
    assert runtime.delete("web").ok
    assert names(runtime.node) == []


def test_nodes_have_pods_results_and_books_of_their_own(lab: Lab) -> None:
    runtimes = [Runtime(lab.node(f"node-{number}"), observe=False) for number in (1, 2)]
    for one in runtimes:
        one.configure(network())
        one.add("web")
    assert [addresses(one.node, "web") for one in runtimes] == [["10.0.1.2/24"]] * 2
    runtimes[0].delete("web")
    assert [names(one.node) for one in runtimes] == [[], ["cni-web"]]


# --- GC and STATUS ----------------------------------------------------------------------------------------------------


def test_gc_takes_back_what_was_leaked(runtime: Runtime) -> None:
    """A pod whose namespace vanished, and an address and a cable that no result knows of."""
    node = runtime.node
    for container in ("stays", "vanishes", "forgotten"):
        runtime.add(container)
    on_node(node, "ip", "netns", "delete", "cni-vanishes")
    Path(f"{node.root}/var/lib/cni/results/pods-forgotten-eth0").unlink()
    operation = runtime.gc()
    assert [(one.command, one.environment.get("CNI_CONTAINERID")) for one in operation.exchanges] == [
        ("DEL", "vanishes"), ("GC", None),
    ]  # fmt: skip
    assert operation.exchanges[-1].request["cni.dev/valid-attachments"] == [{"containerID": "stays", "ifname": "eth0"}]
    assert leases(node) == {"10.0.1.2": "stays eth0"}
    assert results(node) == ["pods-stays-eth0"]
    assert set(links(node, "forgotten")) == {"lo"}
    assert eventually(lambda: len(cables(node)) == 1)
    assert addresses(node, "stays") == ["10.0.1.2/24"]
    assert runtime.check("stays").ok
    runtime.delete("forgotten")


def test_gc_spares_other_networks_and_other_peoples_cables(runtime: Runtime) -> None:
    node = runtime.node
    runtime.configure(network(plugin("lab-ptp", "lab-host-local", "10.9.0.0/24"), version="1.1.0", name="other"))
    runtime.add("db")
    runtime.configure(network(version="1.1.0"))
    on_node(node, "ip", "link", "add", "mine", "type", "veth", "peer", "name", "yours")
    before = links(node)
    assert runtime.gc().ok
    assert links(node) == before
    assert leases(node, "other") == {"10.9.0.2": "db eth0"}
    on_node(node, "ip", "link", "delete", "mine")


def test_gc_goes_on_after_an_error_and_tells_all(runtime: Runtime) -> None:
    node = runtime.node
    runtime.add("web")
    on_node(node, "ip", "netns", "delete", "cni-web")
    runtime.configure(network(plugin("lab-bridge", "nobody"), plugin("lab-ptp", "nothing"), version="1.1.0"))
    kept = Path(f"{node.root}/var/lib/cni/results/pods-web-eth0")
    with pytest.raises(CniFailed) as failed:
        runtime.gc()
    assert not kept.exists(), "DEL was called with the network of ADD, and worked"
    assert failed.value.what.count("refused GC with code 7") == 2
    operation: Any = failed.value.operation
    assert [(one.command, one.plugin, one.ok) for one in operation.exchanges] == [
        ("DEL", "lab-bridge", True), ("GC", "lab-bridge", False), ("GC", "lab-ptp", False),
    ]  # fmt: skip


def test_a_result_is_kept_until_its_del_works(runtime: Runtime) -> None:
    node = runtime.node
    runtime.add("web")
    on_node(node, "ip", "netns", "delete", "cni-web")
    own = Path("/opt/cni/bin/lab-host-local")
    own.rename("/opt/cni/bin/away")
    try:
        with pytest.raises(CniFailed, match="lab-host-local"):
            runtime.gc()
        with pytest.raises(CniFailed, match="lab-host-local"):
            runtime.delete("web")
        assert results(node) == ["pods-web-eth0"]
    finally:
        Path("/opt/cni/bin/away").rename(own)
    assert runtime.gc().ok
    assert (results(node), leases(node)) == ([], {})


def test_status_says_whether_another_pod_would_get_an_address(runtime: Runtime) -> None:
    runtime.configure(network(plugin("lab-bridge", "lab-host-local", "10.0.1.0/30"), version="1.1.0"))
    assert runtime.status().ok
    runtime.add("web")
    with pytest.raises(
        CniFailed, match=r"refused STATUS with code 50 \(the plugin is not available\).*no address is left"
    ):
        runtime.status()
    assert addresses(runtime.node, "web") == ["10.0.1.2/30"]
    runtime.delete("web")
    assert runtime.status().ok


def test_status_sees_a_bridge_that_is_none(runtime: Runtime) -> None:
    on_node(runtime.node, "ip", "link", "add", "cni0", "type", "veth", "peer", "name", "other")
    with pytest.raises(CniFailed, match=r"code 50 .*cni0 is there and is no bridge"):
        runtime.status()
    on_node(runtime.node, "ip", "link", "delete", "cni0")


def test_an_administrator_may_forbid_check_and_gc(runtime: Runtime) -> None:
    runtime.configure(network(version="1.1.0", disableCheck=True, disableGC=True))
    runtime.add("web")
    inside(runtime.node, "web", "ip", "link", "delete", "eth0")
    assert runtime.check("web").ok, "the specification: then always return success"
    assert runtime.check("web").exchanges == ()
    with pytest.raises(BadInput, match="GC is not called on the network pods: disableGC is set"):
        runtime.gc()


# --- configurations ---------------------------------------------------------------------------------------------------


def test_a_node_that_waits_for_its_network_has_an_empty_folder_for_it(lab: Lab) -> None:
    assert on_node(lab.node("node-1"), "ls", "-A", "/etc/cni/net.d") == ""


def test_the_configuration_is_a_file_on_the_node(runtime: Runtime) -> None:
    text = on_node(runtime.node, "cat", "/etc/cni/net.d/10-lab.conflist")
    assert json.loads(text) == network(version="1.1.0")
    on_node(runtime.node, "sh", "-c", "sed -i s/10.0.1.0/10.7.0.0/ /etc/cni/net.d/10-lab.conflist")
    runtime.add("web")
    assert addresses(runtime.node, "web") == ["10.7.0.2/24"]


def test_of_two_configurations_the_first_in_lexical_order_is_used(runtime: Runtime) -> None:
    runtime.configure(network(name="later"), "20-later.conflist")
    runtime.configure(network(name="first"), "05-first.conflist")
    assert runtime.add("web").network == "first"
    assert runtime.passed_over == ("10-lab.conflist", "20-later.conflist")
