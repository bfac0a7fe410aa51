"""The exercises of chapter 01: network namespaces."""

from __future__ import annotations

import os
from collections.abc import Iterator

from labhelpers.course.exercise import Exercise, Todo
from labhelpers.course.questions import answers, exists, pinged, processes
from labhelpers.errors import NotFound
from labhelpers.lab import Namespace

__all__ = ["EXERCISES"]


def _solo() -> Iterator[Todo]:
    yield exists("solo")
    solo = Namespace("solo")
    yield Todo(solo.links()["lo"].up, "its lo is up", "lo is down")
    yield pinged(solo, "127.0.0.1", "127.0.0.1 answers inside solo")


def _same_port() -> Iterator[Todo]:
    for name in ("left", "right"):
        yield exists(name)
    for name in ("left", "right"):
        ok = answers(Namespace(name), 80)
        yield Todo(ok, f"localhost port 80 answers in {name}", "nobody accepts the connection")


def _vault() -> Iterator[Todo]:
    client, vault = Namespace("client"), Namespace("vault")
    ping = client.ping("172.16.1.2", timeout=0.3)
    yield Todo(not ping.ok, "a ping from client to vault gets no answer", str(ping))
    tcp = client.connect("172.16.1.2", 443)
    yield Todo(tcp.ok, "the server in vault answers client on port 443", str(tcp))
    yield pinged(vault, "172.16.1.1", "a ping from vault to client is answered")
    yield Todo(vault.ruleset() != "", "vault has a rule", "its ruleset is empty")
    yield Todo(client.ruleset() == "", "client has no rule", client.ruleset())


def _found() -> Iterator[Todo]:
    lost = list(processes("sleep", "4242"))
    if not lost:
        raise NotFound("No process runs sleep 4242.")
    yield Todo(len(lost) == 1, "sleep 4242 is running", f'{len(lost)} processes; begin again with start("1.4")')
    yield exists("found")
    inodes = [os.stat(f"/proc/{pid}/ns/net").st_ino for pid in lost]
    yield Todo(
        Namespace("found").inode in inodes,
        "found is the namespace of sleep 4242",
        "found is another namespace",
    )


EXERCISES = (
    Exercise(
        id="1.1",
        title="a room of its own",
        task="Make a network namespace called solo in which a ping to 127.0.0.1 is answered.",
        rows=_solo,
        places=("solo",),
        hints=(
            "One command makes the namespace. Look at how red and blue were made.",
            "A new namespace has one interface, and it is down.",
            "`ip netns add solo`, and then `ip -n solo link set lo up`.",
        ),
        solution="""
            %%bash
            ip netns add solo
            ip -n solo link set lo up
        """,
        broken="""
            %%bash
            ip netns add solo
        """,
    ),
    Exercise(
        id="1.2",
        title="the same port twice",
        task="In each of the namespaces left and right a server listens on TCP port 80.",
        rows=_same_port,
        places=("left", "right"),
        hints=(
            "Localhost answers only where lo is up.",
            '`Namespace("left").listen(80)` starts a server in left.',
            'Make each with `lab.namespace("left")`, then `.up("lo")`, then `.listen(80)`.',
        ),
        solution="""
            for name in ("left", "right"):
                place = lab.namespace(name)
                place.up("lo")
                place.listen(80)
        """,
        broken="""
            for name, port in (("left", 80), ("right", 8080)):
                place = lab.namespace(name)
                place.up("lo")
                place.listen(port)
        """,
    ),
    Exercise(
        id="1.3",
        title="a rule in one room",
        task="vault drops pings that come in, and nothing else. client has no rule.",
        rows=_vault,
        places=("client", "vault"),
        start="""
            client, vault = lab.namespace("client"), lab.namespace("vault")
            lab.veth((client, "eth0"), (vault, "eth0"))
            for place, address in ((client, "172.16.1.1/24"), (vault, "172.16.1.2/24")):
                place.add_address("eth0", address)
                place.up("eth0")
            vault.listen(443)
        """,
        gives=("client", "vault"),
        hints=(
            "The rule for red a few cells up does nearly this.",
            "Only echo requests may be dropped. TCP, and the answers to vault's own pings, must pass.",
            "`vault.nft(…)` with the three lines used for red.",
        ),
        solution='''
            vault.nft("""
            add table ip demo
            add chain ip demo input { type filter hook input priority 0; }
            add rule ip demo input icmp type echo-request drop
            """)
        ''',
        broken='''
            vault.nft("""
            add table ip demo
            add chain ip demo input { type filter hook input priority 0; policy drop; }
            """)
        ''',
    ),
    Exercise(
        id="1.4",
        title="lost and found",
        task="Give the namespace in which sleep 4242 runs the name found.",
        rows=_found,
        places=("found",),
        start="""
            import subprocess
            from labhelpers.course.questions import end, until_running

            end("sleep", "4242")
            subprocess.Popen(["unshare", "--net", "sleep", "4242"])
            until_running("sleep", "4242")
        """,
        hints=(
            "A name is a file in /run/netns on which the namespace is mounted. "
            "`ip netns help` lists a command that does it.",
            "You need the process id of sleep 4242: `pgrep` finds it.",
            "`ip netns attach found PID`",
        ),
        solution="""
            %%bash
            ip netns attach found "$(pgrep --full --exact 'sleep 4242')"
        """,
        broken="""
            %%bash
            ip netns add found
        """,
    ),
)
