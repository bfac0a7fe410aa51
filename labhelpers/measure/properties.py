"""What a network is like beyond speed: policies, what can be read on the wire, what can be observed."""

from __future__ import annotations

from dataclasses import dataclass

from labhelpers.cni import CniPod
from labhelpers.conformance.policy import RECIPES, truth_table
from labhelpers.conformance.policy.recipes import CAST, OUTSIDE, cast
from labhelpers.errors import LabError
from labhelpers.linux import connects
from labhelpers.linux.delivery import Receivers, deliver
from labhelpers.measure.crowd import crowd, open_port, pod_object
from labhelpers.measure.entrant import Entrant
from labhelpers.measure.site import two_nodes
from labhelpers.measure.state import state_lines
from labhelpers.networks import Installed
from labhelpers.networks.cilium.ebpf import EbpfDatapath
from labhelpers.networks.cilium.node import CiliumNode
from labhelpers.trace import observe
from labhelpers.trace.flows.flow import DROPPED, FORWARDED

__all__ = ["Properties", "properties_of"]

_PORT = 8768
_SECRET = b"can-this-be-read-on-the-wire"
_LASTING_MAPS = ("endpoints", "ipcache", "policy", "services")
_FEW, _MANY = 10, 1000  # policies
_CONNECTIONS, _TIMES = 200, 3
#: what a flow log may answer
_QUESTIONS = ("between nodes", "on one node", "refused", "by which policy")


@dataclass(frozen=True, slots=True)
class Properties:
    """One network's line."""

    network: str
    #: connections of the policy recipes that were as the policies say, of all that were tried
    policy: str
    #: how a packet between nodes looks on the underlay, and whether what it carries can be read
    wire: str
    #: what a flow log on the nodes can answer
    observed: str
    #: what it cannot
    unseen: str = ""
    #: what carries packets in place of the product
    stand_in: str = ""


def properties_of(entrant: Entrant, *, recipes: int = len(RECIPES)) -> tuple[Properties, dict[str, list[float]]]:
    """Try them on two fresh nodes with six pods, see ``RECIPES``.

    Args:
        recipes: how many of the policy recipes.

    Returns:
        the line, and the numbers ``lines`` and ``rules``, where there are any.

    Raises:
        LabError: the network cannot be made here.
    """
    assert entrant.network is not None
    with two_nodes(entrant.network) as (installed, _):
        names = sorted(CAST)
        pods = {name: installed.pod(installed.nodes[number % 2], name.replace("/", "-"))
                for number, name in enumerate(names)}  # fmt: skip
        installed.wait()
        near, far, beside = (pods[name] for name in names[:3])
        line = Properties(
            entrant.name,
            _policy(installed, pods, recipes),
            _wire(near, far),
            *_observed(installed, near, beside, far),
            _stand_in(installed),
        )
        numbers = {"lines": [_lines_a_pod(installed)]}
        if entrant.network.enforces:
            numbers["rules"] = _among_policies(installed, near, far)
        return line, numbers


def _policy(installed: Installed, pods: dict[str, CniPod], recipes: int) -> str:
    """How many connections are as the tables say that people wrote down, not as our own compiler does."""
    objects = cast(
        {name: pod.address for name, pod in pods.items()}, {name: pod.node.name for name, pod in pods.items()}
    )
    right = tried = 0
    for recipe in RECIPES[:recipes]:
        objects["networkpolicies"] = list(recipe.policies)
        installed.apply(objects)
        wanted = {
            (a, b, protocol, port): allowed
            for a, b, protocol, port, allowed in recipe.connections()
            if OUTSIDE not in (a, b)
        }
        for cell in truth_table(objects, recipe.tables).cells:
            tried += 1
            right += (cell.seen == "allowed") is wanted[cell.source, cell.destination, cell.protocol, cell.port]
    objects["networkpolicies"] = []
    installed.apply(objects)
    return f"{right} of {tried}"


def _wire(near: CniPod, far: CniPod) -> str:
    nodes = (near.node.address, far.node.address)
    with Receivers([far._kernel], _PORT), far.node.capture("eth0") as seen:
        if not deliver(near._kernel, far.address, _PORT, "TCP", _SECRET, timeout=10.0).ok:
            raise LabError(f"{near.name} does not reach {far.name}.", "walk() says where it ends.")
        seen.wait_for(lambda packet: packet.source in (near.address, *nodes))
    readable = "readable" if seen.saw(_SECRET) else "not readable"
    if any(packet.source == near.address for packet in seen.packets):
        return f"as it was sent, {readable}"
    # what the nodes' own programs say to one another is ARP and TCP
    wrapped = {packet.protocol for packet in seen.packets if packet.source in nodes} - {"ARP", "TCP", "ICMP"}
    return f"in {' and '.join(sorted(wrapped)) or 'TCP'}, {readable}"


def _observed(installed: Installed, near: CniPod, beside: CniPod, far: CniPod) -> tuple[str, str]:
    everyone = (near, beside, far)
    objects = {
        "pods": [pod_object(pod.name, pod.address, pod.node.name, {"app": pod.name}) for pod in everyone],
        "namespaces": [{"metadata": {"name": "default"}}],
        "networkpolicies": [open_port("only-this", {"matchLabels": {"app": far.name}}, _PORT)],
    }
    installed.apply(objects)
    with observe(installed) as flows, far.listen(_PORT), beside.listen(_PORT):
        near.connect(far.address, _PORT)
        near.connect(beside.address, _PORT)
        near.connect(far.address, _PORT + 1, timeout=0.3)
    ends = [(one.source_address, one.destination_address, one.port, one.verdict, one.policy) for one in flows.rows]
    installed.apply({**objects, "networkpolicies": []})

    def was_seen(target: CniPod, port: int, verdict: str, policy: str = "") -> bool:
        return any(
            (a, b, number, said) == (near.address, target.address, port, verdict) and policy in named
            for a, b, number, said, named in ends
        )

    answers = (
        was_seen(far, _PORT, FORWARDED),
        was_seen(beside, _PORT, FORWARDED),
        was_seen(far, _PORT + 1, DROPPED),
        was_seen(far, _PORT + 1, DROPPED, "only-this"),
    )
    unseen = [question for question, answer in zip(_QUESTIONS, answers, strict=True) if not answer]
    return f"{sum(answers)} of {len(answers)}", ", ".join(unseen)


def _lines_a_pod(installed: Installed, count: int = 4) -> float:
    """What so many pods more add to all nodes, with a policy that selects all of them."""

    def settled() -> int:
        objects = {
            "pods": [pod_object(pod.name, pod.address, pod.node.name, {"app": "own"}) for pod in installed.pods],
            "namespaces": [{"metadata": {"name": "default"}}],
            "networkpolicies": [open_port("own", {"matchLabels": {"app": "own"}}, _PORT)],
        }
        installed.apply(objects)
        return state_lines(installed.nodes) + _in_maps(installed)

    before = settled()
    for number in range(count):
        installed.pod(installed.nodes[number % len(installed.nodes)], f"more-{number}")
    return (settled() - before) / count


def _in_maps(installed: Installed) -> int:
    """Entries of eBPF's maps, which no other table shows; what comes and goes with connections is not counted."""
    return sum(
        len(rows)
        for one in installed.enforcers.values()
        if isinstance(one, CiliumNode) and isinstance(one.datapath, EbpfDatapath)
        for name, rows in one.datapath.tables().items()
        if name in _LASTING_MAPS
    )


def _among_policies(installed: Installed, near: CniPod, far: CniPod) -> list[float]:
    """The quickest connection with many policies around it, to that with few; some times."""

    def quickest(policies: int) -> float:
        objects = crowd(policies, far.node.name)
        own = {"app": "own"}
        objects["pods"] += [pod_object(pod.name, pod.address, pod.node.name, own) for pod in (near, far)]
        # the last by name: all others that select the pod, if any did, would be asked first
        objects["networkpolicies"].append(open_port("the-last", {"matchLabels": own}, _PORT))
        installed.apply(objects)
        return min(connects.connection_times(near._kernel, far._kernel, far.address, port=_PORT, count=_CONNECTIONS))

    pairs = [(quickest(_FEW), quickest(_MANY)) for _ in range(_TIMES)]
    return [many / few for few, many in pairs]


def _stand_in(installed: Installed) -> str:
    way = installed.carrier.way if installed.carrier else ""
    return way.rpartition(": ")[2] if "user space" in way else ""
