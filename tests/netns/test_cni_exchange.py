"""An operation can be looked at: what went over the wire, plugin by plugin and into IPAM, and what changed by it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from labhelpers.cni import Exchange, Operation, Runtime
from labhelpers.course import settle
from labhelpers.errors import CniFailed
from labhelpers.lab import Lab
from tests.netns.cni import PAIRS, leases, network, plugin
from tests.netns.kernel import state


@pytest.fixture
def runtime(lab: Lab) -> Runtime:
    return Runtime(lab.node("node-1"))


def _all(operation: Operation) -> list[Exchange]:
    """Every exchange with those inside it."""
    return [inner for one in (*operation.exchanges, *operation.undo) for inner in (one, *one.delegated)]


def _script(name: str, text: str) -> None:
    path = Path("/opt/cni/bin", name)
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.parametrize("pair", PAIRS)
def test_the_calls_of_the_runtime_and_of_the_plugin_are_seen(runtime: Runtime, pair: str) -> None:
    main, ipam = PAIRS[pair]
    config = network(plugin(main, ipam))
    runtime.configure(config)
    operation = runtime.add("web", args={"K8S_POD_NAME": "web", "IgnoreUnknown": "1"})
    (exchange,) = operation.exchanges
    (inner,) = exchange.delegated
    environment = {
        "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "web", "CNI_NETNS": "/run/netns/cni-web", "CNI_IFNAME": "eth0",
        "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAME=web", "CNI_PATH": "/opt/cni/bin",
    }  # fmt: skip
    assert (exchange.plugin, exchange.path, exchange.status) == (main, f"/opt/cni/bin/{main}", 0)
    assert (inner.plugin, inner.path, inner.status) == (ipam, f"/opt/cni/bin/{ipam}", 0)
    assert exchange.environment == inner.environment == environment
    request = {**config["plugins"][0], "cniVersion": "1.0.0", "name": "pods"}
    assert exchange.request == inner.request == request
    assert inner.answer["ips"][0]["address"] == "10.0.1.2/24"
    assert "interfaces" not in inner.answer
    assert operation.result
    assert operation.result.to_json() == exchange.answer
    assert leases(runtime.node) == {"10.0.1.2": "web eth0"}


def test_what_changed_in_the_kernel_is_told_plugin_by_plugin(runtime: Runtime) -> None:
    runtime.configure(network(plugin(), {"type": "tuning", "mtu": 1400}))
    bridge, tuning = runtime.add("web").exchanges
    made = str(bridge.changes)
    for part in ("cni0", "eth0", "10.0.1.2/24", "10.0.1.1/24", "default"):
        assert part in made
    assert "web" in str(tuning.changes)
    assert "1400" in str(tuning.changes)
    assert "cni0" not in str(tuning.changes)
    undone = [str(one.changes) for one in runtime.delete("web").exchanges]
    assert "10.0.1.2/24" in undone[1]


def test_the_signal_of_a_bridge_is_nobodys_change(runtime: Runtime) -> None:
    runtime.configure(network(plugin()))
    runtime.add("web")
    runtime.delete("web")
    settle()
    assert runtime.node.links()["cni0"].state == "down"
    (bridge,) = runtime.add("web").exchanges
    assert "web: link eth0" in str(bridge.changes)
    assert "state" not in str(bridge.changes)


def test_looking_changes_nothing(runtime: Runtime, lab: Lab) -> None:
    """The same node state with and without an observer."""
    states = []
    for observe in (True, False):
        one = Runtime(lab.node("node-2"), observe=observe)
        one.configure(network())
        one.add("web")
        states.append(state("node-2"))
        assert sorted(os.listdir(f"{one.node.root}/run")) == ["cni-locks", "lock", "netns", "sandbox-netns"]
        lab["node-2"].delete()
    assert states[0] == states[1]


@pytest.mark.parametrize("main", ["lab-bridge", "bridge"])
def test_nobody_sees_who_listens(runtime: Runtime, main: str) -> None:
    """Neither an error that quotes its search path, nor one of the IPAM plugin."""
    texts = []
    for ipam in ("nobody", "repeats"):
        _script(
            "repeats", '#!/bin/sh\necho "{\\"code\\": 100, \\"msg\\": \\"$CNI_PATH\\"}"; echo "$CNI_PATH" >&2; exit 1\n'
        )
        runtime.configure(network(plugin(main, ipam)))
        with pytest.raises(CniFailed) as failed:
            runtime.add("web")
        operation: Any = failed.value.operation
        texts += [str(failed.value), *(f"{one.environment} {one.stdout} {one.stderr}" for one in _all(operation))]
    os.unlink("/opt/cni/bin/repeats")
    assert all("/opt/cni/bin" in text for text in texts if "nobody" in text)
    assert not [text for text in texts if "observed" in text]


def test_an_ipam_plugin_that_dies_is_seen_to_have_died(runtime: Runtime) -> None:
    _script("dies", "#!/bin/sh\nkill -9 $$\n")
    runtime.configure(network(plugin("lab-bridge", "dies")))
    with pytest.raises(
        CniFailed, match=r"lab-bridge refused ADD with code 100 .*: the plugin dies was ended by signal 9\."
    ):
        runtime.add("web")
    with pytest.raises(CniFailed) as failed:
        Runtime(runtime.node, observe=True).add("web")
    operation: Any = failed.value.operation
    assert [one.status for one in operation.exchanges[0].delegated] == [-9, -9], "ADD, and DEL after it"
    os.unlink("/opt/cni/bin/dies")


def test_the_undoing_of_a_main_plugin_is_seen_too(runtime: Runtime) -> None:
    """The main plugin calls DEL of its IPAM plugin, and the runtime calls DEL of the main plugin."""
    _script("refuses", '#!/bin/sh\necho "{\\"code\\": 11, \\"msg\\": \\"no\\"}"; exit 1\n')
    runtime.configure(network(plugin("lab-bridge", "refuses")))
    with pytest.raises(CniFailed) as failed:
        runtime.add("web")
    operation: Any = failed.value.operation
    assert [(one.command, one.plugin, one.ok) for one in _all(operation)] == [
        ("ADD", "lab-bridge", False), ("ADD", "refuses", False), ("DEL", "refuses", False),
        ("DEL", "lab-bridge", False), ("DEL", "refuses", False),
    ]  # fmt: skip
    assert json.loads(operation.exchanges[0].stdout)["code"] == failed.value.code == 11
    os.unlink("/opt/cni/bin/refuses")
