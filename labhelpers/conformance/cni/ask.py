"""What the checks ask a plugin and the kernel, and how they tell that it is not so."""

from __future__ import annotations

from labhelpers.cni.exchange import Exchange
from labhelpers.cni.result import Result
from labhelpers.conformance.cni.trial import Trial
from labhelpers.errors import BadInput, NotFound
from labhelpers.linux.records import Link

__all__ = [
    "Failed",
    "NotAsked",
    "addresses",
    "cables",
    "free_again",
    "interface",
    "is_there",
    "node_end",
    "ok",
    "one_address",
    "refused",
    "result",
]


class Failed(Exception):
    """The plugin did something else; the text says what."""


class NotAsked(Exception):
    """The requirement is not for this plugin, or not for this configuration; the text says why."""


def ok(exchange: Exchange) -> Exchange:
    """Raise ``Failed`` unless the plugin said that it worked."""
    if not exchange.ok:
        raise Failed(f"{exchange.command} failed: {exchange.outcome}")
    return exchange


def refused(exchange: Exchange, code: int = 0, naming: str = "") -> str:
    """Raise ``Failed`` unless the plugin refused with an error object, of this code and with this word in it."""
    if exchange.ok:
        raise Failed("its exit status says that it worked")
    failure = exchange.failure
    if failure is None:
        raise Failed(f"{exchange.outcome}, and no error object on standard output")
    if code and failure.code != code:
        raise Failed(f"code {failure.code} in place of {code}: {failure.msg}")
    if naming and naming not in f"{failure.msg} {failure.details}":
        raise Failed(f"the error does not name {naming}: {failure.msg}")
    return f"code {failure.code}: {failure.msg}"


def result(exchange: Exchange) -> Result:
    """The result of an ADD; ``Failed`` if it is none."""
    try:
        return Result.parse(ok(exchange).answer)
    except BadInput as error:
        raise Failed(error.what) from None


def interface(trial: Trial, container: str, ifname: str = "eth0") -> Link:
    """The container's interface as the kernel has it, after an ADD that said that it worked."""
    for one in trial.inside(container).links():
        if one.name == ifname:
            return one
    raise Failed(f"it said that it worked, and there is no {ifname} in the container")


def node_end(trial: Trial, container: str) -> Link | None:
    """The node's end of the container's cable; ``None`` if no cable leads from eth0 to the node."""
    inside = interface(trial, container)
    for one in trial.node.links():
        if one.kind == "veth" and (one.index, one.peer_index) == (inside.peer_index, inside.index):
            return one
    return None


def one_address(trial: Trial, container: str) -> str:
    """The first address of the container's eth0, after an ADD that said that it worked."""
    interface(trial, container)
    found = addresses(trial, container)
    if not found:
        raise Failed("it said that it worked, and eth0 has no address")
    return found[0]


def addresses(trial: Trial, container: str, ifname: str = "eth0") -> tuple[str, ...]:
    """The addresses that the kernel has on a container's interface, but those it gave itself."""
    try:
        return tuple(one for one in trial.inside(container).links()[ifname].addresses if not one.startswith("fe80"))
    except KeyError:
        return ()


def is_there(trial: Trial, container: str, ifname: str = "eth0") -> bool:
    """Does the kernel have this interface in the container?"""
    try:
        return any(one.name == ifname for one in trial.inside(container).links())
    except NotFound:
        return False


def cables(trial: Trial) -> int:
    """Cables that lead from the node to a container of any trial."""
    return sum(1 for one in trial.node.links() if one.kind == "veth" and one.name != "eth0")


def free_again(trial: Trial) -> str:
    """There is one address in all: it can be given only if it was given back."""
    again = trial.add("after")
    if not again.ok:
        raise Failed(f"the address was not given back: {again.outcome}")
    return f"{one_address(trial, 'after')} could be given again"
