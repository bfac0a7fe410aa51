"""What a container takes away, and how the sandbox gets along without it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.sandbox.family import Family
from tests.sandbox.machine import machine

RUN = [sys.executable, "-m", "labhelpers.sandbox.run", "--", "sh", "-ec"]

#: a container's files bound into /etc lie on top of others, which an overlay would uncover; so there can be none
FILES_BOUND_INTO_ETC = """
hosts=$(mktemp)
{ cat /etc/hosts; echo 192.0.2.1 of-the-container; } >"$hosts"
mount --bind "$hosts" /etc/hosts
mount --bind "$hosts" /etc/resolv.conf
rm "$hosts"
"""
READ_ONLY_SYS = "mount -o remount,bind,ro /sys"


def _run(prepare: str, script: str) -> str:
    prefix = machine(prepare, without=("sys_admin",))
    done = subprocess.run([*prefix, *RUN, script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_etc_without_an_overlay(family: Family) -> None:
    script = """
    findmnt -n -o FSTYPE /etc
    grep -c of-the-container /etc/hosts
    grep -c nameserver /etc/resolv.conf || true
    getent passwd root | cut -d: -f1
    ip netns add red
    mkdir -p /etc/netns/red /etc/cni/net.d
    echo nameserver 10.0.0.53 >/etc/netns/red/resolv.conf
    echo 10.0.0.1 mine >>/etc/hosts
    touch /etc/cni/net.d/10-mine.conflist
    ip netns exec red cat /etc/resolv.conf
    """
    assert _run(FILES_BOUND_INTO_ETC, script).splitlines() == ["tmpfs", "1", "0", "root", "nameserver 10.0.0.53"]


#: of a pod as seen from inside, of its node, and from a namespace that is entered from the node
HELPERS_SEE = """
from labhelpers.lab import Lab
lab = Lab()
node = lab.node("node-1")
pod = node.pod("pod-a")
number = int(pod.run("cat /sys/class/net/eth0/iflink").stdout)
print(number == node.links()["veth-pod-a"].index)
print("veth-pod-a" in node.run("ls /sys/class/net").stdout.split())
print(node.run("ip netns exec pod-a ls /sys/class/net").stdout.split())
print(pod.run("ip netns exec red ls /sys/class/net").stdout.split())
"""


def test_a_sys_that_may_only_be_read(family: Family) -> None:
    script = f"""
    echo "$POD_NETWORKING_SANDBOX_NOTES"
    ip link add left type veth peer right
    ls /sys/class/net
    cat /sys/class/net/left/iflink
    ip netns add red
    ip netns exec red ls /sys/class/net
    {sys.executable} -c '{HELPERS_SEE}'
    """
    notes, *seen = _run(READ_ONLY_SYS, script).splitlines()
    assert notes == ""
    assert seen[:5] == ["left", "lo", "right", "2", "lo"]
    assert seen[5:] == ["True", "True", "['eth0', 'lo']", "['lo']"]


def test_a_container_needs_no_capability_and_no_new_privileges(family: Family) -> None:
    """What classroom/values.yaml gives to a learner's pod."""
    learner = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--keep-caps"]
    nothing = ["--no-new-privs", *(f"--{kind}=-all" for kind in ("bounding-set", "inh-caps", "ambient-caps"))]
    prefix = [*machine(FILES_BOUND_INTO_ETC + READ_ONLY_SYS), *learner, "setpriv", *nothing, "--"]
    done = subprocess.run([*prefix, "grep", "CapBnd\\|NoNewPrivs", "/proc/self/status"], capture_output=True, text=True)
    assert done.stdout.split() == ["CapBnd:", "0" * 16, "NoNewPrivs:", "1"]
    script = f"ip netns add red; ip netns; {sys.executable} -c '{HELPERS_SEE}'"
    done = subprocess.run([*prefix, *RUN, script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["red", "True", "True", "['eth0', 'lo']", "['lo']"]


@pytest.mark.parametrize("folder", ["/opt", "/var/lib"])
def test_a_folder_that_is_a_file_system_of_its_own(family: Family, folder: str) -> None:
    prepare = f"mount -t tmpfs tmpfs {folder}; mkdir -p {folder}/there; touch {folder}/there/file"
    script = f"ls {folder}/there; touch /opt/cni/bin/plugin /var/lib/cni/lock; echo ok"
    assert _run(prepare, script).split() == ["file", "ok"]
