"""ADD: the container is connected to something, and the result says by what.

The specification leaves it to each plugin what it connects a container to.  Where it does, the source is the course.
"""

from __future__ import annotations

from functools import partial

from labhelpers.cni.result import Interface, Result
from labhelpers.conformance.cni import bystanders
from labhelpers.conformance.cni.ask import Failed, NotAsked, interface, node_end, ok, result
from labhelpers.conformance.cni.check import Check, checking
from labhelpers.conformance.cni.standing import gateways
from labhelpers.conformance.cni.trial import Trial

__all__ = ["CHECKS"]

CHECKS: list[Check] = []
_check = partial(checking, CHECKS)


@_check("add.up", "the course", "Through a cable with an end that is down goes nothing.")
def _up(trial: Trial) -> str:
    ok(trial.add("a"))
    inside, end = interface(trial, "a"), node_end(trial, "a")
    if not inside.up:
        raise Failed("eth0 is down")
    if end is None:
        return "eth0 is up"
    if not end.up:
        raise Failed("the node's end of the cable is down")
    return "both ends of the cable are up"


@_check("add.bridge", "the course, with isGateway", "The bridge is the switch between the containers of a node.")
def _bridge(trial: Trial) -> str:
    _bridge_of_a(trial)
    return "the node's end of the cable is a port of a bridge"


@_check("add.bridge-mac", "the course, with isGateway", "Containers remember it, and lose their gateway if it changes.")
def _bridge_mac(trial: Trial) -> str:
    name = _bridge_of_a(trial)
    with bystanders.cable(trial.node, name, "trial-eth"):
        macs = {one.name: one.mac for one in trial.node.links()}
    if macs[name] == bystanders.LOWEST:
        raise Failed("the bridge has no MAC address of its own: it took that of a cable that came later")
    return "the bridge keeps its MAC address when another cable comes"


def _bridge_of_a(trial: Trial) -> str:
    """Add a container; the name of the bridge that it is plugged into."""
    if not trial.config.get("isGateway"):
        raise NotAsked("its configuration does not say isGateway")
    ok(trial.add("a"))
    end = node_end(trial, "a")
    if end is None:
        raise Failed("no cable leads from eth0 to the node")
    if not end.master:
        raise Failed("the node's end of the cable is a port of no bridge")
    return end.master


@_check("add.gateway", "the course, with isGateway or without a bridge", "Behind it is everything that is elsewhere.")
def _gateway(trial: Trial) -> str:
    found = gateways(ok(trial.add("a")), trial, "a")
    if not found:
        raise NotAsked("its configuration does not say isGateway")
    return f"{', '.join(found)} answers"


@_check("add.names-mac", "section 5 ADD success, MUST if applicable", "A bridge knows a container by nothing else.")
def _names_mac(trial: Trial) -> str:
    mine = _mine(trial, result(trial.add("a")))
    if not mine.mac:
        raise Failed(f"the result has no mac for eth0; the kernel has {interface(trial, 'a').mac}")
    return f"eth0 is {mine.mac}"


@_check("add.whose-address", "section 5 ADD success, MUST", "The list has the node's interfaces too.")
def _whose_address(trial: Trial) -> str:
    answered = result(trial.add("a"))
    mine = _mine(trial, answered)
    for one in answered.ips:
        if one.interface is None:
            raise Failed(f"the result does not say which interface {one.address} is of")
        if answered.interfaces[one.interface] != mine:
            raise Failed(f"the result gives {one.address} to {answered.interfaces[one.interface].name}")
    if not answered.ips:
        raise Failed("the result has no address")
    return f"{', '.join(one.address for one in answered.ips)} is of eth0"


def _mine(trial: Trial, answered: Result) -> Interface:
    for one in answered.interfaces_in(trial.netns("a")):
        if one.name == "eth0":
            return one
    raise Failed("the result has no eth0 in the container's namespace")
