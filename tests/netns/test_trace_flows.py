"""The flow log: who talked to whom, was it let through, who decided; and nothing of it stays."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from labhelpers.errors import BadInput, NotFound
from labhelpers.lab import Lab, Node, Pod
from labhelpers.trace import Flow, Flows, observe
from labhelpers.views import table_of
from labhelpers.views.flow_view import FlowView, flows_bundle, flows_html
from tests.netns.kernel import eventually, nft
from tests.netns.policies import Policed


@pytest.fixture(scope="module")
def policed() -> Iterator[Policed]:
    lab = Lab()
    yield Policed(lab)
    lab.reset()


@pytest.fixture
def web(policed: Policed) -> Pod:
    return policed.pods["shop/web"]


@pytest.fixture
def db(policed: Policed) -> Pod:
    return policed.pods["shop/db"]


def allow_web(port: int) -> dict[str, Any]:
    ingress = [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": port}]}]
    spec = {"podSelector": {"matchLabels": {"app": "db"}}, "ingress": ingress}
    return {"metadata": {"name": "db", "namespace": "shop"}, "spec": spec}


def on(pod: Pod, flows: Flows) -> list[Flow]:
    """What the pod's own node saw."""
    return [one for one in flows.rows if one.node == pod.node.name]


def send(source: Pod, target: Pod, *ports: int, times: int = 1) -> None:
    with source._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp:
        for _ in range(times):
            for port in ports:
                udp.sendto(b"x", (target.address, port))


def tables(node: Node) -> set[tuple[str, str]]:
    return {(one["table"]["family"], one["table"]["name"]) for one in nft(node.name) if "table" in one}


def test_without_a_node_there_is_nothing_to_see(lab: Lab) -> None:
    with pytest.raises(NotFound, match="There is no node"):
        observe()


def test_a_connection_is_one_line_on_each_node_with_the_rule_that_let_it_through(
    policed: Policed, web: Pod, db: Pod
) -> None:
    policed.enforce([allow_web(80)])
    assert web.node is not db.node
    with observe() as flows, db.listen(80):
        assert web.connect(db, 80).ok
    assert [(one.node, one.policy) for one in sorted(flows.rows, key=lambda one: one.policy)] == [
        (web.node.name, ""),
        (db.node.name, "shop/db ingress rule 1"),
    ]
    for one in flows.rows:
        assert (one.source, one.destination, one.protocol, one.port) == (web.name, db.name, "TCP", 80)
        assert (one.source_address, one.destination_address) == (web.address, db.address)
        assert one.verdict == "forwarded"
        assert one.source_port > 1024
    assert flows.lost == 0


def test_what_a_policy_drops_is_told_with_the_reason_and_where(policed: Policed, web: Pod, db: Pod) -> None:
    policed.enforce([allow_web(80)])
    with observe(verdict="dropped") as flows:
        assert not web.connect(db, 81, timeout=0.3).ok
    (one,) = flows.rows
    assert (one.source, one.destination, one.port, one.node) == (web.name, db.name, 81, db.node.name)
    assert one.reason == "isolated, and no policy allows it (chain to-pods of table ip network_policy)"
    assert flows.rows.title == f"flows on {', '.join(flows.nodes)} (dropped): 1, 1 of them dropped"


def test_a_rule_of_the_learners_own_is_named_too(policed: Policed, web: Pod, db: Pod) -> None:
    policed.enforce([])
    db.node.nft(
        "add table ip mine\n"
        "add chain ip mine quiet { type filter hook forward priority 10; }\n"
        'add rule ip mine quiet udp dport 5000 drop comment "mind your own business"\n'
        "add rule ip mine quiet udp dport 5001 reject"
    )
    try:
        with observe(db.node, to=db) as flows:
            send(web, db, 5000, 5001, 5002)
    finally:
        db.node.nft("delete table ip mine")
    found = {one.port: (one.verdict, one.reason) for one in flows.rows}
    where = "of table ip mine"
    assert found.pop(5000) == ("dropped", f"mind your own business (chain quiet {where})")
    verdict, reason = found.pop(5001)
    assert verdict == "dropped"
    assert reason.startswith("rule ")
    assert reason.endswith(f" of chain quiet {where}")
    assert found == {5002: ("forwarded", "")}


def test_datagrams_and_echoes_of_a_conversation_are_one_flow_and_answers_are_none(
    policed: Policed, web: Pod, db: Pod
) -> None:
    policed.enforce([])
    with observe() as flows:
        with db._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as answering:
            answering.bind((db.address, 7007))
            answering.settimeout(30)
            with web._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asking:
                asking.settimeout(30)
                for _ in range(5):
                    asking.sendto(b"how are you?", (db.address, 7007))
                    answering.sendto(b"fine", answering.recvfrom(64)[1])
                    assert asking.recv(64) == b"fine"
        assert web.run(f"ping -c 3 -i 0.01 {db.address}").ok
    assert [(one.protocol, one.port) for one in on(db, flows)] == [("UDP", 7007), ("ICMP", 0)]
    assert [(one.protocol, one.port) for one in on(web, flows)] == [("UDP", 7007), ("ICMP", 0)]


def test_pods_on_one_bridge_are_seen_although_their_node_routes_nothing(policed: Policed) -> None:
    a, b = policed.stranger.pods(["a", "b"])
    with a, b:
        with observe() as flows, b.listen(80):
            assert a.connect(b, 80).ok
            assert a.ping(b).ok
        seen = [(one.source, one.destination, one.protocol, one.verdict) for one in flows.rows]
    assert seen == [("a", "b", "TCP", "forwarded"), ("a", "b", "ICMP", "forwarded")]


def test_only_what_is_asked_for_is_shown(policed: Policed, web: Pod, db: Pod) -> None:
    policed.enforce([])
    with observe(db.node, from_=web.name, protocol="udp") as flows:
        send(web, db, 1000)
        db.node.ping(db)
        web.ping(db)
        send(db, web, 1001)
    assert [one.port for one in flows.rows] == [1000]
    with observe(db.node, to=web.address) as flows:
        send(web, db, 1002)
        send(db, web, 1003)
    assert [one.port for one in flows.rows] == [1003]


def test_two_logs_at_a_time_see_the_same_and_leave_nothing(policed: Policed, web: Pod, db: Pod) -> None:
    policed.enforce([])
    before = [tables(node) for node in policed.nodes]
    first, second = observe(), observe()
    assert [len(tables(node)) for node in policed.nodes] == [len(one) + 4 for one in before]
    send(web, db, 2000)
    assert first.wait_for(lambda one: one.port == 2000, timeout=60)
    assert second.wait_for(lambda one: one.port == 2000, timeout=60)
    first.stop()
    send(web, db, 2001)
    assert second.wait_for(lambda one: one.port == 2001, timeout=60)
    assert second.stop() is second.stop()
    assert [one.port for one in on(db, first)] == [2000]
    assert not first.running
    assert [tables(node) for node in policed.nodes] == before


def test_every_flow_of_thousands_is_told_or_counted_as_lost(policed: Policed, web: Pod, db: Pod) -> None:
    policed.enforce([])
    with observe(db.node) as flows:
        for start in range(10_000, 20_000, 500):
            send(web, db, *range(start, start + 500))
        assert flows.wait_for(lambda one: one.port == 19_999, timeout=60)
    assert len(flows.now()) + flows.lost == 10_000
    assert {one.verdict for one in flows.now()} == {"forwarded"}


def test_a_flood_that_nobody_reads_in_time_is_never_called_dropped(policed: Policed, web: Pod, db: Pod) -> None:
    policed.enforce([])
    with observe(db.node) as flows:
        for start in range(1, 30_001, 10_000):
            send(web, db, *range(start, start + 10_000))
    assert {one.verdict for one in flows.now()} == {"forwarded"}
    assert "; " in flows.now().title or flows.lost == 0


def test_each_packet_that_is_dropped_is_told_with_its_reason(policed: Policed, web: Pod, db: Pod) -> None:
    policed.enforce([allow_web(80)])
    with observe(db.node, verdict="dropped") as flows:
        send(web, db, 4000, times=5)
    assert [(one.port, one.reason.partition(" (")[0]) for one in flows.rows] == [
        (4000, "isolated, and no policy allows it")
    ] * 5


def test_a_log_that_is_followed_is_drawn_as_it_goes_and_stored_as_picture_and_table(
    policed: Policed, web: Pod, db: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    policed.enforce([allow_web(80)])
    with observe(db.node, follow=True) as flows:
        live = flows_bundle(flows)
        assert "application/vnd.jupyter.widget-view+json" in live
        assert (
            flows_bundle(flows)["application/vnd.jupyter.widget-view+json"]
            == (live["application/vnd.jupyter.widget-view+json"])
        )
        view = flows.heard.__self__  # type: ignore[attr-defined]
        assert isinstance(view, FlowView)
        send(web, db, 4001)
        assert eventually(lambda: view.lines, timeout=60)
        assert view.lines[0]["cells"][1:5] == [web.name, db.name, "UDP 4001", "dropped"]
        assert view.lines[0]["bad"]
        assert "UDP 4001: 1× dropped" in view.picture
    assert view.status.endswith("it has ended")
    monkeypatch.setenv("POD_NETWORKING_STATIC", "1")
    assert flows_bundle(flows) == {}
    stored = flows_html(flows)
    assert stored.startswith('<img alt="Who talks to whom, 1 flows" src="data:image/svg+xml;base64,')
    assert "<td" in stored
    view.close()


def test_an_empty_log_says_what_it_cannot_see(policed: Policed, db: Pod) -> None:
    with observe(db.node, verdict="dropped") as flows:
        assert db.node.ping(db).ok
    rows = flows.rows
    assert len(rows) == 0
    assert str(table_of(rows)) == (
        f"flows on {db.node.name} (dropped; what began before, what a node itself sends or gets, "
        "and what is dropped before it is routed is not seen): none"
    )


def test_what_cannot_be_is_said(policed: Policed) -> None:
    with pytest.raises(BadInput, match=r"no verdict 'maybe' .* Choose one of forwarded, dropped\."):
        observe(verdict="maybe")
    with pytest.raises(BadInput, match="no protocol 'SCTP'"):
        observe(protocol="sctp")
    with pytest.raises(BadInput, match="3 has no nodes"):
        observe(3)
    with pytest.raises(BadInput, match="nobody who talks"):
        observe(to=object())  # type: ignore[arg-type]


def test_a_log_whose_process_is_killed_leaves_nothing(policed: Policed) -> None:
    before = [tables(node) for node in policed.nodes]
    program = "from labhelpers import observe; observe(); print('listening', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as log:
        assert log.stdout
        assert log.stdout.readline() == "listening\n"
        assert [len(tables(node)) for node in policed.nodes] == [len(one) + 2 for one in before]
        log.kill()
    assert eventually(lambda: [tables(node) for node in policed.nodes] == before, timeout=30)


def test_a_node_that_goes_while_it_is_observed_is_no_error(policed: Policed, web: Pod, db: Pod) -> None:
    extra = policed.lab.node("node-4")
    with observe() as flows:
        extra.delete()
        send(web, db, 3000)
        assert flows.wait_for(lambda one: one.port == 3000, timeout=60)
    assert flows.now()
