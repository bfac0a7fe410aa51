"""Outside a sandbox every helper that would change the machine refuses, and nothing is changed.

"Outside" is a network namespace of its own within this sandbox, so that a helper that fails to refuse does no harm.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.netns.kernel import shell

CLONE = Path(__file__).parent.parent.parent

SCRIPT = """
from labhelpers.errors import NotInSandbox
from labhelpers.lab import Lab, Namespace, checkpoint
from labhelpers.linux import bpf, holder, link, monitor, namespace, nft, process, sysctl, traffic
from labhelpers.linux.packet import Capture
from labhelpers.topology import Snapshot, Watch

red, home = namespace.attach("red"), namespace.home()
hand = Namespace("red")

def change(place):
    with place.changes() as changes:
        link.up(changes, "lo")

ACTS = {
    "Lab": Lab,
    "checkpoint": lambda: checkpoint("03"),
    "create": lambda: namespace.create("green"),
    "give_name": lambda: namespace.give_name(1, "green"),
    "delete": lambda: namespace.delete(red),
    "changes": lambda: change(red),
    "changes at home": lambda: change(home),
    "Namespace.up": lambda: hand.up("lo"),
    "Namespace.delete": hand.delete,
    "Namespace.sysctl": lambda: hand.sysctl("net.ipv4.ip_forward", 1),
    "sysctl": lambda: sysctl.write("net.ipv4.ip_forward", 1),
    "nft": lambda: nft.apply(red, "add table ip x"),
    "run": lambda: process.run(red, "ip link set lo up"),
    "run at home": lambda: process.run(home, "ip link set lo up"),
    "spawn": lambda: process.spawn(red, "sleep 60"),
    "end_all_in": lambda: process.end_all_in({home.inode}),
    "holder": lambda: holder.start("green", lambda: None),
    "ping": lambda: traffic.ping(red, "127.0.0.1"),
    "connect": lambda: traffic.connect(red, "127.0.0.1", 80),
    "listen": lambda: traffic.listen(red, 80),
    "Capture": lambda: Capture(red, "lo").__enter__(),
    "Monitor": monitor.Monitor,
    "Watch": lambda: Watch(print).start(),
}
for name, act in ACTS.items():
    try:
        act()
    except NotInSandbox as error:
        assert error.to_do
    else:
        print("not refused:", name)
print(*Snapshot.take().names)
"""


@pytest.mark.parametrize("kernel", [{}, {"POD_NETWORKING_CLUSTER": "1"}], ids=["bare machine", "cluster kernel"])
def test_every_helper_that_changes_something_refuses(kernel: dict[str, str]) -> None:
    shell("ip netns add red")
    try:
        words = [f"{name}={value}" for name, value in kernel.items()]
        outside = ["unshare", "--net", "--", "env", *words, sys.executable, "-c", SCRIPT]
        done = subprocess.run(outside, cwd=CLONE, capture_output=True, text=True, check=False)
        assert (done.stdout.splitlines()[:-1], done.stderr) == ([], "")
        assert done.stdout.split()[:2] == ["host", "red"], "reading is allowed"
        assert shell("ip -n red -brief link; ls /run/netns").split()[:2] == ["lo", "DOWN"]
        assert shell("ls /run/netns") == "red"
    finally:
        shell("ip netns delete red")
