"""What a runtime gives a plugin: the environment, and a configuration made from what the administrator wrote."""

from __future__ import annotations

from functools import partial
from typing import Any

from labhelpers.conformance.cni.ask import Failed
from labhelpers.conformance.cni.requirement import Requirement, must_fail, names, requiring
from labhelpers.conformance.cni.stage import FIRST, LAST, MIDDLE, Recorded, Stage

__all__ = ["REQUIREMENTS"]

REQUIREMENTS: list[Requirement] = []
_require = partial(requiring, REQUIREMENTS)
_CHAIN = [FIRST, MIDDLE, LAST]
_DERIVING = "section 3 deriving"


def _whole_life(stage: Stage, **options: Any) -> list[Recorded]:
    """ADD, CHECK and DEL of one container; the calls."""
    for runtime, act in ((stage.runtime(), "add"), (stage.runtime(), "check"), (stage.runtime(), "delete")):
        getattr(runtime, act)(stage.container(), **(options if act == "add" else {}))
    calls = stage.calls()
    if len(calls) != 9:
        raise Failed(f"ADD, CHECK and DEL of three plugins are nine calls; these came: {names(calls)}")
    return calls


def _differ(seen: object, expected: object) -> None:
    if seen != expected:
        raise Failed(f"{seen!r} in place of {expected!r}")


# --- section 1 --------------------------------------------------------------------------------------------------------


@_require("config.version", "section 1 versions, MUST", "An administrator may be ahead of some runtimes.")
def _highest_version(stage: Stage) -> str:
    stage.configure(cniVersion="0.4.0", cniVersions=["0.4.0", "1.1.0", "9.0.0"])
    seen = {one.request["cniVersion"] for one in _whole_life(stage)}
    _differ(seen, {"1.1.0"})
    return "of 0.4.0, 1.1.0 and 9.0.0 it chose 1.1.0"


@_require("config.unknown-fields", "section 1, MUST pass through", "Only the plugin knows what its fields mean.")
def _unknown_fields(stage: Stage) -> str:
    fields = {"keyA": ["some", 1, 2.5, None, {"größe": True}], "ipam": {"type": "none", "x": []}, "args": {"a": 1}}
    stage.configure(*({"type": name, **fields} for name in _CHAIN))
    for one in _whole_life(stage):
        _differ({key: one.request.get(key) for key in fields}, fields)
    return "each reached every plugin as it was written"


@_require("config.disable-check", "section 1, MUST NOT", "Some combinations of plugins are known to cry wolf.")
def _disable_check(stage: Stage) -> str:
    stage.configure(disableCheck=True)
    runtime = stage.runtime()
    runtime.add(stage.container())
    runtime.check(stage.container())
    _differ(len(stage.calls("CHECK")), 0)
    return "no plugin was called, and CHECK succeeded"


@_require("config.disable-gc", "section 1, MUST NOT", "Another runtime may have containers on the same network.")
def _disable_gc(stage: Stage) -> str:
    stage.configure(disableGC=True)
    must_fail(stage.runtime().gc, "GC is forbidden")
    _differ(len(stage.calls()), 0)
    return "no plugin was called"


@_require("config.name", "section 1, MUST begin with a letter or digit", "The name becomes part of file names.")
def _bad_name(stage: Stage) -> str:
    stage.configure(name="../stage")
    error = must_fail(lambda: stage.runtime().add(stage.container()), "the network is called '../stage'")
    _differ(len(stage.calls()), 0)
    return error.what


@_require("config.type", "section 1, MUST NOT contain /", "It would start a program from anywhere.")
def _bad_type(stage: Stage) -> str:
    stage.configure({"type": f"../plugins/{FIRST}"})
    error = must_fail(lambda: stage.runtime().add(stage.container()), "the type has a slash")
    _differ(len(stage.calls()), 0)
    return error.what


# --- section 2: the environment ---------------------------------------------------------------------------------------


@_require("environment.add", "section 2 ADD, required", "Nothing else tells a plugin what to do.")
def _environment(stage: Stage) -> str:
    stage.runtime().add(stage.container(), "net1", args={"A": "1", "B": "2"})
    environment = stage.calls("ADD")[0].environment
    expected = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": stage.container(), "CNI_IFNAME": "net1", "CNI_ARGS": "A=1;B=2"}
    _differ({key: environment.get(key) for key in expected}, expected)
    for key in ("CNI_NETNS", "CNI_PATH"):
        if not environment.get(key, "").startswith("/"):
            raise Failed(f"{key} is {environment.get(key)!r}")
    return "CNI_COMMAND, CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_ARGS, CNI_PATH"


@_require("environment.same", "section 3 attachment parameters", "A chain works on one interface.")
def _same_for_all(stage: Stage) -> str:
    calls = _whole_life(stage, ifname="eth0", args={"A": "1"})
    for command in ("ADD", "CHECK", "DEL"):
        first, *rest = [one.environment for one in calls if one.command == command]
        for one in rest:
            _differ(one, first)
    return "every plugin of the chain got the same"


@_require("environment.check", "section 2 CHECK, MUST be the same as for ADD", "It is about what ADD made.")
def _same_for_check(stage: Stage) -> str:
    calls = _whole_life(stage, args={"A": "1"})
    add, check, delete = (
        {key: value for key, value in one.environment.items() if key not in ("CNI_COMMAND", "CNI_PATH")}
        for one in (calls[0], calls[3], calls[6])
    )
    _differ(check, add)
    _differ(delete, add)
    return "CHECK and DEL got the parameters of ADD"


@_require("environment.gc", "section 2 GC, required", "It is about no container, and delegates need a path.")
def _environment_of_gc(stage: Stage) -> str:
    stage.runtime().gc()
    for one in stage.calls("GC"):
        if not one.environment.get("CNI_PATH") or "CNI_CONTAINERID" in one.environment:
            raise Failed(f"GC got {', '.join(sorted(one.environment))}")
    return "CNI_COMMAND, CNI_PATH"


@_require("environment.domain", "section 2, MUST", "A plugin works on the node, and enters the container itself.")
def _domain(stage: Stage) -> str:
    calls = _whole_life(stage)
    _differ({one.own for one in calls}, {stage.node.inode})
    return "every call ran in the node's network namespace"


# --- section 3: the configuration -------------------------------------------------------------------------------------


@_require(
    "request.name-and-version", f"{_DERIVING}, MUST be inserted", "A plugin is not told anything else of the list."
)
def _name_and_version(stage: Stage) -> str:
    stage.configure(*({"type": name, "name": "mine", "cniVersion": "0.1.0"} for name in _CHAIN), cniVersion="1.0.0")
    for one in _whole_life(stage):
        _differ((one.request["name"], one.request["cniVersion"]), (stage.NETWORK, "1.0.0"))
    return f"name {stage.NETWORK}, cniVersion 1.0.0"


@_require("request.no-capabilities", f"{_DERIVING}, MUST be removed", "They are the runtime's to read.")
def _no_capabilities(stage: Stage) -> str:
    stage.configure(*({"type": name, "capabilities": {"x": True}} for name in _CHAIN))
    if any("capabilities" in one.request for one in _whole_life(stage)):
        raise Failed("a plugin got them")
    return "no plugin got them"


@_require("request.runtime-config", f"{_DERIVING}, what both know", "A plugin may not expect what it did not ask for.")
def _runtime_config(stage: Stage) -> str:
    asking: list[dict[str, Any]] = [{"x": True, "y": True}, {"x": False}, {}]
    stage.configure(*({"type": n, "capabilities": one} for n, one in zip(_CHAIN, asking, strict=True)))
    for one in _whole_life(stage, capabilities={"x": [1], "z": 2}):
        _differ(one.request.get("runtimeConfig"), {"x": [1]} if one.plugin == FIRST else None)
    return "ADD, CHECK and DEL got what was both asked for and offered"


@_require("request.reserved", "section 1, reserved for the runtime", "Or a file could pretend to be the runtime.")
def _reserved(stage: Stage) -> str:
    reserved = {
        "runtimeConfig": {"x": 1},
        "prevResult": {"cniVersion": "1.1.0", "x": 1},
        "cni.dev/valid-attachments": [7],
    }
    stage.configure(*({"type": name, **reserved} for name in _CHAIN))
    for one in _whole_life(stage):
        if one.request.get("prevResult") == reserved["prevResult"] or "runtimeConfig" in one.request:
            raise Failed(f"{one.plugin} got them from the file")
        if "cni.dev/valid-attachments" in one.request:
            raise Failed(f"{one.plugin} got a list for GC")
    return "what the file had of them was left out"


@_require("request.version", "section 2 VERSION", "The answer is of the version of the question.")
def _version(stage: Stage) -> str:
    stage.runtime().versions(FIRST)
    (call,) = stage.calls("VERSION")
    if not isinstance(call.request, dict) or not call.request.get("cniVersion"):
        raise Failed(f"VERSION got {call.stdin!r}")
    return f"VERSION got {call.stdin}"
