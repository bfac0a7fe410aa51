"""Nothing that a cell does changes the machine: state before = state during = state after."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.family import Family
from tests.sandbox.host import state
from tests.sandbox.machine import limits, machine
from tests.sandbox.notebook import JupyterNotebook

#: each line must work inside, or the test tests nothing; the first ones stop before a broken sandbox does harm
CHANGES = """%%bash
set -e
for one in net mnt uts; do case "$OUTSIDE" in *$(readlink /proc/self/ns/$one)*) exit 1; esac; done
for one in /run /etc /var/lib /opt ~/.kube; do mountpoint -q $one; done
ip netns add red
ip link add tap0 type veth peer name tap1
ip address add 198.51.100.1/24 dev tap0
ip link set tap0 up
ip link set tap1 up
ip route add 203.0.113.0/24 via 198.51.100.2
ip route add blackhole default
ip rule add from 198.51.100.7 table 99
ip link set lo down
hostname elsewhere
sysctl -qw net.ipv4.ip_forward=$((1 - $(sysctl -n net.ipv4.ip_forward)))
sysctl -qw net.ipv4.conf.all.rp_filter=2
sysctl -qw net.ipv4.ip_local_port_range='50000 50100'
sysctl -qw net.ipv6.conf.all.disable_ipv6=1
nft add table inet fence
nft add chain inet fence inbound '{ type filter hook input priority 0; policy drop; }'
mkdir /run/mine && mount -t tmpfs mine /run/mine
mount -t tmpfs mine /mnt
echo 127.0.0.9 nowhere >>/etc/hosts
echo nameserver 203.0.113.53 >/etc/resolv.conf
mkdir -p /etc/netns/red /etc/cni/net.d /var/lib/cni/networks /opt/cni/bin
touch /etc/netns/red/resolv.conf /etc/cni/net.d/10-mine.conflist /var/lib/cni/networks/lock /opt/cni/bin/plugin
echo changed >~/.kube/config
touch ~/.kube/new /run/new /run/netns-new
test $(sysctl -n net.ipv6.conf.all.disable_ipv6)$(hostname)$(cat ~/.kube/config) = 1elsewherechanged
"""

#: what an ordinary user may not do anyway, but root could
CHANGES_BY_ROOT = """%%bash
set -e
touch /etc/new-file
touch /opt/new-file
"""


def test_the_machine_is_the_same_before_during_and_after(family: Family) -> None:
    before = state()
    outside = " ".join(os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "mnt", "uts"))
    notebook = JupyterNotebook(environment={"OUTSIDE": outside})
    try:
        notebook.printed(CHANGES)
        if os.geteuid() == 0:
            notebook.printed(CHANGES_BY_ROOT)
        during = state()
    finally:
        notebook.end()
    assert during == before
    assert state() == before
    assert Path("~/.kube/config").expanduser().read_text() == "the learner's own\n"


DELETE = """
mount -t tmpfs tmpfs /run
ip netns add gone
ip link add cable type veth peer name cable netns gone
"$@" &
until test -e "$READY"; do sleep 0.02; done
ip netns del gone
for _ in $(seq 500); do ip link show cable >/dev/null 2>&1 || exit 0; sleep 0.02; done
echo 'the namespace lives on, held by the sandbox'
exit 1
"""
UNPLUG = """
mount -t tmpfs tmpfs /mnt
mount --make-shared /mnt
mkdir /mnt/stick
mount -t tmpfs stick /mnt/stick
"$@" &
until test -e "$READY"; do sleep 0.02; done
umount /mnt/stick
for _ in $(seq 500); do test ! -e "$READY" && exit 0; sleep 0.02; done
echo 'the sandbox still has it mounted, and its device would stay busy'
exit 1
"""


@pytest.mark.parametrize("without", [(), ("sys_admin",)], ids=["root's", "a user's"])
@pytest.mark.parametrize("host", [DELETE, UNPLUG], ids=["a namespace", "a file system"])
def test_a_sandbox_keeps_nothing_that_the_host_gives_up(
    tmp_path: Path, family: Family, host: str, without: tuple[str, ...]
) -> None:
    inside = "touch $READY; while mountpoint -q /mnt/stick; do sleep 0.02; done; rm -f $READY; sleep 600"
    if host == DELETE:
        inside = "touch $READY; sleep 600"
    sandbox = [sys.executable, "-m", "labhelpers.sandbox.run", "--", "sh", "-c", inside]
    command = [*machine(pids=True), "unshare", "--net", "sh", "-ec", host, "sh", *limits(without), *sandbox]
    environment = {**os.environ, "READY": str(tmp_path / "ready")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
