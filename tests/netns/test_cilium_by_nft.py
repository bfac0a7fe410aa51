"""Cilium's twin by nftables: who sent a packet is on the wire, flows go on, and nothing slips past the policies."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from labhelpers.cni import CniPod
from labhelpers.conformance.policy import truth_table
from labhelpers.conformance.policy.recipes import CAST, OUTSIDE, cast
from labhelpers.errors import AlreadyExists, BadInput, CniFailed
from labhelpers.lab import Lab, Node
from labhelpers.linux import nft_library
from labhelpers.networks import Cilium, Installed
from labhelpers.networks.cilium.datapath import INVALID_SOURCE, POLICY, FlowEvent
from labhelpers.networks.cilium.doorbell import Doorbell
from labhelpers.networks.cilium.ebpf.reasons import NO_FIRST_FRAGMENT
from labhelpers.networks.cilium.nft import NftDatapath
from labhelpers.networks.cilium.nft.names import GUARD, TABLE
from labhelpers.networks.cilium.node import CiliumNode
from tests.netns.kernel import eventually, shell
from tests.netns.wire import recorded
from tests.random_policies import policies

PORTS = (("TCP", 80), ("TCP", 8080), ("UDP", 80))
TUNNEL = 8472
SYN = 2


class Made:
    """Two nodes with the pods of the recipes, and a third node that is no part of the cluster."""

    def __init__(self, lab: Lab, tunnel: str) -> None:
        self.tunnel = tunnel
        self.nodes: list[Node] = [lab.node(f"node-{number}") for number in (1, 2)]
        self.net: Installed = Cilium("nft", tunnel=tunnel).install(lab)
        self.pods: dict[str, CniPod] = {
            name: self.net.pod(self.nodes[number % 2], name.replace("/", "-"))
            for number, name in enumerate(sorted(CAST))
        }
        self.net.wait()
        self.stranger = lab.node("node-3")
        for node in self.nodes:
            self.stranger.add_route(node.pod_cidr, via=node.address)
        addresses = {name: pod.address for name, pod in self.pods.items()}
        self.objects: dict[str, list[Any]] = cast(addresses, {name: pod.node.name for name, pod in self.pods.items()})
        self.web, self.api, self.db = (self.pods[f"shop/{name}"] for name in ("web", "api", "db"))

    def enforce(self, *some: Any) -> None:
        self.objects["networkpolicies"] = list(some)
        self.net.apply(self.objects)

    def on(self, pod: CniPod) -> CiliumNode:
        found = self.net.enforcers[pod.node.name]
        assert isinstance(found, CiliumNode)
        return found

    def near(self, pod: CniPod) -> CniPod:
        """Another pod of the same node."""
        return next(one for one in self.pods.values() if one.node is pod.node and one is not pod)

    def far(self, pod: CniPod) -> CniPod:
        """A pod of the other node."""
        return next(one for one in self.pods.values() if one.node is not pod.node)


@pytest.fixture(scope="module", params=["vxlan", ""], ids=["vxlan", "native"])
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    lab = Lab()
    try:
        yield Made(lab, request.param)
    finally:
        lab.reset()


@pytest.fixture(autouse=True)
def nothing_enforced(made: Made) -> None:
    made.enforce()


def policy(name: str, app: str, **spec: Any) -> dict[str, Any]:
    selector = {"matchLabels": {"app": app}} if app else {}
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"podSelector": selector, **spec}}


def deny_all() -> list[dict[str, Any]]:
    both = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return [
        {"metadata": {"name": "deny", "namespace": name}, "spec": both}
        for name in ("shop", "blog", "ops", "kube-system")
    ]


@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # to make an example smaller takes many packets
    suppress_health_check=list(HealthCheck),
)
@given(random=st.lists(policies, min_size=1, max_size=6, unique_by=lambda one: one["metadata"]["name"]))
def test_random_policies_do_to_packets_what_the_oracle_says(made: Made, random: list[dict[str, Any]]) -> None:
    made.enforce(*random)
    table = truth_table(made.objects, PORTS, outside={OUTSIDE: made.stranger.address})
    assert not table.mismatches
    assert all(one.seen in ("allowed", "blocked") for one in table.cells)


def test_what_goes_to_another_node_says_who_sent_it(made: Made) -> None:
    number = made.on(made.web).identities.of_pod(made.web.address)
    assert number
    target = made.far(made.web)
    with recorded(made.web.node) as wire:
        assert made.web.ping(target, timeout=30)
        packets = wire.wait_for(lambda one: one.source in (made.web.address, made.web.node.address))
    if made.tunnel:
        sent = next(
            one for one in packets if one.protocol == socket.IPPROTO_UDP and one.source == made.web.node.address
        )
        assert struct.unpack_from("!H", sent.payload, 2) == (TUNNEL,)
        assert int.from_bytes(sent.payload[12:15], "big") == number
    else:
        assert {one.source for one in packets if one.protocol == socket.IPPROTO_ICMP} >= {made.web.address}


def test_the_receiver_takes_the_senders_word_for_who_it_is(made: Made) -> None:
    """The identity on the wire decides, not the address: the receiver's own list of addresses is made wrong."""
    target = made.far(made.web)
    datapath = made.on(target).datapath
    assert isinstance(datapath, NftDatapath)
    assert datapath.reads_identities is bool(made.tunnel)
    if not made.tunnel:
        return  # by plain routes nothing travels but addresses
    app = target.name.partition("-")[2]
    selected = {"matchLabels": {"app": "web"}}
    allow = policy("only-web", "", ingress=[{"from": [{"namespaceSelector": {}, "podSelector": selected}]}])
    allow["metadata"]["namespace"] = next(name.split("/")[0] for name, pod in made.pods.items() if pod is target)
    made.enforce(allow)
    shell(f"nft delete element {TABLE} ipcache {{ {made.web.address} }}", target.node.name)
    with target.listen(9000):
        assert made.web.connect(target, 9000, timeout=30).ok, app
    other = next(one for one in made.pods.values() if one.node is made.web.node and "web" not in one.name)
    shell(f"nft add element {TABLE} ipcache {{ {made.web.address} : 1 }}", target.node.name)
    with target.listen(9000):
        assert not other.connect(target, 9000, timeout=0.3).ok


def test_flows_that_have_begun_go_on_and_new_ones_do_not_begin(made: Made) -> None:
    for target in (made.near(made.web), made.far(made.web)):
        made.enforce()
        at = (target.address, 8000)
        with (
            target._kernel.visit(partial(socket.create_server, at)) as server,
            made.web._kernel.visit(lambda: socket.socket()) as client,
        ):
            client.settimeout(30)
            client.connect(at)
            accepted, _ = server.accept()
            with accepted:
                accepted.settimeout(30)
                made.enforce(*deny_all())
                client.sendall(b"still here")
                assert accepted.recv(64) == b"still here"
                accepted.sendall(b"and here")
                assert client.recv(64) == b"and here"
                assert not made.web.connect(target, 8000, timeout=0.3).ok


def test_an_answer_begins_no_connection_of_its_own(made: Made) -> None:
    made.enforce(policy("quiet", "web", ingress=[]))
    with made.web._kernel.visit(lambda: socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind((made.web.address, 4001))
        client.settimeout(30)
        with made.db.listen(80):
            client.connect((made.db.address, 80))
            assert client.recv(100)
        with recorded(made.web) as wire:
            with made.db._kernel.visit(
                lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            ) as raw:
                raw.sendto(_begin(made.db.address, 80, made.web.address, 4001), (made.web.address, 0))
            assert made.web.ping(made.db, timeout=30)
            packets = wire.wait_for(lambda one: (one.protocol, one.source) == (socket.IPPROTO_ICMP, made.db.address))
        assert not [one for one in packets if one.protocol == socket.IPPROTO_TCP and one.payload[13] == SYN]


def _begin(source: str, source_port: int, destination: str, port: int) -> bytes:
    """The first packet of a TCP connection."""
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, 64, 6, 0) + addresses
    return header + struct.pack("!HHIIBBHHH", source_port, port, 1, 0, 5 << 4, SYN, 1000, 0, 0)


def test_pings_come_back_in_fragments_too_although_nothing_else_may_come_in(made: Made) -> None:
    made.enforce(policy("quiet", "web", ingress=[]))
    for target in (made.near(made.web), made.far(made.web)):
        for size in (56, 4000):
            done = made.web.run(f"ping -c 2 -i 0.2 -W 30 -s {size} {target.address}")
            assert " 0% packet loss" in done.stdout, size
    assert not made.near(made.web).ping(made.web, timeout=0.3)


def test_a_datagram_in_fragments_arrives_and_a_fragment_alone_does_not(made: Made) -> None:
    made.enforce(policy("only", "db", ingress=[{"ports": [{"port": 5000, "protocol": "UDP"}]}]))
    source = made.far(made.db)
    with (
        made.db._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as server,
        source._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client,
    ):
        server.bind((made.db.address, 5000))
        server.settimeout(30)
        client.sendto(bytes(6000), (made.db.address, 5000))
        assert len(server.recv(10000)) == 6000
    events = made.on(source).datapath.events()  # its own node stops it
    try:
        with source._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)) as raw:
            raw.sendto(_fragment(source.address, made.db.address), (made.db.address, 0))
        told = _until(events, lambda one: bool(one.reason))
    finally:
        events.close()
    assert [(one.source, one.forwarded, one.reason) for one in told if one.reason] == [
        (source.address, False, NO_FIRST_FRAGMENT)
    ]


def _fragment(source: str, destination: str) -> bytes:
    """The second part of a datagram whose first was never sent."""
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    return struct.pack("!BBHHHBBH", 0x45, 0, 28, 4242, 100, 64, 17, 0) + addresses + b"whatever"


def _until(events: Any, wanted: Any) -> list[FlowEvent]:
    told: list[FlowEvent] = []

    def read() -> bool:
        told.extend(events.read(0.1))
        return any(map(wanted, told))

    assert eventually(read), told
    return told


def test_a_router_that_says_no_is_heard(made: Made) -> None:
    made.enforce(policy("quiet", "web", ingress=[]))
    with made.web._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp:
        udp.settimeout(30)
        udp.connect((made.db.address, 4444))  # where nobody listens
        udp.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            udp.recv(1)


def test_a_stranger_gets_the_answer_from_the_address_that_it_asked(made: Made) -> None:
    """What leaves the cluster gets the node's address, but not an answer to somebody outside."""
    with (
        made.db._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as server,
        made.stranger._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client,
    ):
        server.bind((made.db.address, 5001))
        for one in (server, client):
            one.settimeout(30)
        client.sendto(b"question", (made.db.address, 5001))
        _, asker = server.recvfrom(64)
        assert asker[0] == made.stranger.address
        server.sendto(b"answer", asker)
        assert client.recvfrom(64) == (b"answer", (made.db.address, 5001))
    with made.stranger.listen(5002):
        assert made.db.connect(made.stranger, 5002, timeout=30).saw == made.db.node.address


def test_a_pod_cannot_speak_in_anothers_name(made: Made) -> None:
    target = made.near(made.web)
    events = made.on(made.web).datapath.events()
    made.web.run("ip address add 10.9.9.9/32 dev eth0")
    try:
        with made.web._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as liar:
            liar.bind(("10.9.9.9", 0))
            liar.sendto(b"x", (target.address, 4000))
            liar.sendto(b"x", (made.web.node.address, 4000))
        told = _until(events, lambda one: one.destination == made.web.node.address)
    finally:
        events.close()
        made.web.run("ip address delete 10.9.9.9/32 dev eth0")
    assert {(one.source, one.destination, one.forwarded, one.reason) for one in told} == {
        ("10.9.9.9", target.address, False, INVALID_SOURCE),
        ("10.9.9.9", made.web.node.address, False, INVALID_SOURCE),
    }


def test_events_and_counters_say_who_was_let_through_and_who_decided(made: Made) -> None:
    selected = [{"podSelector": {"matchLabels": {"app": "web"}}}]
    made.enforce(policy("db", "db", ingress=[{"ports": [{"port": 9}]}, {"from": selected, "ports": [{"port": 80}]}]))
    node = made.on(made.db)
    events = node.datapath.events()
    try:
        with pytest.raises(AlreadyExists):
            node.datapath.events()
        with made.db.listen(80), made.db.listen(81):
            assert made.web.connect(made.db, 80, timeout=30).ok
            assert not made.web.connect(made.db, 81, timeout=0.3).ok
            told = _until(events, lambda one: one.destination_port == 81)
    finally:
        events.close()
    numbers = [node.identities.of_pod(pod.address) for pod in (made.web, made.db)]
    mine = [one for one in told if one.destination == made.db.address]
    assert {(one.source_identity, one.destination_identity) for one in mine} == {tuple(numbers)}
    decided = {(one.destination_port, one.forwarded, one.direction, one.reason, one.policy, one.rule) for one in mine}
    assert decided == {(80, True, "ingress", "", "shop/db", 2), (81, False, "ingress", POLICY, "", 0)}
    assert events.lost == 0
    counted = node.datapath.counters()
    assert [one.packets for one in counted.where(policy="shop/db", what="rule 2")] == [1]
    assert [one.packets >= 1 for one in counted.where(direction="ingress", what=POLICY)] == [True]
    lines = node.datapath.tables()["policy"].where(policy="shop/db", rule=2)
    assert [(one.subject, one.remote, one.protocol, one.port, one.packets) for one in lines] == [
        (numbers[1], numbers[0], 6, "80", 1)
    ]


def test_of_a_pod_that_is_no_endpoint_yet_nothing_passes_the_node(made: Made) -> None:
    """The plugin has made the cable, and nobody has told the datapath: the cable is taken from it."""
    node, target = made.web.node, made.near(made.web)
    cable = next(one.device for one in node.routes() if one.destination == f"{made.web.address}/32")
    shell(f"nft delete chain {TABLE} at-{cable}", node.name)
    before = _dropped(node)
    with target.listen(9001):
        assert not made.web.connect(target, 9001, timeout=0.5).ok
        assert _dropped(node) > before
        made.net.apply(made.objects)
        assert made.web.connect(target, 9001, timeout=30).ok


def _dropped(node: Node) -> int:
    parts = nft_library.parsed(node._kernel, GUARD)
    (found,) = (
        one["counter"]["packets"]
        for part in parts
        for one in (part.get("rule") or {}).get("expr", ())
        if "counter" in one
    )
    return int(found)


def test_what_somebody_changes_by_hand_is_made_right(made: Made) -> None:
    made.enforce(policy("quiet", "db", ingress=[]))
    node = made.db.node
    with made.db.listen(80):
        for harm in (
            f"nft flush map {TABLE} ingress",
            f"nft flush chain {TABLE} begins",
            f"nft add element {TABLE} own '{{ {made.db.address}, {made.web.address} }}'",
            f"nft delete table {TABLE}",
        ):
            shell(harm, node.name)
            applied = made.net.apply(made.objects)[node.name]
            assert applied.repaired, harm
            assert not made.web.connect(made.db, 80, timeout=0.3).ok, harm
            assert not made.net.apply(made.objects)[node.name].changed


def test_a_successor_takes_over_and_flows_go_on(made: Made) -> None:
    """An agent that was killed remembers nothing: what it left passes packets, and the next one finds it."""
    made.enforce(policy("only-web", "db", ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]))
    node, at = made.db.node, (made.db.address, 8000)
    with (
        made.db._kernel.visit(partial(socket.create_server, at)) as server,
        made.web._kernel.visit(lambda: socket.socket()) as client,
    ):
        client.settimeout(30)
        client.connect(at)
        accepted, _ = server.accept()
        with accepted:
            made.enforce(*deny_all())
            successor = CiliumNode(
                node,
                lambda: [one for one in made.nodes if one is not node],
                NftDatapath(node),
                tunnel=bool(made.tunnel),
            )
            applied = successor.apply(made.objects)
            assert not applied.repaired
            accepted.settimeout(30)
            client.sendall(b"still here")
            assert accepted.recv(64) == b"still here"
            assert not made.web.connect(made.db, 8000, timeout=0.3).ok
            assert not successor.apply(made.objects).changed


def test_a_flow_that_there_is_no_room_for_does_not_begin_and_it_is_said(made: Made) -> None:
    node = made.web.node
    target = made.near(made.web)
    datapath = made.on(made.web).datapath
    nft_library.load(node._kernel, f"flush set {TABLE} flows")
    for begin in range(0, 65535, 1000):  # an ordinary user may send no more at once
        some = range(begin, min(begin + 1000, 65535))
        filled = ", ".join(f"10.255.0.1 . {number} . 10.255.0.2 . 9 . tcp timeout 1h" for number in some)
        nft_library.load(node._kernel, f"add element {TABLE} flows {{ {filled} }}")
    events = datapath.events()
    try:
        with target.listen(9002):
            assert not made.web.connect(target, 9002, timeout=0.3).ok
            told = _until(events, lambda one: one.destination_port == 9002)
            assert {one.reason for one in told if one.destination_port == 9002 and not one.forwarded} == {
                "no room for another flow"
            }
            assert [one.packets >= 1 for one in datapath.counters().where(what="no room for another flow")] == [True]
            nft_library.load(node._kernel, f"flush set {TABLE} flows")
            assert made.web.connect(target, 9002, timeout=30).ok
    finally:
        events.close()


def test_time_to_live_ends_at_the_node(made: Made) -> None:
    with made.web._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp:
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
        udp.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
        udp.settimeout(30)
        udp.connect((made.far(made.web).address, 4444))
        udp.send(b"x")
        with pytest.raises(OSError, match=os.strerror(113)):  # EHOSTUNREACH: time exceeded
            udp.recv(1)


def test_an_address_list_that_has_no_room_is_refused_and_everything_is_as_before(made: Made) -> None:
    node = made.on(made.web)
    before = node.datapath.tables()
    objects = {**made.objects, "pods": [*made.objects["pods"], *_many(made.objects["pods"][0], 16400)]}
    with pytest.raises(BadInput, match=r"entries of ipcache on node-.*room for 16384"):
        node.apply(objects)
    after = node.datapath.tables()
    assert all(after[name] == before[name] for name in ("endpoints", "ipcache", "policy"))
    assert not made.net.apply(made.objects)[made.web.node.name].changed


def _many(pod: dict[str, Any], count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        address = f"10.{100 + number // 65536}.{number // 256 % 256}.{number % 256}"
        meta = {**pod["metadata"], "name": f"many-{number}"}
        yield {**pod, "metadata": meta, "status": {**pod["status"], "podIP": address}}


def test_a_pod_that_goes_leaves_nothing_of_it(made: Made) -> None:
    node = made.nodes[0]
    enforcer = made.net.enforcers[node.name]
    assert isinstance(enforcer, CiliumNode)
    before = [replace(one, identity=0) for one in enforcer.datapath.tables()["endpoints"]]
    pod = made.net.pod(node, "passing")
    assert {one.address for one in enforcer.datapath.tables()["endpoints"]} == {
        *(one.address for one in before),
        pod.address,
    }
    assert made.far(pod).ping(pod, timeout=30)
    made.net.delete(pod)
    assert [replace(one, identity=0) for one in enforcer.datapath.tables()["endpoints"]] == before


def _service(
    name: str, address: str, port: dict[str, Any], backends: list[CniPod]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A service of the API, and the endpoints that its controller writes."""
    meta = {"name": name, "namespace": "shop"}
    service = {"metadata": meta, "spec": {"clusterIP": address, "selector": {"app": name}, "ports": [port]}}
    there = {"port": port["targetPort"], "protocol": port["protocol"]}
    subsets = [{"addresses": [{"ip": one.address} for one in backends], "ports": [there]}] if backends else []
    return service, {"metadata": meta, "subsets": subsets}


@pytest.fixture
def serving(made: Made) -> Iterator[Any]:
    def serve(*some: tuple[dict[str, Any], dict[str, Any]]) -> None:
        made.objects["services"], made.objects["endpoints"] = ([one[part] for one in some] for part in (0, 1))
        made.net.apply(made.objects)

    yield serve
    serve()


def test_a_service_is_one_address_for_several_pods(made: Made, serving: Any) -> None:
    clients = [made.web, made.far(made.web)]
    backends = [one for one in made.pods.values() if one not in clients][:3]
    http = {"port": 8080, "targetPort": 7080, "protocol": "TCP"}
    serving(
        _service("api", "10.96.0.10", http, backends),
        _service("none", "10.96.0.11", {**http, "port": 9090}, []),
    )
    with ExitStack() as servers:
        for one in backends:
            servers.enter_context(one.listen(7080))
        for client in clients:
            replies = [client.connect("10.96.0.10", 8080, timeout=30) for _ in range(24)]
            assert {one.saw for one in replies} == {client.address}  # no address but the service's is replaced
        asked = {
            one.destination
            for node in made.nodes
            for one in made.on(next(pod for pod in made.pods.values() if pod.node is node)).datapath.tables()["flows"]
            if one.destination_port == 7080
        }
        assert asked == {one.address for one in backends}
        assert not clients[0].connect("10.96.0.11", 9090, timeout=0.3).ok
    shown = made.on(made.web).datapath.tables()["services"]
    assert [(one.name, one.address, one.port, len(one.backends)) for one in shown] == [
        ("shop/api", "10.96.0.10", 8080, 3),
        ("shop/none", "10.96.0.11", 9090, 0),
    ]
    serving()
    assert not clients[0].connect("10.96.0.10", 8080, timeout=0.3).ok


def test_datagrams_to_a_service_come_in_pieces_there_and_back(made: Made, serving: Any) -> None:
    for backend in (made.near(made.web), made.far(made.web)):
        serving(_service("dns", "10.96.0.53", {"port": 53, "targetPort": 5353, "protocol": "UDP"}, [backend]))
        with (
            made.web._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asks,
            backend._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as answers,
        ):
            answers.bind((backend.address, 5353))
            for one in (asks, answers):
                one.settimeout(30)
            asks.connect(("10.96.0.53", 53))
            for size in (1, 1400, 4000):
                asks.send(b"?" * size)
                said, sender = answers.recvfrom(9000)
                assert (said, sender[0]) == (b"?" * size, made.web.address)
                answers.sendto(b"!" * size, sender)
                assert asks.recv(9000) == b"!" * size


def test_a_port_may_ask_a_service_and_then_the_pod_itself_and_follows_the_service_to_another(
    made: Made, serving: Any
) -> None:
    first, second = made.near(made.web), made.far(made.web)
    dns = {"port": 53, "targetPort": 5301, "protocol": "UDP"}
    with ExitStack() as opened:
        sockets = {}
        for pod, port in ((made.web, 4600), (first, 5301), (second, 5301)):
            one = opened.enter_context(pod._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
            one.bind((pod.address, port))
            one.settimeout(30)
            sockets[pod.address] = one
        asks = sockets[made.web.address]
        for number, pod in enumerate((first, second)):
            # another service comes before it, and goes again
            others = [_service("another", "10.96.0.2", {**dns, "port": 5}, [first])] * number
            serving(*others, _service("dns", "10.96.0.54", dns, [pod]))
            for there in (("10.96.0.54", 53), (pod.address, 5301), ("10.96.0.54", 53)):
                asks.connect(there)
                asks.send(b"?")
                sockets[pod.address].sendto(b"!", sockets[pod.address].recvfrom(1)[1])
                assert asks.recv(1) == b"!"  # it comes from whom was asked: a connected socket takes no other


def test_a_connection_to_a_service_stays_where_it_is_when_more_pods_come(made: Made, serving: Any) -> None:
    old, new = made.far(made.web), made.near(made.web)
    http = {"port": 80, "targetPort": 8000, "protocol": "TCP"}
    serving(_service("web", "10.96.0.55", http, [old]))
    with (
        old._kernel.visit(partial(socket.create_server, (old.address, 8000))) as server,
        made.web._kernel.visit(lambda: socket.socket()) as client,
    ):
        client.settimeout(30)
        client.connect(("10.96.0.55", 80))
        accepted, _ = server.accept()
        with accepted:
            accepted.settimeout(30)
            before = _service("a", "10.96.0.3", http, [new])
            serving(before, _service("web", "10.96.0.55", http, [new, old, made.web]))
            client.sendall(b"still")
            assert accepted.recv(64) == b"still"
            accepted.sendall(b"here")
            assert client.recv(64) == b"here"


def test_a_policy_is_about_the_pod_behind_a_service(made: Made, serving: Any) -> None:
    selected = [{"podSelector": {"matchLabels": {"app": "web"}}}]
    made.enforce(policy("db", "db", ingress=[{"from": selected, "ports": [{"port": 5432}]}]))
    serving(_service("db", "10.96.0.12", {"port": 80, "targetPort": 5432, "protocol": "TCP"}, [made.db]))
    with made.db.listen(5432):
        assert made.web.connect("10.96.0.12", 80, timeout=30).ok
        assert not made.api.connect("10.96.0.12", 80, timeout=0.3).ok


def test_a_pod_reaches_itself_by_the_service_that_it_is_behind(made: Made, serving: Any) -> None:
    made.enforce(*deny_all())
    serving(_service("web", "10.96.0.13", {"port": 80, "targetPort": 8080, "protocol": "TCP"}, [made.web]))
    with made.web.listen(8080):
        assert made.web.connect("10.96.0.13", 80, timeout=30).saw == "169.254.42.1"


def test_what_is_too_long_for_one_transaction_comes_in_several(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for an ordinary user, who may send no more at once; while they are loaded, no flow begins."""
    load, longest = nft_library.load, 40_000
    loaded: list[str] = []

    def strict(namespace: Any, rules: str) -> None:
        if len(rules) > longest:
            raise BadInput("too long", "send less", errno=errno.EMSGSIZE)
        loaded.append(rules)
        load(namespace, rules)

    monkeypatch.setattr(nft_library, "load", strict)
    who = [{"podSelector": {"matchLabels": {"app": "web"}}}]
    many = [
        policy(f"policy-{number}", "db", ingress=[{"from": who, "ports": [{"port": 1000 + number}]}])
        for number in range(400)
    ]
    with made.db.listen(1399), made.db.listen(1400):
        made.enforce(*many)
        assert len(loaded) > 5
        gate = [number for number, one in enumerate(loaded) if "begins counter drop" in one]
        assert gate
        assert any("add rule netdev cilium begins ip daddr vmap @ingress" in one for one in loaded[gate[-1] :])
        assert made.web.connect(made.db, 1399, timeout=30).ok
        assert not made.web.connect(made.db, 1400, timeout=0.3).ok
        assert not made.net.apply(made.objects)[made.db.node.name].changed
        loaded.clear()
        made.enforce()
        assert made.web.connect(made.db, 1400, timeout=30).ok


def test_a_pod_that_the_agent_cannot_attach_is_no_pod_and_the_runtime_is_told_to_try_again(made: Made) -> None:
    """The agent's answer is an error of the plugin, and nothing is left of the attempt."""
    node = made.nodes[0]
    rings: list[str] = []

    def look() -> None:
        rings.append("rang")
        raise BadInput("There is no room.", "Come back later.")

    before = {one.name for one in node.links()}, made.on(made.near(made.web)).datapath.tables()["endpoints"]
    bell = Doorbell(node.root, look)
    try:
        with pytest.raises(CniFailed, match=r"code 11.*There is no room"):
            made.net.pod(node, "unlucky")
        assert rings
    finally:
        bell.close()
    after = {one.name for one in node.links()}, made.on(made.near(made.web)).datapath.tables()["endpoints"]
    assert after == before
    assert "unlucky" not in {one.name for one in made.net.pods}
