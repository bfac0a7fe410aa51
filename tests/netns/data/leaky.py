"""Tests that each leave something behind.  ``test_leaks.py`` runs them in a sandbox of their own: each is caught."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from pathlib import Path

import pytest

from tests.netns import leaks
from tests.netns.kernel import shell

_kept: list[object] = []


@pytest.fixture(autouse=True, scope="module")
def _no_patience() -> None:
    """Nothing here goes away by itself."""
    leaks.PATIENCE = 0.1


def test_that_leaves_nothing() -> None:
    shell("ip link add gone type bridge; ip link delete gone")


def test_that_leaves_a_named_namespace() -> None:
    shell("ip netns add left")


def test_that_leaves_a_nameless_namespace() -> None:
    def keep() -> None:
        ctypes.CDLL(None).unshare(0x40000000)
        _kept.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))

    thread = threading.Thread(target=keep)
    thread.start()
    thread.join()


def test_that_leaves_a_process() -> None:
    subprocess.run(["setsid", "--fork", "sleep", "60"], check=True)


def test_that_leaves_a_file() -> None:
    _kept.append(os.open("/dev/null", os.O_RDONLY))


def test_that_leaves_a_thread() -> None:
    threading.Thread(target=threading.Event().wait, daemon=True).start()


def test_that_leaves_a_mount(tmp_path: Path) -> None:
    shell(f"mount -t tmpfs left {tmp_path}")


def test_that_leaves_an_interface() -> None:
    shell("ip link add left type bridge")


def test_that_leaves_an_address() -> None:
    shell("ip address add 127.0.0.2/8 dev lo")


def test_that_leaves_a_route() -> None:
    shell("ip route add blackhole 10.1.0.0/16")


def test_that_leaves_a_rule() -> None:
    shell("ip rule add from 10.1.0.0/16 table 7")


def test_that_leaves_a_firewall_table() -> None:
    shell("nft add table ip left")


def test_that_leaves_a_setting() -> None:
    shell("sysctl -qw net.ipv4.ip_forward=1")


def test_that_takes_something_away() -> None:
    shell("ip route delete blackhole 10.1.0.0/16")
