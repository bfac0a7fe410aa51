"""ADD: the container gets an interface, or nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from labhelpers.cni.version import SUPPORTED, at_least
from labhelpers.conformance.cni.ask import (
    Failed,
    addresses,
    cables,
    free_again,
    interface,
    is_there,
    ok,
    refused,
    result,
)
from labhelpers.conformance.cni.check import Check, checking
from labhelpers.conformance.cni.trial import Trial

__all__ = ["CHECKS"]

CHECKS: list[Check] = []
#: what the specification does not ask, because DEL follows an ADD that failed
_CARE = "with care: the specification leaves it to DEL"
_check = partial(checking, CHECKS)


@_check("add.interface", "section 2 ADD", "The container gets its interface, in its own namespace.")
def _add_interface(trial: Trial) -> str:
    ok(trial.add("a"))
    interface(trial, "a")
    return f"eth0 with {', '.join(addresses(trial, 'a')) or 'no address'}"


@_check("add.result", "section 5 ADD success, MUST", "The kubelet reads the pod's address there.")
def _add_result(trial: Trial) -> str:
    answered = result(trial.add("a"))
    if not answered.ips or not answered.interfaces:
        raise Failed(f"the result has {len(answered.interfaces)} interfaces and {len(answered.ips)} addresses")
    return f"{len(answered.interfaces)} interfaces, {len(answered.ips)} address"


@_check("add.version", "section 5, MUST", "The result is of the version of the configuration.")
def _add_version(trial: Trial) -> str:
    asked = trial.config["cniVersion"]
    answered = result(trial.add("a")).version
    if answered != asked:
        raise Failed(f"asked in {asked}, it answered in {answered}")
    return f"asked and answered in {asked}"


@_check("add.every-version", "section 2 VERSION", "What it says it speaks, it must speak.")
def _every_version(trial: Trial) -> str:
    answer = ok(trial.call("VERSION", config={"cniVersion": "1.0.0"})).answer
    theirs = answer.get("supportedVersions") if isinstance(answer, dict) else None
    if not isinstance(theirs, list):
        raise Failed(f"supportedVersions is {theirs!r}")
    both = [one for one in SUPPORTED if at_least(trial.version, one)]  # which its IPAM plugin speaks, too
    spoken = [one for one in both if one in theirs]
    for number, version in enumerate(spoken):
        trial.config["cniVersion"] = version
        answered = result(trial.add(f"v{number}")).version
        if answered != version:
            raise Failed(f"asked in {version}, it answered in {answered}")
        ok(trial.call("DEL", f"v{number}"))
    return f"ADD and DEL in {', '.join(spoken)}"


@_check("add.true", "section 5 ADD success", "What the result says must be what the kernel has.")
def _add_true(trial: Trial) -> str:
    answered, netns = result(trial.add("a")), trial.netns("a")
    mine = next((one for one in answered.interfaces_in(netns) if one.name == "eth0"), None)
    if mine is None:
        raise Failed(f"no interface eth0 with the sandbox {netns} in the result")
    link = interface(trial, "a")
    if mine.mac and mine.mac != link.mac:
        raise Failed(f"the result says {mine.mac}, the kernel {link.mac}")
    for ip in answered.ips:
        if ip.interface is not None and answered.interfaces[ip.interface] != mine:
            raise Failed(f"the result gives {ip.address} to {answered.interfaces[ip.interface].name}")
    missing = {one.address for one in answered.ips} - set(link.addresses)
    if missing:
        raise Failed(f"eth0 does not have {', '.join(sorted(missing))}")
    return f"eth0, {link.mac}, {', '.join(one.address for one in answered.ips)}"


@_check("add.lists-cables", "section 5 ADD success, MUST", "Who looks for a fault must know where to look.")
def _add_lists(trial: Trial) -> str:
    before = {one.name for one in trial.node.links()}
    answered = result(trial.add("a"))
    new = {one.name for one in trial.node.links() if one.kind == "veth"} - before
    listed = {one.name for one in answered.interfaces if not one.sandbox}
    if new - listed:
        raise Failed("the node's end of the cable is not in the result")
    return "the node's end of the cable is in the result"


@_check("add.previous-result", "section 2 ADD, MUST pass it on", "What earlier plugins of the chain made still counts.")
def _add_previous(trial: Trial) -> str:
    earlier = {"name": "net7", "sandbox": trial.netns("a")}
    ip = {"address": "192.0.2.7/32", "interface": 0, **({} if at_least(trial.version, "1.0.0") else {"version": "4"})}
    previous = {"cniVersion": trial.version, "interfaces": [earlier], "ips": [ip]}
    answered = result(trial.add("a", config={"prevResult": previous}))
    kept = [one for one in answered.ips if one.address == "192.0.2.7/32"]
    if not kept or not answered.interfaces or answered.interfaces[kept[0].interface or 0].name != "net7":
        raise Failed("the interface and the address of an earlier plugin are not in the result")
    mine = [one for one in answered.ips if one not in kept]
    if not mine or any(answered.interfaces[one.interface or 0].name != "eth0" for one in mine):
        raise Failed("its own address is no longer that of eth0")
    return "an earlier plugin's interface and address are in the result, beside its own"


@_check("add.unknown-field", "section 1, may generate an error", "A refusal must say which field it is.")
def _unknown_field(trial: Trial) -> str:
    exchange = trial.add("a", config={"nobodyKnowsThis": {"key": 1}})
    return "it was passed over" if exchange.ok else refused(exchange, 2, "nobodyKnowsThis")


@_check("add.routes", "section 2 ADD", "The routes that the result lists are there.")
def _add_routes(trial: Trial) -> str:
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "198.51.100.0/24"}]
    answered = result(trial.add("a", config={"ipam": {**trial.config["ipam"], "routes": routes}}))
    there = {one.destination for one in trial.inside("a").routes()}
    listed = {"default" if one.dst == "0.0.0.0/0" else one.dst for one in answered.routes}
    if not listed or listed - there:
        raise Failed(f"listed {', '.join(sorted(listed)) or 'none'}, there are {', '.join(sorted(there))}")
    return ", ".join(sorted(listed))


@_check("add.other-name", "section 2 parameters", "A pod may have more than one network.")
def _add_other_name(trial: Trial) -> str:
    ok(trial.add("a"))
    ok(trial.add("a", "net1"))
    first, second = addresses(trial, "a"), addresses(trial, "a", "net1")
    if not first or not second or first == second:
        raise Failed(f"eth0 has {first}, net1 has {second}")
    return f"eth0 {first[0]}, net1 {second[0]}"


@_check("add.taken", "section 2 ADD, MUST return an error", "Or two plugins would share an interface.")
def _add_taken(trial: Trial) -> str:
    ok(trial.add("a"))
    before = addresses(trial, "a")
    seen = refused(trial.call("ADD", "a", environment={"CNI_CONTAINERID": "another"}))
    if addresses(trial, "a") != before:
        raise Failed("the interface that was there was changed")
    return seen


@_check("add.failed-is-undone", _CARE, "An address that a failed ADD keeps is lost until DEL.", addresses=2)
def _add_undone(trial: Trial) -> str:
    ok(trial.add("a"))
    refused(trial.call("ADD", "a", environment={"CNI_CONTAINERID": "another"}))
    again = trial.add("b")
    if not again.ok:
        raise Failed(f"the second of two addresses is gone: {again.failure}")
    return "the failed ADD kept no address"


@_check("add.half-way", _CARE, "What fails half way is undone, down to the address.", addresses=1)
def _half_way(trial: Trial) -> str:
    nowhere = {"dst": "198.51.100.0/24", "gw": "203.0.113.1"}
    before = cables(trial)
    exchange = trial.add("a", config={"ipam": {**trial.config["ipam"], "routes": [nowhere]}})
    if exchange.ok:
        raise Failed(f"its route had the gateway {nowhere['gw']}, which cannot be reached, and ADD said that it worked")
    seen = refused(exchange)
    if is_there(trial, "a") or cables(trial) != before:
        raise Failed("half a cable was left")
    free_again(trial)
    return seen


def _missing(verb: str, variable: str) -> Callable[[Trial], str]:
    def test(trial: Trial) -> str:
        ok(trial.add("a")) if verb != "ADD" else trial.pod("a")
        return refused(trial.call(verb, "a", environment={variable: None}), 4, variable)

    return test


for _verb, _variables in {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME"),
}.items():
    for _variable in _variables:
        _word = _variable.removeprefix("CNI_").lower()
        _check(
            f"{_verb.lower()}.no-{_word}",
            "section 5 error, code 4, MUST name the variable",
            "Who called it wrongly must find out how.",
        )(_missing(_verb, _variable))


@_check("add.bad-container", "section 2 parameters, MUST begin with a letter or digit", "The id becomes a file name.")
def _bad_container(trial: Trial) -> str:
    trial.pod("a")
    return refused(trial.call("ADD", "a", environment={"CNI_CONTAINERID": "../escape"}))


@_check("add.long-name", "section 2 parameters, MUST return an error", "Linux has room for 15 bytes.")
def _long_name(trial: Trial) -> str:
    trial.pod("a")
    return refused(trial.call("ADD", "a", environment={"CNI_IFNAME": "sixteen-is-toomuch"}))


@_check("add.slash-in-name", "section 2 parameters, MUST return an error", "The kernel takes no such name.")
def _slash(trial: Trial) -> str:
    trial.pod("a")
    return refused(trial.call("ADD", "a", environment={"CNI_IFNAME": "et/h0"}))


@_check("add.netns-gone", "section 2 ADD", "The pod may have died meanwhile.")
def _netns_gone(trial: Trial) -> str:
    return refused(trial.call("ADD", "gone", netns="/run/netns/nobody-has-this"))


@_check("add.netns-is-a-file", "section 2 ADD", "A leftover name is an empty file.", addresses=1)
def _netns_file(trial: Trial) -> str:
    seen = refused(trial.call("ADD", "gone", netns="/etc/hostname"))
    free_again(trial)
    return seen


@_check("add.used-up", "section 5 error", "There is no half of a pod.", addresses=1)
def _used_up(trial: Trial) -> str:
    ok(trial.add("a"))
    before = cables(trial)
    seen = refused(trial.add("b"))
    ok(trial.call("DEL", "b"))
    if is_there(trial, "b") or cables(trial) != before:
        raise Failed("half a cable was left, also after DEL")
    return seen


@_check("add.no-ipam", "section 4, look up the plugin", "The plugin it delegates to may not be installed.")
def _no_ipam(trial: Trial) -> str:
    return refused(trial.add("a", config={"ipam": {**trial.config["ipam"], "type": "nobody-has-this"}}))


@_check("add.leaves-nothing", _CARE, "A full subnet is no reason to leave half a cable until DEL.", addresses=1)
def _leaves_nothing(trial: Trial) -> str:
    ok(trial.add("a"))
    before = cables(trial)
    refused(trial.add("b"))
    if is_there(trial, "b") or cables(trial) != before:
        raise Failed("half a cable was left")
    return "no cable was left, before DEL had come"
