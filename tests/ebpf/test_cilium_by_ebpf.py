"""The datapath by eBPF: it moves packets without the node's routing, decides as the policies say, and outlives all."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from labhelpers.cni import CniPod
from labhelpers.conformance.across import across_nodes
from labhelpers.conformance.network import network_model
from labhelpers.conformance.policy import RECIPES, Recipe, truth_table
from labhelpers.conformance.policy.recipes import CAST, OUTSIDE
from labhelpers.errors import BadInput
from labhelpers.lab import Node
from labhelpers.linux.bpf import find
from labhelpers.linux.bpf.program import Program
from labhelpers.networks.cilium.datapath import INVALID_SOURCE, POLICY, Allowed, Service
from labhelpers.networks.cilium.ebpf.loaded import Loaded
from labhelpers.networks.cilium.ebpf.reasons import NOT_IPV4
from labhelpers.trace import walk
from tests.ebpf.ebpf_lab import EbpfLab, ebpf_lab, programs_of

DROPPED = 2  # TC_ACT_SHOT


@pytest.fixture(scope="module", params=[True, False], ids=["vxlan", "native"])
def made(request: pytest.FixtureRequest) -> Iterator[EbpfLab]:
    with ebpf_lab(request.param) as lab:
        yield lab


def policy(name: str, app: str, **spec: Any) -> dict[str, Any]:
    selector = {"matchLabels": {"app": app}} if app else {}
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"podSelector": selector, **spec}}


def test_it_meets_the_network_model(made: EbpfLab) -> None:
    made.enforce([])
    pods = list(made.pods.values())
    rows = [*network_model(made.lab, pods=pods), *across_nodes(made.lab, pods=pods)]
    assert [row for row in rows if not row.ok] == []


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_it_passes_the_recipe(made: EbpfLab, recipe: Recipe) -> None:
    made.enforce(recipe.policies)
    table = truth_table(made.objects, recipe.tables)
    assert table.mismatches == ()
    ours = {
        (source, destination, protocol, port): verdict
        for source, destination, protocol, port, verdict in recipe.connections()
        if OUTSIDE not in (source, destination)
    }
    assert {(c.source, c.destination, c.protocol, c.port): c.expected for c in table.cells} == ours


def test_packets_move_although_the_nodes_route_nothing(made: EbpfLab) -> None:
    made.enforce([])
    try:
        for node in made.nodes:
            node.sysctl("net.ipv4.ip_forward", 0)
        for one in made.pods.values():
            for other in made.pods.values():
                if one is not other:
                    assert one.ping(other, timeout=30)
    finally:
        for node in made.nodes:
            node.sysctl("net.ipv4.ip_forward", 1)


def test_a_packet_to_a_pod_of_the_same_node_makes_no_stop_at_the_nodes_end_of_its_cable(made: EbpfLab) -> None:
    made.enforce([])
    web, db = neighbours(made)
    assert web.ping(db, timeout=30)  # what must be asked before, is known now
    with db.node.capture(cable_of(made, db)) as at_the_node, db.capture() as in_the_pod:
        assert web.ping(db, timeout=30)
        assert in_the_pod.wait_for(lambda one: one.summary.startswith("echo request"), 30)
        assert at_the_node.wait_for(lambda one: one.summary.startswith("echo reply"), 30)  # on its way out of the pod
    assert [one.summary for one in at_the_node.packets if one.direction == "out"] == []


def test_what_goes_to_another_node_says_who_sent_it(made: EbpfLab) -> None:
    made.enforce([])
    web, api = strangers(made)
    identities = {one.address: one.identity for one in made.on(web).tables()["endpoints"]}
    with web.node.capture("eth0") as wire:
        assert web.ping(api, timeout=30)
        assert wire.wait_for(lambda one: "echo request" in one.summary, 30)
    (sent,) = {one.summary for one in wire.packets if "echo request" in one.summary}
    assert (f"vni {identities[web.address]}" in sent) is made.tunnel


def test_the_gateway_is_answered_for_by_the_program(made: EbpfLab) -> None:
    web, _ = neighbours(made)
    cable = cable_of(made, web)
    web.node.sysctl(f"net.ipv4.conf.{cable}.proxy_arp", 0)
    (gateway,) = {one.via for one in web.routes() if one.via}
    with web.capture() as wire:
        web.run("ip neighbour flush dev eth0")
        assert web.ping(web.node, timeout=30)
        assert wire.wait_for(lambda one: one.protocol == "ARP" and one.source == gateway, 30)
    mac = next(one.mac for one in web.node.links() if one.name == cable)
    assert f"{gateway} is at {mac}" in {one.summary for one in wire.packets}
    web.node.sysctl(f"net.ipv4.conf.{cable}.proxy_arp", 1)


def test_a_pod_cannot_speak_in_anothers_name(made: EbpfLab) -> None:
    made.enforce([])
    web, db = neighbours(made)
    api = strangers(made)[1]
    events = made.on(web).events()
    try:
        with api.capture() as wire:
            web.run("ip address add 10.9.9.9/32 dev eth0")
            with web._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as liar:
                liar.bind(("10.9.9.9", 0))
                liar.sendto(b"x", (api.address, 4000))
                liar.sendto(b"x", (db.address, 4000))
            assert web.ping(api, timeout=30)
            assert wire.wait_for(lambda one: one.source == web.address, 30)
        assert "10.9.9.9" not in {one.source for one in wire.packets}
        told = [one for one in events.read(1) if one.source == "10.9.9.9"]
        assert {(one.destination, one.forwarded, one.reason) for one in told} == {
            (api.address, False, INVALID_SOURCE),
            (db.address, False, INVALID_SOURCE),
        }
    finally:
        events.close()
        web.run("ip address delete 10.9.9.9/32 dev eth0")


def test_events_say_who_was_let_through_and_who_decided(made: EbpfLab) -> None:
    web, db = made.pods["shop/web"], made.pods["shop/db"]
    selected = [{"podSelector": {"matchLabels": {"app": "web"}}}]
    made.enforce([policy("db", "db", ingress=[{"ports": [{"port": 9}]}, {"from": selected, "ports": [{"port": 80}]}])])
    events = made.on(db).events()
    try:
        with db.listen(80), db.listen(81):
            assert web.connect(db, 80, timeout=30).ok
            assert not web.connect(db, 81, timeout=0.3).ok
        told = [
            (one.destination_port, one.forwarded, one.direction, one.reason, one.policy, one.rule)
            for one in events.read(1)
            if (one.source, one.destination) == (web.address, db.address)
        ]
    finally:
        events.close()
    assert (80, True, "ingress", "", "shop/db", 2) in told
    assert (81, False, "ingress", POLICY, "", 0) in told
    assert {one[0] for one in told} == {80, 81}
    counted = made.on(db).counters()
    assert [one.packets for one in counted.where(policy="shop/db", what="rule 2")] == [1]
    assert [one.packets >= 1 for one in counted.where(direction="ingress", what=POLICY)] == [True]


def test_flows_that_have_begun_go_on_and_new_ones_do_not_begin(made: EbpfLab) -> None:
    for source, target in (neighbours(made), strangers(made)):
        made.enforce([])
        at = (target.address, 8000)
        with (
            target._kernel.visit(partial(socket.create_server, at)) as server,
            source._kernel.visit(lambda: socket.socket()) as client,
        ):
            client.settimeout(30)
            client.connect(at)
            accepted, _ = server.accept()
            with accepted:
                accepted.settimeout(30)
                made.enforce(deny_all())
                client.sendall(b"still here")
                assert accepted.recv(64) == b"still here"
                accepted.sendall(b"and here")
                assert client.recv(64) == b"and here"
                assert not source.connect(target, 8000, timeout=0.3).ok


def test_an_answer_begins_no_connection_of_its_own(made: EbpfLab) -> None:
    """web may ask db; that db answers does not let it ask web from the same port."""
    web, db = made.pods["shop/web"], made.pods["shop/db"]
    made.enforce([policy("quiet", "web", ingress=[])])
    with db.listen(80), web.listen(4000):
        with web._kernel.visit(lambda: socket.socket()) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.bind((web.address, 4001))
            client.settimeout(30)
            client.connect((db.address, 80))
            assert client.recv(100)
        assert not db.connect(web, 4000, timeout=0.3).ok
        with db._kernel.visit(lambda: socket.socket()) as back:
            back.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            back.settimeout(0.3)
            with pytest.raises(OSError, match="timed out"):
                back.connect((web.address, 4001))


def test_a_connection_that_was_not_answered_is_asked_about_again(made: EbpfLab) -> None:
    """The first try was allowed and met nobody; the second, from the same port, is not."""
    web, db = made.pods["shop/web"], made.pods["shop/db"]
    made.enforce([])
    at = (db.address, 8123)
    with web._kernel.visit(lambda: socket.socket()) as first:
        first.bind((web.address, 4300))
        first.settimeout(30)
        with pytest.raises(ConnectionRefusedError):
            first.connect(at)
    made.enforce([policy("db", "db", ingress=[])])
    with db.listen(8123), web._kernel.visit(lambda: socket.socket()) as second:
        second.bind((web.address, 4300))
        second.settimeout(0.3)
        with pytest.raises(TimeoutError):
            second.connect(at)


def test_a_router_that_says_no_is_heard(made: EbpfLab) -> None:
    """ICMP errors about a flow come back, also where nothing else may come in."""
    made.enforce([policy("quiet", "web", ingress=[])])
    web, db = made.pods["shop/web"], made.pods["shop/db"]
    with web._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp:
        udp.settimeout(30)
        udp.connect((db.address, 4444))  # where nobody listens
        udp.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            udp.recv(1)


def test_time_to_live_ends_at_the_node(made: EbpfLab) -> None:
    made.enforce([])
    web, api = strangers(made)
    with web._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp:
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
        udp.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
        udp.settimeout(30)
        udp.connect((api.address, 4444))
        udp.send(b"x")
        with pytest.raises(OSError, match="No route to host"):
            udp.recv(1)


def test_a_tables_end_is_said_and_nothing_has_changed(made: EbpfLab) -> None:
    made.enforce([policy("db", "db", ingress=[{"ports": [{"port": 80}]}])])
    datapath, wanted = made.datapaths[0], made.wanted(made.nodes[0])
    before = datapath.tables()
    rule = Allowed(300, "ingress", 301, 6, 1, 65534, "shop/much", 1)  # 65534 ports are 30 prefixes
    many = tuple(replace(rule, subject=300 + number) for number in range(2500))
    much = tuple(replace(rule, remote=300 + number, first=1, last=1) for number in range(20000))
    for allowed, said in ((many, "eBPF map 'policy', which is full"), (much, "its datapath has room for 16384")):
        with pytest.raises(BadInput, match=said):
            datapath.apply(replace(wanted, allowed=allowed))
        assert datapath.tables()["policy"] == before["policy"]
    assert not datapath.apply(wanted).changed


def test_what_somebody_changes_by_hand_is_made_right(made: EbpfLab) -> None:
    made.enforce([policy("db", "db", ingress=[])])
    web, db = made.pods["shop/web"], made.pods["shop/db"]
    cable = cable_of(made, db)
    db.node.run(f"tc qdisc delete dev {cable} clsact")
    applied = made.on(db).apply(made.wanted(db.node))
    assert f"{cable}: program from_pod attached" in applied.commands
    with Loaded.at(db.node._kernel) as loaded:
        loaded.maps["isolated"].clear()
    with db.listen(80):
        assert web.connect(db, 80, timeout=30).ok
        applied = made.on(db).apply(made.wanted(db.node))
        assert applied.repaired
        assert not web.connect(db, 80, timeout=0.3).ok


def test_a_service_is_one_address_for_several_pods(made: EbpfLab) -> None:
    made.enforce([])
    clients = [made.pods["blog/web"], made.pods["shop/web"]]
    backends = [one for one in made.pods.values() if one not in clients][:3]
    address, port = "10.96.0.10", 8080
    made.services = (
        Service("shop/api", address, port, 6, tuple((one.address, 7080) for one in backends)),
        Service("shop/dns", address, port, 17, tuple((one.address, 53) for one in backends[:1])),
        Service("shop/none", address, 9090, 6, ()),
    )
    made.apply()
    try:
        with ExitStack() as servers:
            for one in backends:
                servers.enter_context(one.listen(7080))
            for client in clients:
                replies = [client.connect(address, port, timeout=30) for _ in range(24)]
                assert {one.saw for one in replies} == {client.address}  # no address but the service's is replaced
            counted = {
                one.destination
                for datapath in made.datapaths
                for one in datapath.tables()["flows"].where(destination_port=7080, protocol=6)
            }
            assert counted == {one.address for one in backends}
            assert not clients[0].connect(address, 9090, timeout=0.3).ok
        datagrams(clients[0], address, port, backends[0])
        names = [(one.name, len(one.backends)) for one in made.datapaths[0].tables()["services"]]
        assert sorted(names) == [("shop/api", 3), ("shop/dns", 1), ("shop/none", 0)]
    finally:
        made.services = ()
        made.apply()
    assert not clients[0].connect(address, port, timeout=0.3).ok


def test_a_pod_reaches_itself_by_the_service_that_it_is_behind(made: EbpfLab) -> None:
    made.enforce(deny_all())
    web = made.pods["shop/web"]
    made.services = (Service("shop/web", "10.96.0.12", 80, 6, ((web.address, 8080),)),)
    made.apply()
    try:
        with web.listen(8080):
            said = web.connect("10.96.0.12", 80, timeout=30)
        assert said.saw == "169.254.42.1"
    finally:
        made.services = ()
        made.apply()


def test_the_same_port_may_ask_a_service_and_then_the_pod_itself(made: EbpfLab) -> None:
    made.enforce([])
    for client, pod in (neighbours(made), strangers(made)):
        made.services = (Service("shop/api", "10.96.0.13", 80, 17, ((pod.address, 5300),)),)
        made.apply()
        with udp(client, client.address, 4600) as asks, udp(pod, pod.address, 5300) as answers:
            for there in (("10.96.0.13", 80), (pod.address, 5300), ("10.96.0.13", 80)):
                asks.connect(there)
                asks.send(b"?")
                answers.sendto(b"!", answers.recvfrom(1)[1])
                assert asks.recv(1) == b"!"  # it comes from whom was asked: a connected socket takes no other
    made.services = ()
    made.apply()


def test_datagrams_from_the_same_port_follow_a_service_to_another_pod(made: EbpfLab) -> None:
    made.enforce([])
    client, first = neighbours(made)
    _, second = strangers(made)
    with (
        udp(client, client.address, 4601) as asks,
        udp(first, first.address, 5301) as one,
        udp(second, second.address, 5301) as other,
    ):
        asks.connect(("10.96.0.14", 53))
        for pod, answers in ((first, one), (second, other)):
            made.services = (Service("shop/dns", "10.96.0.14", 53, 17, ((pod.address, 5301),)),)
            made.apply()
            asks.send(b"?")
            answers.sendto(b"!", answers.recvfrom(1)[1])
            assert asks.recv(1) == b"!"
    made.services = ()
    made.apply()


def udp(pod: CniPod, address: str, port: int) -> socket.socket:
    made = pod._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    made.settimeout(30)
    made.bind((address, port))
    return made


def datagrams(client: CniPod, address: str, port: int, backend: CniPod) -> None:
    """Long ones, so that they come in pieces, there and back; the answer comes from the service's address."""
    here = (backend.address, 53)
    with (
        client._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asks,
        backend._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as answers,
    ):
        answers.bind(here)
        for one in (asks, answers):
            one.settimeout(30)
        asks.connect((address, port))
        for size in (1, 1400, 4000):
            asks.send(b"?" * size)
            said, sender = answers.recvfrom(9000)
            assert (said, sender[0]) == (b"?" * size, client.address)
            answers.sendto(b"!" * size, sender)
            assert asks.recv(9000) == b"!" * size


def test_a_policy_is_about_the_pod_behind_a_service(made: EbpfLab) -> None:
    web, db = made.pods["shop/web"], made.pods["shop/db"]
    made.services = (Service("shop/db", "10.96.0.11", 80, 6, ((db.address, 5432),)),)
    selected = [{"podSelector": {"matchLabels": {"app": "web"}}}]
    try:
        made.enforce([policy("db", "db", ingress=[{"from": selected, "ports": [{"port": 5432}]}])])
        with db.listen(5432):
            assert web.connect("10.96.0.11", 80, timeout=30).ok
            assert not made.pods["shop/api"].connect("10.96.0.11", 80, timeout=0.3).ok
    finally:
        made.services = ()
        made.apply()


def test_programs_and_their_tables_are_shown(made: EbpfLab) -> None:
    made.enforce([])
    tables = made.datapaths[0].tables()
    cables = {one.interface for one in tables["endpoints"]}
    expected = dict.fromkeys(cables, "from_pod") | {"eth0": "from_uplink"}
    if made.tunnel:
        expected["cilium_vxlan"] = "from_overlay"
    assert {one.interface: one.program for one in tables["programs"]} == expected
    assert {one.maps for one in tables["programs"]} == {len(tables["maps"])}
    assert tables["maps"]["endpoints"].entries == len(cables)
    assert 5e6 < sum(one.memory for one in tables["maps"]) < 20e6
    assert all(one.machine_code > 1000 for one in tables["programs"])


def test_nothing_but_ipv4_leaves_a_pod(made: EbpfLab) -> None:
    made.enforce([])
    web, api = strangers(made)
    with web.node.capture("eth0") as wire:
        with web._kernel.visit(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) as raw:
            raw.bind(("eth0", 0))
            mac = bytes.fromhex(next(one.mac for one in web.links() if one.name == "eth0").replace(":", ""))
            raw.send(b"\xff" * 6 + mac + b"\x86\xdd" + bytes(60))
            raw.send(b"\xff" * 6 + mac + b"\x88\xb5" + bytes(60))
        assert web.ping(api, timeout=30)
        assert wire.wait_for(lambda one: "echo reply" in one.summary, 30)
    assert {one.protocol for one in wire.packets} <= {"ICMP", "ARP", "VXLAN"}
    assert [one.packets for one in made.on(web).counters().where(what=NOT_IPV4)] == [2]


@given(st.data())
@settings(max_examples=200, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_no_packet_whatever_it_is_reaches_a_pod_that_hears_nobody(made: EbpfLab, data: st.DataObject) -> None:
    """Any bytes at all, given to the program at eth0: what is for the pod is dropped."""
    if made.objects["networkpolicies"] != deny_all():
        made.enforce(deny_all())
    db = next(one for one in made.objects["pods"] if one["metadata"]["name"] == "db")["status"]["podIP"]
    rest = data.draw(st.binary(max_size=120))
    first = data.draw(st.sampled_from([0x45, 0x46, 0x4F, 0x44, 0x40, 0x60]))
    protocol = data.draw(st.sampled_from([1, 6, 17, 4, 47, 132, 255]))
    fragment = data.draw(st.sampled_from([0, 0x2000, 0x1FFF, 0x2001]))
    header = struct.pack("!BBHHHBBH4s", first, 0, 20 + len(rest), 7, fragment, 64, protocol, 0, bytes([10, 0, 9, 9]))
    packet = bytes(12) + b"\x08\x00" + header + socket.inet_aton(db) + rest
    with at_uplink(made.pods["shop/db"].node) as loaded:
        # the kernel makes no packet of less than an IP header
        cut = packet[: data.draw(st.integers(34, len(packet)))]
        assert [loaded.run(one)[0] for one in (packet, cut)] == [DROPPED, DROPPED]


@contextmanager
def at_uplink(node: Node) -> Iterator[Program]:
    """The program at a node's eth0."""
    loaded = Program(find.open_program(programs_of(node)["eth0"]), "from_uplink")
    try:
        yield loaded
    finally:
        loaded.close()


def test_a_walk_says_which_program_dropped_the_packet(made: EbpfLab) -> None:
    for source, target in (neighbours(made), strangers(made)):
        made.enforce([])
        assert walk(source, target).ok
        made.enforce(deny_all())
        seen = walk(source, target)
        assert not seen.ok
        assert seen.why
        cable = cable_of(made, source)
        assert seen.why.what == f"The eBPF program from_pod at {source.node.name}/{cable} dropped it."
        assert (seen.why.kind, seen.why.kernel_says) == ("program", "tc ingress")


def test_a_walk_ends_in_the_pods_although_programs_hand_the_packet_over_within_one_moment(made: EbpfLab) -> None:
    made.enforce([])
    source, target = strangers(made)
    hops = walk(source, target).hops
    inner = "cilium_vxlan" if made.tunnel else "eth0"
    for pod, packet in ((target, "request"), (source, "reply")):
        *_, before, last = [hop.place for hop in hops if hop.packet == packet]
        assert (before, last) == (f"{pod.node.name}/{inner}", f"{pod.name}/eth0")


def neighbours(made: EbpfLab) -> tuple[CniPod, CniPod]:
    """Two pods of one node."""
    web = made.pods["blog/web"]
    return web, next(one for one in made.pods.values() if one is not web and one.node is web.node)


def strangers(made: EbpfLab) -> tuple[CniPod, CniPod]:
    """Two pods of different nodes."""
    web = made.pods["blog/web"]
    return web, next(one for one in made.pods.values() if one.node is not web.node)


def cable_of(made: EbpfLab, pod: CniPod) -> str:
    return next(str(one.interface) for one in made.on(pod).tables()["endpoints"] if one.address == pod.address)


def deny_all() -> list[dict[str, Any]]:
    return [
        {
            "metadata": {"name": "deny", "namespace": name},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        }
        for name in sorted({name.split("/")[0] for name in CAST})
    ]
