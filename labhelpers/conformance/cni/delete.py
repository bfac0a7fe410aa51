"""DEL: what ADD made goes, however little of it is left."""

from __future__ import annotations

from functools import partial
from typing import Any

from labhelpers.conformance.cni import bystanders
from labhelpers.conformance.cni.ask import Failed, cables, free_again, is_there, node_end, ok
from labhelpers.conformance.cni.check import Check, checking
from labhelpers.conformance.cni.standing import Standing
from labhelpers.conformance.cni.trial import Trial

__all__ = ["CHECKS"]

CHECKS: list[Check] = []
_check = partial(checking, CHECKS)
_NAME = "trial-eth"  # not eth0: a DEL that works in the wrong place would cut the node off


@_check("del.removes", "section 2 DEL", "What ADD made goes.")
def _del_removes(trial: Trial) -> str:
    before = cables(trial)
    ok(trial.add("a"))
    ok(trial.call("DEL", "a"))
    if is_there(trial, "a") or cables(trial) != before:
        raise Failed("the cable is still there")
    return "no interface is left, here or on the node"


@_check("del.with-result", "section 2 DEL, MUST supply", "A runtime gives the result of ADD.", addresses=1)
def _del_with_result(trial: Trial) -> str:
    before = cables(trial)
    added = ok(trial.add("a"))
    ok(trial.call("DEL", "a", config={"prevResult": added.answer}))
    if is_there(trial, "a") or cables(trial) != before:
        raise Failed("the cable is still there")
    return free_again(trial)


@_check("del.frees", "section 4, MUST delegate", "Or addresses run out.", addresses=1)
def _del_frees(trial: Trial) -> str:
    ok(trial.add("a"))
    ok(trial.call("DEL", "a"))
    return free_again(trial)


@_check("del.twice", "section 2 DEL, MUST return success", "A runtime that was killed does it again.")
def _del_twice(trial: Trial) -> str:
    ok(trial.add("a"))
    for _ in range(3):
        ok(trial.call("DEL", "a"))
    return "three times"


@_check("del.never-added", "section 2 DEL", "DEL follows an ADD that never came that far.")
def _del_never(trial: Trial) -> str:
    trial.pod("a")
    ok(trial.call("DEL", "a"))
    return "success"


@_check(
    "del.netns-gone",
    "section 2 DEL, SHOULD succeed",
    "After a restart of the machine only files are left.",
    addresses=1,
)
def _del_netns_gone(trial: Trial) -> str:
    return _after_the_container(trial)


@_check("del.no-netns", "section 2 DEL: CNI_NETNS is optional", "The runtime may not know it any more.", addresses=1)
def _del_no_netns(trial: Trial) -> str:
    return _after_the_container(trial, environment={"CNI_NETNS": None})


def _after_the_container(trial: Trial, **options: Any) -> str:
    """DEL when the container is gone, and what may be taken for its interface is on the node."""
    before = {one.name for one in trial.node.links()}
    ok(trial.add("a", _NAME))
    trial.remove("a")
    with bystanders.named(trial.node, _NAME):
        ok(trial.call("DEL", "a", _NAME, **options))
        lost = {*before, _NAME} - {one.name for one in trial.node.links()}
    if _NAME in lost:
        raise Failed(f"it deleted {_NAME} of the node, which has only the name of the container's interface")
    if lost:
        raise Failed(f"it deleted {', '.join(sorted(lost))} of the node")
    return free_again(trial)


@_check("del.spares-others", "section 2 DEL", "It is about one container.")
def _del_spares(trial: Trial) -> str:
    added = {name: ok(trial.add(name)) for name in ("a", "b")}
    leaves, stays = ("b", "a") if _gives_the_bridge_its_mac(trial, "b") else ("a", "b")
    before = Standing.after(added[stays], trial, stays)
    ok(trial.call("DEL", leaves))
    before.must_last(trial, stays)
    return "the other container is as it was"


def _gives_the_bridge_its_mac(trial: Trial, container: str) -> bool:
    """With the port that it has its MAC address from, a bridge without one of its own changes it."""
    end = node_end(trial, container)
    return end is not None and any(one.name == end.master and one.mac == end.mac for one in trial.node.links())
