"""CHECK, STATUS and GC: what a runtime asks while a container lives, and when it does not know."""

from __future__ import annotations

from functools import partial

from labhelpers.cni.exchange import Exchange
from labhelpers.conformance.cni.ask import Failed, addresses, cables, free_again, is_there, ok, refused
from labhelpers.conformance.cni.check import Check, checking
from labhelpers.conformance.cni.standing import Standing
from labhelpers.conformance.cni.trial import Trial

__all__ = ["CHECKS"]

CHECKS: list[Check] = []
_check = partial(checking, CHECKS)


def _check_after(trial: Trial, added: Exchange) -> Exchange:
    return trial.call("CHECK", "a", config={"prevResult": added.answer})


@_check("check.well", "section 2 CHECK", "Right after ADD everything is fine.", since="0.4.0")
def _check_well(trial: Trial) -> str:
    ok(_check_after(trial, ok(trial.add("a"))))
    return "success"


@_check(
    "check.no-result",
    "section 2 CHECK, MUST consult prevResult",
    "Without it nobody knows what to expect.",
    since="0.4.0",
)
def _check_no_result(trial: Trial) -> str:
    ok(trial.add("a"))
    return refused(trial.call("CHECK", "a"))


@_check("check.address-gone", "section 2 CHECK, SHOULD", "That is what CHECK is for.", since="0.4.0")
def _check_address(trial: Trial) -> str:
    added = ok(trial.add("a"))
    trial.node.run(["ip", "-n", trial.inside("a")._kernel.name, "address", "flush", "dev", "eth0"], check=True)
    return refused(_check_after(trial, added))


@_check("check.route-gone", "section 2 CHECK, SHOULD", "That is what CHECK is for.", since="0.4.0")
def _check_route(trial: Trial) -> str:
    trial.config["ipam"]["routes"] = [{"dst": "0.0.0.0/0"}]
    added = ok(trial.add("a"))
    ok(_check_after(trial, added))
    trial.node.run(["ip", "-n", trial.inside("a")._kernel.name, "route", "delete", "default"], check=True)
    return refused(_check_after(trial, added))


@_check("check.interface-gone", "section 2 CHECK, SHOULD", "That is what CHECK is for.", since="0.4.0")
def _check_interface(trial: Trial) -> str:
    added = ok(trial.add("a"))
    trial.node.run(["ip", "-n", trial.inside("a")._kernel.name, "link", "delete", "eth0"], check=True)
    return refused(_check_after(trial, added))


@_check(
    "check.delegates", "section 4, MUST", "An address that is not in the books may be given to another.", since="0.4.0"
)
def _check_delegates(trial: Trial) -> str:
    added = ok(trial.add("a"))
    ok(_ipam(trial, "DEL"))
    return refused(_check_after(trial, added))


def _ipam(trial: Trial, command: str) -> Exchange:
    """Call the IPAM plugin behind the main plugin's back."""
    kind = trial.config["type"]
    trial.config["type"] = trial.config["ipam"]["type"]
    try:
        return trial.call(command, "a")
    finally:
        trial.config["type"] = kind


# --- STATUS and GC ----------------------------------------------------------------------------------------------------


@_check("status.ready", "section 2 STATUS", "The node is ready for pods.", since="1.1.0")
def _status(trial: Trial) -> str:
    ok(trial.call("STATUS"))
    return "success"


@_check("status.delegates", "section 2 STATUS, MUST", "Without an address ADD would fail.", addresses=1, since="1.1.0")
def _status_delegates(trial: Trial) -> str:
    ok(trial.add("a"))
    exchange = trial.call("STATUS")
    if exchange.failure and exchange.failure.code not in (50, 51):
        raise Failed(f"code {exchange.failure.code} in place of 50 or 51")
    return refused(exchange)


def _gc(trial: Trial, *valid: str) -> Exchange:
    attachments = [{"containerID": f"{trial.name}-{container}", "ifname": "eth0"} for container in valid]
    return trial.call("GC", config={"cni.dev/valid-attachments": attachments})


@_check("gc.frees", "section 2 GC", "What nobody uses any more can be used again.", addresses=1, since="1.1.0")
def _gc_frees(trial: Trial) -> str:
    ok(trial.add("a"))
    trial.remove("a")
    ok(_gc(trial))
    return free_again(trial)


@_check("gc.removes", "section 2 GC", "Cables that nobody uses go too.", since="1.1.0")
def _gc_removes(trial: Trial) -> str:
    before = cables(trial)
    ok(trial.add("a"))
    ok(_gc(trial))
    if is_there(trial, "a") or cables(trial) != before:
        raise Failed("the cable is still there")
    return "the cable is gone"


@_check("gc.spares", "section 2 GC", "A pod that is in use must notice nothing.", addresses=2, since="1.1.0")
def _gc_spares(trial: Trial) -> str:
    before = Standing.after(trial.add("a"), trial, "a")
    ok(trial.add("b"))
    ok(_gc(trial, "a"))
    before.must_last(trial, "a")
    ok(trial.call("DEL", "b"))
    ok(trial.add("c"))
    if addresses(trial, "c") == before.addresses:
        raise Failed("its address was given to another")
    return f"{before.addresses[0]} is still the container's"


@_check("gc.spares-networks", "section 2 GC", "A node may have many networks, each with its own list.", since="1.1.0")
def _gc_spares_networks(trial: Trial) -> str:
    ok(trial.add("a"))
    with trial.beside() as other:
        before = Standing.after(other.add("b"), other, "b")
        ok(_gc(trial))
        before.must_last(other, "b")
        if other.add("c").ok:
            raise Failed("an address of another network was given to a second container")
    return f"{before.addresses[0]} of another network is still its container's"
