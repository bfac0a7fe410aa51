"""The enforcer: one transaction a change, no gap while packets flow, repaired when changed by hand, cleaned up."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from labhelpers.errors import BadInput
from labhelpers.lab import Lab
from labhelpers.linux import nft_library
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.networks.policy import Enforcer, through_the_node
from tests.netns.kernel import eventually, nft, shell
from tests.netns.policies import Policed

TABLE = "ip network_policy"


@pytest.fixture(scope="module")
def policed() -> Iterator[Policed]:
    lab = Lab()
    yield Policed(lab)
    lab.reset()


def policy(name: str, app: str, *, namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    selector = {"matchLabels": {"app": app}} if app else {}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"podSelector": selector, **spec}}


def from_app(app: str, *ports: int) -> list[dict[str, Any]]:
    rule: dict[str, Any] = {"from": [{"podSelector": {"matchLabels": {"app": app}}}]}
    return [{**rule, "ports": [{"port": port} for port in ports]} if ports else rule]


def transactions(policed: Policed) -> list[int]:
    return [nft_library.generation(node._kernel) for node in policed.nodes]


def test_a_change_is_one_transaction_and_no_change_is_none(policed: Policed) -> None:
    policed.enforce([policy("db", "db", ingress=from_app("web", 80))])
    before = transactions(policed)
    again = policed.enforce([policy("db", "db", ingress=from_app("web", 80))])
    assert [one.changed for one in again] == [False, False]
    assert transactions(policed) == before
    changed = policed.enforce(
        [policy("db", "db", ingress=from_app("api", 81)), policy("all", "", policyTypes=["Ingress"])]
    )
    assert [one.changed for one in changed] == [True, True]
    assert transactions(policed) == [one + 1 for one in before]


def test_only_what_differs_is_changed_and_the_other_rules_keep_their_counts(policed: Policed) -> None:
    web, db = policed.pods["shop/web"], policed.pods["shop/db"]
    kept = policy("db", "db", ingress=from_app("web", 80))
    policed.enforce([kept])
    with db.listen(80):
        assert web.connect(db, 80).ok
    enforcer = policed.enforcers[policed.nodes.index(db.node)]

    def count() -> list[int]:
        return [one.packets for one in enforcer.counters() if (one.policy, one.what) == ("shop/db", "rule 1")]

    assert count() == [1]  # the packets after the first belong to a connection that is known
    policed.enforce([kept, policy("other", "api", ingress=from_app("db"))])
    assert count() == [1]


def test_what_is_dropped_is_counted_for_the_pod_it_was_sent_to(policed: Policed) -> None:
    web, db = policed.pods["shop/web"], policed.pods["shop/db"]
    policed.enforce([policy("quiet", "db", ingress=[])])
    enforcer = policed.enforcers[policed.nodes.index(db.node)]
    assert not web.connect(db, 80, timeout=0.1).ok
    (dropped,) = enforcer.counters().where(direction="ingress", what="dropped", pod=db.address)
    assert dropped.packets == 1


@pytest.mark.parametrize("where", ["same", "other"])
def test_connections_that_have_begun_go_on_and_new_ones_do_not_begin(policed: Policed, where: str) -> None:
    db = policed.pods["shop/db"]
    source = next(
        pod for name, pod in policed.pods.items() if pod is not db and (pod.node is db.node) is (where == "same")
    )
    policed.enforce([])
    with (
        db._kernel.visit(lambda: socket.create_server((db.address, 8000))) as server,
        source._kernel.visit(lambda: socket.socket()) as client,
    ):
        client.settimeout(30)
        client.connect((db.address, 8000))
        accepted, _ = server.accept()
        with accepted:
            accepted.settimeout(30)
            policed.enforce([policy("quiet", "db", policyTypes=["Ingress", "Egress"])])
            client.sendall(b"still here")
            assert accepted.recv(64) == b"still here"
            accepted.sendall(b"and here")
            assert client.recv(64) == b"and here"
            assert not source.connect(db, 8000, timeout=0.2).ok


def test_a_node_reaches_its_own_pods_whatever_the_policies_say(policed: Policed) -> None:
    db = policed.pods["shop/db"]
    policed.enforce([policy("quiet", "", policyTypes=["Ingress", "Egress"])])
    with db.listen(8001):
        assert db.node.connect(db, 8001).ok
        assert not policed.stranger.connect(db, 8001, timeout=0.2).ok
    with db.node.listen(8002):
        assert db.connect(db.node, 8002).ok


def test_no_packet_passes_that_neither_the_old_nor_the_new_policies_allow(policed: Policed) -> None:
    """Datagrams to a port that no policy ever allows, as fast as they go, while everything around them changes."""
    source, target = policed.pods["blog/web"], policed.pods["shop/db"]  # they are on one node
    assert source.node is target.node
    never, always = 7001, 7002
    states = [
        [policy("a", "db", ingress=[{"ports": [{"port": always, "protocol": "UDP"}]}])],
        [policy("b", "db", ingress=[{"ports": [{"port": always, "protocol": "UDP"}]}]), policy("c", "", ingress=[])],
        [
            policy("a", "db", ingress=from_app("web", 80)),
            policy("c", "", ingress=[{"ports": [{"port": always, "protocol": "UDP"}]}]),
        ],
    ]
    policed.enforce(states[0])
    stop = threading.Event()
    sent = {never: 0, always: 0}

    def send(port: int) -> None:
        with source._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp:
            while not stop.is_set():
                # one that is dropped begins no conversation, so that the next is asked about anew
                udp.sendto(b"x", (target.address, port))
                sent[port] += 1
                if port == always:
                    time.sleep(0.001)

    def receiver(port: int) -> socket.socket:
        made = target._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        made.bind((target.address, port))
        made.setblocking(False)
        return made

    with receiver(never) as silent, receiver(always) as heard:
        senders = [threading.Thread(target=send, args=(port,)) for port in sent]
        for one in senders:
            one.start()
        try:
            for number in range(150):
                policed.enforce(states[number % len(states)])
                if number % 10 == 0:  # an agent that was killed, and has started again knowing nothing
                    policed.enforcers[:] = [Enforcer(node) for node in policed.nodes]
        finally:
            stop.set()
            for one in senders:
                one.join()
        assert sent[never] > 1000
        with pytest.raises(BlockingIOError):
            silent.recv(64)
        assert heard.recv(64) == b"x"


def test_a_rule_deleted_by_hand_is_noticed_and_put_back(policed: Policed) -> None:
    db = policed.pods["shop/db"]
    enforcer, node = policed.enforcers[policed.nodes.index(db.node)], db.node
    policed.enforce([policy("db", "db", ingress=from_app("web", 80))])
    whole = sorted(enforcer.ruleset().splitlines())
    assert not enforcer.drifted()
    for damage in (
        "flush chain ip network_policy ingress/shop/db",
        f"delete element ip network_policy ingress-isolated {{ {db.address} }}",
        "flush chain ip network_policy to-pods",
        "add rule ip network_policy from-pods drop",
        "add chain ip network_policy mine\nadd rule ip network_policy mine drop",
        "add set ip network_policy mine { type ipv4_addr; }",
        "delete table ip network_policy",
        "delete table ip network_policy\nadd table ip network_policy\n"
        "add chain ip network_policy to-pods { type filter hook input priority 0; }",
    ):
        node.nft(damage)
        assert enforcer.drifted(), damage
        done = enforcer.apply(policed.objects)
        assert done.repaired
        assert done.changed
        assert sorted(enforcer.ruleset().splitlines()) == whole, damage
        assert not enforcer.drifted()


def test_what_others_change_in_tables_of_their_own_is_no_drift(policed: Policed) -> None:
    policed.enforce([policy("db", "db", ingress=from_app("web", 80))])
    node, enforcer = policed.nodes[0], policed.enforcers[0]
    node.nft("add table ip theirs")
    assert not enforcer.drifted()
    assert not enforcer.apply(policed.objects).changed
    node.nft("delete table ip theirs")


def test_a_new_enforcer_finds_what_an_earlier_one_left(policed: Policed) -> None:
    policed.enforce([policy("old", "", ingress=from_app("web", 80)), policy("both", "db", ingress=from_app("api"))])
    policed.enforcers[:] = [Enforcer(node) for node in policed.nodes]
    done = policed.enforce([policy("new", "", ingress=from_app("api", 81))])
    assert [one.repaired for one in done] == [False, False]
    for enforcer in policed.enforcers:
        assert "shop/new" in enforcer.ruleset()
        assert "shop/old" not in enforcer.ruleset()


def test_nothing_is_half_enforced_when_a_policy_cannot_be_read(policed: Policed) -> None:
    policed.enforce([policy("db", "db", ingress=from_app("web", 80))])
    before = [enforcer.ruleset() for enforcer in policed.enforcers]
    wrong = policy("wrong", "", ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/33"}}]}])
    with pytest.raises(BadInput, match="shop/wrong cannot be read"):
        policed.enforce([policy("fine", "", ingress=[]), wrong])
    with pytest.raises(BadInput, match="no name of a policy"):
        policed.enforce([policy('x"; flush ruleset; "', "", ingress=[])])
    assert [enforcer.ruleset() for enforcer in policed.enforcers] == before


def test_sctp_allows_nothing_and_that_is_said(policed: Policed) -> None:
    rule = {"ports": [{"port": 80, "protocol": "SCTP"}]}
    done = policed.enforce([policy("sctp", "db", ingress=[rule])])
    assert done[0].notes == (
        "shop/sctp ingress rule 1: SCTP 80 is not enforced here and so not allowed; only TCP and UDP are",
    )
    db = policed.pods["shop/db"]
    assert "ingress/shop/sctp" not in policed.enforcers[policed.nodes.index(db.node)].ruleset()
    assert not policed.pods["shop/web"].connect(db, 80, timeout=0.1).ok


def test_names_and_labels_of_every_length_and_kind_can_be_enforced(policed: Policed) -> None:
    long = "a." * 120 + "b"
    labels = {"matchLabels": {"example.com/a-label_with.dots": "v" * 63}}
    policed.enforce(
        [
            policy(long, "", ingress=[{"from": [{"namespaceSelector": labels, "podSelector": labels}]}]),
            policy(long + "c", "", ingress=[{"from": [{"podSelector": labels}]}]),
            policy("1", "", ingress=[{"from": [{"podSelector": {"matchLabels": {"x": 'a"b\\c\nd'}}}]}]),
            policy("ingress", "", egress=[{"to": [{"ipBlock": {"cidr": "10.0.0.9/8"}}]}]),
        ]
    )
    text = policed.enforcers[0].ruleset()
    assert text.count(" ingress rule 1") == 3
    assert "ip daddr 10.0.0.0/8" in text


def test_cleaning_leaves_no_table_and_may_be_repeated(policed: Policed) -> None:
    policed.enforce([policy("db", "db", ingress=from_app("web", 80))])
    for enforcer, node in zip(policed.enforcers, policed.nodes, strict=True):
        enforcer.clean()
        enforcer.clean()
        assert nft(node.name) == []
        assert not enforcer.drifted()
    assert policed.pods["shop/web"].connect(policed.pods["shop/db"].address, 1, timeout=5).error == "connection refused"
    assert not any(one.repaired for one in policed.enforce([]))


def test_a_bridge_is_led_through_the_node_once_and_again_for_new_ports(policed: Policed) -> None:
    node = policed.nodes[0]
    assert through_the_node(node) == ()
    assert through_the_node(node, "no-such-bridge") == ()
    with node.pod("late"):
        assert through_the_node(node) == ("bridge -n node-1 link set dev veth-late isolated on",)
        assert "isolated on" in shell("bridge -d link show dev veth-late", node.name)


def test_a_pod_that_is_gone_is_in_no_set_any_more(policed: Policed) -> None:
    policed.enforce([policy("all", "", ingress=from_app("web"))])
    web = policed.pods["shop/web"]
    pods = policed.objects["pods"]
    enforcer = policed.enforcers[policed.nodes.index(web.node)]
    assert web.address in enforcer.ruleset()
    policed.objects["pods"] = [pod for pod in pods if pod["status"]["podIP"] != web.address]
    try:
        enforcer.apply(policed.objects)
        assert web.address not in enforcer.ruleset()
        eventually(lambda: not enforcer.drifted())
    finally:
        policed.objects["pods"] = pods
        enforcer.apply(policed.objects)


def many_policies(count: int) -> list[dict[str, Any]]:
    """All but the last let web come to other ports; the last lets everybody come to one port of db."""
    others = [policy(f"other-{n}", "db" if n % 2 else "api", ingress=from_app("web", n + 1)) for n in range(count)]
    return [*others, policy("zzz", "db", ingress=[{"ports": [{"port": 7002, "protocol": "UDP"}]}])]


def test_what_is_too_long_for_one_transaction_comes_in_several_and_is_the_same_in_the_end(
    policed: Policed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for an ordinary user with many policies; meanwhile nothing passes that the policies do not allow."""
    source, target = policed.pods["blog/web"], policed.pods["shop/db"]
    few = [policy("db", "db", ingress=from_app("web", 80)), policy("all", "", policyTypes=["Ingress"])]
    policed.enforce(many_policies(40))
    whole = [sorted(one.ruleset().splitlines()) for one in policed.enforcers]
    load = nft_library.load
    monkeypatch.setattr("labhelpers.networks.policy.portions._LONGEST", 2000)

    def load_little(namespace: NetworkNamespace, rules: str) -> None:
        if len(rules) > 3000:
            raise BadInput("Message too long", errno=errno.EMSGSIZE)
        load(namespace, rules)

    monkeypatch.setattr(nft_library, "load", load_little)
    stop = threading.Event()

    def send() -> None:
        with source._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp:
            while not stop.is_set():
                udp.sendto(b"x", (target.address, 7001))

    with target._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as silent:
        silent.bind((target.address, 7001))
        silent.setblocking(False)
        sender = threading.Thread(target=send)
        sender.start()
        try:
            for _ in range(3):
                policed.enforcers[:] = [Enforcer(node) for node in policed.nodes]
                policed.enforce(few)
                done = policed.enforce(many_policies(40))
                assert all(one.transactions > 1 for one in done)
                assert [sorted(one.ruleset().splitlines()) for one in policed.enforcers] == whole
                assert not any(one.changed for one in policed.enforce(many_policies(40)))
        finally:
            stop.set()
            sender.join()
        with pytest.raises(BlockingIOError):
            silent.recv(64)


def test_a_thousand_policies_are_loaded_changed_and_found_again(policed: Policed) -> None:
    """By an ordinary user too, whom the kernel lets send less at once than root."""
    policies = many_policies(1000)
    policed.enforce(policies)
    assert policed.enforcers[0].ruleset().count("chain ") >= 2
    policed.enforcers[:] = [Enforcer(node) for node in policed.nodes]
    policed.enforce(policies)
    db = policed.pods["shop/db"]
    (node,) = [number for number, node in enumerate(policed.nodes) if node is db.node]
    assert "shop/zzz" in policed.enforcers[node].ruleset()
    policed.enforce([])
    assert "shop/zzz" not in policed.enforcers[node].ruleset()
