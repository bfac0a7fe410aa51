"""Bad input and bad luck: each has a clear error and leaves nothing behind.

The exact texts are in ``data/errors.txt``, because learners read them: changing one is changing the course.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from labhelpers.errors import LabError
from labhelpers.lab import Lab, Namespace, checkpoint
from labhelpers.linux import holder
from labhelpers.linux.records import Rows
from labhelpers.networks.route import HostGateway
from labhelpers.topology import Snapshot
from tests.netns.everything import Everything
from tests.netns.kernel import eventually, shell

CLONE = Path(__file__).parent.parent.parent
TEXTS = Path(__file__).parent / "data/errors.txt"

#: who runs a trigger that begins with these words; all others run in the lab of this module
ELSEWHERE = {
    "outside the sandbox": ["unshare", "--net", "--"],
    "on the cluster's kernel": ["unshare", "--net", "--", "env", "POD_NETWORKING_CLUSTER=1"],
    "without privilege": ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"],
    "without programs": ["env", "PATH=/nowhere"],
}


#: in a text: words that are the kernel's own and differ from kernel to kernel
KERNELS_WORDS = "(the kernel's words)"


@dataclass(frozen=True)
class Golden:
    """What somebody types, and what they are told."""

    trigger: str
    text: str

    def fits(self, said: str) -> bool:
        """Is this what was said, whatever the kernel's own words were?"""
        return bool(re.fullmatch(re.escape(self.text).replace(re.escape(KERNELS_WORDS), "[^`:]+(: [^`:]+)?"), said))


def _golden() -> list[Golden]:
    blocks = TEXTS.read_text().split("\n\n")
    found = []
    for block in blocks:
        first, _, rest = block.strip().partition("\n")
        if first.startswith("> "):
            found.append(Golden(first[2:], rest))
    return found


@pytest.fixture(scope="module")
def world() -> Iterator[dict[str, Any]]:
    """A lab with one of everything that can be in the way."""
    lab = Lab()
    node = lab.node("node-1")
    pod = node.pods(["pod-a", "pod-b"])[0]
    full = lab.node("node-2", pod_cidr="10.0.2.0/28")
    full.pods([f"full-{number}" for number in range(5)])
    red, blue = lab.namespace("red"), lab.namespace("blue")
    lab.veth((red, "eth0"), (blue, "eth0"))
    red.add_address("eth0", "10.9.0.1/24")
    red.up("eth0")
    gone = lab.namespace("gone")
    halted = lab.node("halted")
    os.kill(halted.pid, 9)
    shell("ip netns delete gone; ip netns add web; ip netns add default.web")
    shell("ip -n web link set lo alias 'role=pod name=web owner=cni'")
    shell("ip -n default.web link set lo alias 'role=pod name=default/web owner=kubelet'")
    assert eventually(lambda: not os.path.exists(f"/proc/{halted.pid}/ns/net"))
    holder.collect()
    server = red.listen(80)
    yield {
        "HostGateway": HostGateway,
        "Lab": Lab,
        "Namespace": Namespace,
        "Rows": Rows,
        "Snapshot": Snapshot,
        "checkpoint": checkpoint,
        "lab": lab,
        "node": node,
        "pod": pod,
        "full": full,
        "halted": halted,
        "red": red,
        "blue": blue,
        "gone": gone,
        "web": lab["web"],
        "kubernetes": lab["default.web"],
    }
    server.stop()
    shell("ip netns delete web; ip netns delete default.web")
    lab.reset()


def test_there_are_texts_of_every_kind() -> None:
    kinds = {one.text.partition(":")[0] for one in _golden()}
    assert kinds == {
        *(
            "AlreadyExists",
            "BadInput",
            "KernelFeatureMissing",
            "LabError",
            "NeedsPrivilege",
            "NotFound",
            "NotInSandbox",
        ),
        *("NotYours", "PoolExhausted", "TimedOut", "ToolMissing", "Vanished"),
    }
    assert len({one.trigger for one in _golden()}) == len(_golden())


@pytest.mark.parametrize("golden", _golden(), ids=lambda golden: golden.trigger[:70])
def test_it_says_what_happened_and_what_to_do_and_changes_nothing(world: dict[str, Any], golden: Golden) -> None:
    lab = world["lab"]
    before = Everything.now(lab)
    said = _said(golden.trigger, world)
    assert golden.fits(said), said
    assert Everything.now(lab) == before


def _said(trigger: str, world: dict[str, Any]) -> str:
    where, _, expression = trigger.partition(": ")
    if where in ELSEWHERE:
        return _said_elsewhere(ELSEWHERE[where], expression)
    try:
        result = eval(trigger, world)
    except LabError as error:
        return "\n".join(error._render_traceback_())
    return f"no error, but {result!r}"


def _said_elsewhere(prefix: list[str], expression: str) -> str:
    """In a sandbox inside this one, where there is a namespace red."""
    sandbox = [sys.executable, "-m", "labhelpers.sandbox.run", "--", "sh", "-c", 'ip netns add red; exec "$@"', "sh"]
    script = (
        "from labhelpers.errors import LabError\n"
        "from labhelpers.lab import Lab, Namespace\n"
        "try:\n"
        f"    print('no error, but', {expression})\n"
        "except LabError as error:\n"
        "    print(*error._render_traceback_(), sep='\\n')\n"
    )
    done = subprocess.run([*sandbox, *prefix, sys.executable, "-c", script], cwd=CLONE, capture_output=True, text=True)
    return (done.stdout + done.stderr).rstrip("\n")
