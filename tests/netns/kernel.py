"""What the kernel says when asked by programs of their own: tests compare helpers with these."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["bridge", "eventually", "ip", "links", "nft", "shell", "state", "sysctl"]


def shell(script: str, namespace: str = "") -> str:
    """What a shell script prints; it must end well."""
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    done = subprocess.run([*inside, "sh", "-euxc", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-400:]  # what was run last, and what it said
    return done.stdout.rstrip("\n")


def ip(*arguments: str, namespace: str = "") -> Any:
    """``ip -json -details ARGUMENTS`` in a namespace, decoded."""
    return _json(["ip", *(["-n", namespace] if namespace else []), "-json", "-details", *arguments])


def links(namespace: str = "") -> dict[str, Any]:
    """``ip address``, by interface name."""
    return {one["ifname"]: one for one in ip("address", namespace=namespace)}


def bridge(*arguments: str, namespace: str = "") -> Any:
    """``bridge -json ARGUMENTS`` in a namespace, decoded."""
    return _json(["bridge", *(["-n", namespace] if namespace else []), "-json", *arguments])


def nft(namespace: str = "") -> list[Any]:
    """The nftables ruleset as ``nft`` lists it, without its heading."""
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    found: list[Any] = _json([*inside, "nft", "--json", "list", "ruleset"])["nftables"]
    return [one for one in found if "metainfo" not in one]


def sysctl(name: str, namespace: str = "") -> str:
    """A setting as ``sysctl`` shows it."""
    return shell(f"sysctl -n {name}", namespace)


def _json(command: list[str]) -> Any:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return json.loads(done.stdout or "[]")


def eventually(claim: Callable[[], object], timeout: float = 30.0) -> bool:
    """Does the claim come true?  Asked again and again, because the kernel does some things a little later."""
    end = time.monotonic() + timeout
    while not claim():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


#: differs between two namespaces in which the same was done
_OWN = frozenset(
    {
        *("ifindex", "link_index", "link_netnsid"),
        *("gc_timer", "hello_timer", "tcn_timer", "topology_change_timer", "hold_timer", "message_age_timer"),
        *("forward_delay_timer", "num_tx_queues", "num_rx_queues"),
    }
)


def state(namespace: str) -> dict[str, Any]:
    """All that other programs say of a namespace, without what differs from run to run."""
    addresses, routes, rules, neighbours = _batch(
        namespace, ["address", "route show table all", "rule", "neighbour show nud permanent"]
    )
    (routes_of_6,) = _batch(namespace, ["route show table all"], "-6")
    return {
        "links": sorted(_without(addresses), key=lambda one: str(one["ifname"])),
        "routes": sorted(map(repr, _without(routes + routes_of_6))),
        "rules": _without(rules),
        "neighbours": sorted(map(repr, _without(neighbours))),
        "fdb": sorted(map(repr, bridge("fdb", namespace=namespace))),
    }


def _batch(namespace: str, commands: Sequence[str], *options: str) -> list[Any]:
    """What ``ip`` says to several commands, asked by one process."""
    command = ["ip", *options, "-n", namespace, "-json", "-details", "-batch", "-"]
    done = subprocess.run(command, input="\n".join(commands), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(one) for key, one in value.items() if key not in _OWN}
    if isinstance(value, list):
        return [_without(one) for one in value]
    return value
