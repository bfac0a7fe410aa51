"""Programs and tables outlive the agent; events are told, or counted as lost."""

from __future__ import annotations

import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from labhelpers.cni import CniPod
from labhelpers.errors import AlreadyExists
from labhelpers.networks.cilium.ebpf import EbpfDatapath
from tests.ebpf.ebpf_lab import EbpfLab, ebpf_lab, programs_of

PATIENCE = 60.0  # seconds
AGENT = """
import pickle, sys, time
from labhelpers.linux import namespace
from labhelpers.networks.cilium.ebpf import EbpfDatapath

class Node:
    name = sys.argv[1]
    _kernel = namespace.attach(name)

print(EbpfDatapath(Node()).apply(pickle.load(sys.stdin.buffer)).changed, flush=True)
time.sleep(3600)
"""
SELECTED = [{"podSelector": {"matchLabels": {"app": "web"}}}]
POLICIES = [
    {
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{"from": SELECTED}]},
    }
]


@pytest.fixture(scope="module")
def made() -> Iterator[EbpfLab]:
    with ebpf_lab(True) as lab:
        yield lab


def test_a_killed_agent_leaves_everything_at_work_and_its_successor_finds_it(made: EbpfLab) -> None:
    web, api, db = (made.pods[f"shop/{name}"] for name in ("web", "api", "db"))
    made.enforce([])
    made.on(db).clean()
    made.objects["networkpolicies"] = POLICIES
    agent = subprocess.Popen([sys.executable, "-c", AGENT, db.node.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with agent:
        assert agent.stdin
        assert agent.stdout
        agent.stdin.write(pickle.dumps(made.wanted(db.node)))
        agent.stdin.close()
        assert agent.stdout.readline() == b"True\n"
        before = programs_of(db.node)
        agent.send_signal(signal.SIGKILL)
        assert agent.wait() == -signal.SIGKILL
    with db.listen(80):
        assert web.connect(db, 80, timeout=PATIENCE).ok
        assert not api.connect(db, 80, timeout=0.3).ok
    successor = EbpfDatapath(db.node)
    applied = successor.apply(made.wanted(db.node))
    assert (applied.commands, applied.repaired) == ("", False)
    assert programs_of(db.node) == before
    assert [one.packets for one in successor.counters().where(policy="shop/db", what="rule 1")] == [1]
    assert web.address in {one.source for one in successor.tables()["flows"].where(destination_port=80)}


def test_a_pod_that_no_program_looks_at_yet_reaches_nobody(made: EbpfLab) -> None:
    made.enforce([])
    node = made.nodes[0]
    near = next(one for one in made.pods.values() if one.node is node)
    far = next(one for one in made.pods.values() if one.node is not node)
    late = made.installed.pod(node, "late")
    try:
        for one in (near, far):
            assert not late.ping(one, timeout=0.3)
        made.pods["shop/late"] = late
        made.apply()
        for one in (near, far):
            assert late.ping(one, timeout=PATIENCE)
        del made.pods["shop/late"]
        made.apply()
        for one in (near, far):
            assert not late.ping(one, timeout=0.3)
    finally:
        made.pods.pop("shop/late", None)
        made.installed.delete(late)
        made.apply()


def test_no_event_is_lost_within_the_size_of_the_ring(made: EbpfLab) -> None:
    """10 000 flows begin before anybody reads: each is told once."""
    made.enforce([])
    web = made.pods["shop/web"]
    address = web.address
    events = made.on(web).events()
    try:
        begin(web, range(10_000, 20_000))
        told = [one.destination_port for one in events.read() if one.source == address]
        assert told == list(range(10_000, 20_000))
        assert events.lost == 0
    finally:
        events.close()


def test_one_listens_at_a_time(made: EbpfLab) -> None:
    for _ in range(2):
        events = made.datapaths[0].events()
        try:
            with pytest.raises(AlreadyExists, match="Somebody listens to the flow events of node-1 already"):
                made.datapaths[0].events()
        finally:
            events.close()


def test_a_ring_that_overflows_says_how_much_was_lost(made: EbpfLab) -> None:
    web = made.pods["shop/web"]
    address = web.address
    events = made.on(web).events()
    try:
        begin(web, range(20_000, 60_000))
        told = [one.destination_port for one in events.read() if one.source == address]
        assert told == list(range(20_000, 20_000 + len(told)))  # what came first is there
        assert events.lost == 40_000 - len(told) > 0
        begin(web, range(60_000, 60_010))
        assert [one.destination_port for one in events.read()] == list(range(60_000, 60_010))
    finally:
        events.close()


def begin(pod: CniPod, ports: range) -> None:
    """A flow to each port of an address outside of the cluster, where nothing is."""
    with pod._kernel.visit(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp:
        for port in ports:
            udp.sendto(b"x", ("192.0.2.1", port))
