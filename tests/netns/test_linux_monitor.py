"""The monitor hears what other programs change in any namespace it follows, and nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labhelpers.linux import namespace
from labhelpers.linux.monitor import Monitor
from tests.netns.kernel import eventually, links, shell

PREPARE = """
ip netns add red; ip netns exec red sysctl -qw net.ipv6.conf.default.addr_gen_mode=1
ip -n red link add br0 type bridge
ip -n red link add d0 type veth peer name d1; ip -n red link set d0 up; ip -n red link set d1 up master br0
ip -n red address add 10.0.0.1/24 dev d0
"""


class Ear:
    """A monitor, and what was heard."""

    def __init__(self) -> None:
        self.monitor = Monitor()
        self.wake, self._stop = os.pipe()

    def heard(self) -> bool:
        """Has anything been heard that was not heard before?"""
        return self.monitor.wait(0, self.wake)

    def close(self) -> None:
        self.monitor.close()
        os.close(self.wake)
        os.close(self._stop)


def _red() -> tuple[int, str]:
    return namespace.attach("red").inode, "/run/netns/red"


@pytest.fixture
def ear() -> Iterator[Ear]:
    """It follows the namespace red, where nothing goes on any more."""
    shell(PREPARE)
    assert eventually(lambda: [one["operstate"] for one in links("red").values()].count("UP") == 2)
    one = Ear()
    assert one.monitor.follow([_red()])
    quiet = 0
    while quiet < 5:  # the last signals of the new cable
        quiet = 0 if one.heard() else quiet + 1
        time.sleep(0.02)
    yield one
    one.close()
    shell("ip netns delete red 2>/dev/null || true")


@pytest.mark.parametrize(
    "change",
    [
        "link add br1 type bridge",
        "link set d0 mtu 1400",
        "link set d0 alias new",
        "link set d0 down",
        "link delete d0",
        "address add 10.0.0.2/24 dev d0",
        "address delete 10.0.0.1/24 dev d0",
        "address add fd00::1/64 dev d0",
        "route add 10.1.0.0/16 via 10.0.0.9",
        "route add fd01::/64 dev d0",
        "rule add from 10.1.0.0/16 table 7",
        "neighbour add 10.0.0.9 lladdr 02:00:00:00:00:09 dev d0",
    ],
)
def test_a_change_from_outside_is_heard(ear: Ear, change: str) -> None:
    assert not ear.heard()
    shell(f"ip -n red {change}")
    assert eventually(ear.heard)


def test_a_forwarding_entry_is_heard(ear: Ear) -> None:
    shell("bridge -n red fdb add 02:00:00:00:00:0a dev d1 master static")
    assert eventually(ear.heard)


def test_reading_is_not_heard(ear: Ear) -> None:
    shell("ip -n red address; ip -n red route; bridge -n red fdb")
    assert not ear.monitor.wait(0.1, ear.wake)


def test_what_it_does_not_follow_is_not_heard(ear: Ear) -> None:
    ear.monitor.follow([_red()])
    shell("ip netns add blue; ip -n blue link set lo up")
    assert not ear.monitor.wait(0.1, ear.wake)
    shell("ip netns delete blue")


def test_following_says_whether_there_is_news(ear: Ear) -> None:
    assert not ear.monitor.follow([_red()])
    shell("ip netns add blue")
    blue = (namespace.attach("blue").inode, "/run/netns/blue")
    assert ear.monitor.follow([_red(), blue])
    assert not ear.monitor.follow([_red(), blue])
    shell("ip netns delete blue")
    assert ear.monitor.follow([_red()])
    assert not ear.monitor.follow([_red()])


def test_what_cannot_be_followed_is_no_news(ear: Ear) -> None:
    """Else a watch would call out twice a second for ever."""
    for _ in range(2):
        assert not ear.monitor.follow([_red(), (7, "/run/netns/nosuch"), (8, "/etc/hostname")])


def test_a_new_namespace_with_an_old_number_is_heard(ear: Ear) -> None:
    """The kernel gives inode numbers again; the id that was given with the old one is gone with it."""
    for _ in range(200):
        inode = namespace.attach("red").inode
        shell("ip netns delete red")
        assert eventually(ear.heard), "that it ended"
        made = _made_with(inode)
        if made:
            break
        shell("ip netns add red")
        ear.monitor.follow([_red()])
    else:
        pytest.fail("the kernel gave no number twice")
    ear.monitor.follow([_red()])
    while ear.heard():
        continue
    shell("ip -n red link set lo up")
    assert eventually(ear.heard)


def _made_with(inode: int) -> bool:
    """Make the namespace red, until it has this number; ten tries."""
    for _ in range(10):
        shell("ip netns add red")
        if namespace.attach("red").inode == inode:
            return True
        shell("ip netns delete red")
        time.sleep(0.01)
    return False


def test_more_than_it_can_hold_is_heard_as_something(ear: Ear, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("".join(f"address add 10.7.{n // 250}.{n % 250 + 1}/32 dev d0\n" for n in range(4000)))
    shell(f"ip -n red -batch {script}")
    assert eventually(ear.heard)
    assert not ear.monitor.wait(0.1, ear.wake)
    ear.monitor.follow([_red()])
    shell("ip -n red link set d0 mtu 1400")
    assert eventually(ear.heard)


def test_it_can_be_woken() -> None:
    monitor = Monitor()
    wake, stop = os.pipe()
    os.close(stop)
    assert not monitor.wait(60, wake)
    monitor.close()
    os.close(wake)


def test_a_notebook_with_many_open_files_can_be_watched() -> None:
    many = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    ear = Ear()
    try:
        assert ear.wake > 1024
        assert not ear.heard()
    finally:
        ear.close()
        for fd in many:
            os.close(fd)
