"""How a runtime goes along a chain: in which order, with which result, and what it does with an error."""

from __future__ import annotations

from functools import partial

from labhelpers.conformance.cni.ask import Failed
from labhelpers.conformance.cni.requirement import Requirement, must_fail, names, requiring
from labhelpers.conformance.cni.stage import FIRST, LAST, MIDDLE, Recorded, Stage

__all__ = ["REQUIREMENTS"]

REQUIREMENTS: list[Requirement] = []
_require = partial(requiring, REQUIREMENTS)
_CHAIN = [FIRST, MIDDLE, LAST]
_ERROR = {"cniVersion": "1.1.0", "code": 107, "msg": "told to fail", "details": "by the stage"}


def _in_order(calls: list[Recorded], expected: list[str]) -> str:
    if [one.plugin for one in calls] != expected:
        raise Failed(f"{names(calls)} in place of {', '.join(expected)}")
    return names(calls)


def _made(call: Recorded) -> list[str]:
    """The interfaces of the previous result that a plugin got: each probe adds one with its name."""
    previous = call.request.get("prevResult") or {}
    return [one["name"] for one in previous.get("interfaces", [])]


def _all_have(calls: list[Recorded], expected: list[str]) -> str:
    for one in calls:
        if _made(one) != expected:
            raise Failed(f"{one.command} of {one.plugin} got the result of {', '.join(_made(one)) or 'nobody'}")
    return f"each got the result of {expected[-1]}"


def _fails(stage: Stage, plugin: str, command: str) -> None:
    stage.order(**{f"{plugin} {command}": {"error": _ERROR}})


def _passed_on(error: object) -> None:
    seen = tuple(getattr(error, key, None) for key in ("code", "msg", "details"))
    if seen != (107, "told to fail", "by the stage"):
        raise Failed(f"the caller was told {seen}")


# --- ADD --------------------------------------------------------------------------------------------------------------


@_require("add.order", "section 3 adding", "Later plugins add to what earlier ones made.")
def _add_order(stage: Stage) -> str:
    stage.runtime().add(stage.container())
    return _in_order(stage.calls("ADD"), _CHAIN)


@_require("add.previous-result", "section 3 adding", "A plugin must know what there is.")
def _add_previous(stage: Stage) -> str:
    stage.runtime().add(stage.container())
    first, middle, last = stage.calls("ADD")
    if "prevResult" in first.request:
        raise Failed("the first plugin got a result")
    for call, expected in ((middle, [FIRST]), (last, [FIRST, MIDDLE])):
        if _made(call) != expected:
            raise Failed(f"{call.plugin} got the result of {', '.join(_made(call)) or 'nobody'}")
    return "the first got none, each other that of the one before"


@_require("add.error", "section 3 adding", "The caller must be able to tell the user.")
def _add_error(stage: Stage) -> str:
    _fails(stage, MIDDLE, "ADD")
    _passed_on(must_fail(lambda: stage.runtime().add(stage.container()), "a plugin failed"))
    return "code, msg and details were passed on"


@_require("add.stops", "section 3 adding, halt", "There is nothing to add to.")
def _add_stops(stage: Stage) -> str:
    _fails(stage, MIDDLE, "ADD")
    must_fail(lambda: stage.runtime().add(stage.container()), "a plugin failed")
    return _in_order(stage.calls("ADD"), [FIRST, MIDDLE])


@_require("add.then-del", "section 3 lifecycle, MUST", "What the failed ADD has made must go.")
def _add_then_del(stage: Stage) -> str:
    _fails(stage, MIDDLE, "ADD")
    must_fail(lambda: stage.runtime().add(stage.container()), "a plugin failed")
    return f"after it DEL: {_in_order(stage.calls('DEL'), _CHAIN[::-1])}"


@_require("add.missing", "section 3 adding, is an error", "Half a chain is no network.")
def _add_missing(stage: Stage) -> str:
    stage.configure({"type": FIRST}, {"type": "nobody-has-this"})
    return must_fail(lambda: stage.runtime().add(stage.container()), "there is no such plugin").what


@_require("add.kept", "section 3 adding, MUST store persistently", "The runtime may be restarted before DEL.")
def _add_kept(stage: Stage) -> str:
    stage.runtime().add(stage.container())
    stage.runtime().check(stage.container())
    return _all_have(stage.calls("CHECK"), _CHAIN) + ", by a runtime that was started later"


@_require("add.once", "section 2 ADD, SHOULD NOT", "Plugins may not notice, and make things twice.")
def _add_once(stage: Stage) -> str:
    stage.runtime().add(stage.container())
    must_fail(lambda: stage.runtime().add(stage.container()), "ADD was asked for twice")
    _in_order(stage.calls("ADD"), _CHAIN)
    stage.runtime().add(stage.container(), "net1")
    return "the second was refused; another interface was added"


# --- DEL --------------------------------------------------------------------------------------------------------------


@_require("del.order", "section 3 deleting, reverse order", "What was made last is in the way of what was made first.")
def _del_order(stage: Stage) -> str:
    stage.runtime().add(stage.container())
    stage.runtime().delete(stage.container())
    return _in_order(stage.calls("DEL"), _CHAIN[::-1])


@_require("del.previous-result", "section 3 deleting, the final result", "It says what there is to remove.")
def _del_previous(stage: Stage) -> str:
    stage.runtime().add(stage.container())
    stage.runtime().delete(stage.container())
    return _all_have(stage.calls("DEL"), _CHAIN)


@_require("del.error", "section 3 deleting, halt", "What is left must not be forgotten.")
def _del_error(stage: Stage) -> str:
    stage.runtime().add(stage.container())
    _fails(stage, MIDDLE, "DEL")
    _passed_on(must_fail(lambda: stage.runtime().delete(stage.container()), "a plugin failed"))
    _in_order(stage.calls("DEL"), [LAST, MIDDLE])
    stage.order(**{f"{MIDDLE} DEL": {}})
    stage.forget()
    stage.runtime().delete(stage.container())
    _in_order(stage.calls("DEL"), _CHAIN[::-1])
    _all_have(stage.calls("DEL"), _CHAIN)
    return "it stopped, told the caller, and could be called again with all it needs"


@_require("del.forgets", "section 3 deleting", "A new container of this id is another one.")
def _del_forgets(stage: Stage) -> str:
    runtime = stage.runtime()
    runtime.add(stage.container())
    runtime.delete(stage.container())
    stage.forget()
    runtime.delete(stage.container())
    if any(_made(one) for one in stage.calls("DEL")):
        raise Failed("another DEL still got the result")
    return "after DEL there was no result any more"


@_require("del.same-network", "section 3 lifecycle, SHOULD NOT change", "What was made by one network is undone by it.")
def _del_same_network(stage: Stage) -> str:
    stage.configure(*({"type": name, "mark": "at ADD"} for name in _CHAIN))
    stage.runtime().add(stage.container())
    stage.configure({"type": LAST, "mark": "later"})
    stage.runtime().delete(stage.container())
    _in_order(stage.calls("DEL"), _CHAIN[::-1])
    if {one.request["mark"] for one in stage.calls("DEL")} != {"at ADD"}:
        raise Failed("DEL got another configuration than ADD")
    return "DEL got the configuration of ADD"


# --- CHECK ------------------------------------------------------------------------------------------------------------


@_require("check.order", "section 3 checking", "As ADD did.")
def _check_order(stage: Stage) -> str:
    stage.runtime().add(stage.container())
    stage.runtime().check(stage.container())
    return _in_order(stage.calls("CHECK"), _CHAIN)


@_require("check.error", "section 3 checking, halt", "One fault is enough.")
def _check_error(stage: Stage) -> str:
    stage.runtime().add(stage.container())
    _fails(stage, MIDDLE, "CHECK")
    _passed_on(must_fail(lambda: stage.runtime().check(stage.container()), "a plugin found a fault"))
    return _in_order(stage.calls("CHECK"), [FIRST, MIDDLE])


@_require("check.only-after-add", "section 2 CHECK, MUST NOT", "There is nothing to check.")
def _check_only_after(stage: Stage) -> str:
    runtime = stage.runtime()
    must_fail(lambda: runtime.check(stage.container()), "there was no ADD")
    runtime.add(stage.container())
    runtime.delete(stage.container())
    must_fail(lambda: runtime.check(stage.container()), "DEL had come")
    if stage.calls("CHECK"):
        raise Failed("a plugin was called")
    return "neither before ADD nor after DEL"


# --- GC ---------------------------------------------------------------------------------------------------------------


@_require("gc.goes-on", "section 3 garbage collection, continue", "One plugin's trouble is not another's.")
def _gc_goes_on(stage: Stage) -> str:
    _fails(stage, FIRST, "GC")
    _passed_on(must_fail(lambda: stage.runtime().gc(), "a plugin failed"))
    return f"all were called: {_in_order(stage.calls('GC'), _CHAIN)}"


@_require("gc.attachments", "section 3 garbage collection", "What is missing in the list is taken down.")
def _gc_attachments(stage: Stage) -> str:
    runtime = stage.runtime()
    attached = [(stage.container("a"), "eth0"), (stage.container("a"), "net1"), (stage.container("b"), "eth0")]
    for container, ifname in attached:
        runtime.add(container, ifname)
    runtime.add(stage.container("c"))
    runtime.delete(stage.container("c"))
    stage.runtime().gc()
    for one in stage.calls("GC"):
        listed = [(each["containerID"], each["ifname"]) for each in one.request["cni.dev/valid-attachments"]]
        if sorted(listed) != attached:
            raise Failed(f"{one.plugin} was told of {listed}")
    return "three attachments of two containers, and not the one that DEL had ended"
