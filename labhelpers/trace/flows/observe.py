"""``observe``: begin to listen to the flows of every node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from labhelpers.errors import BadInput, LabError, NotFound
from labhelpers.lab import Node
from labhelpers.lab.flow_events import events_of
from labhelpers.lab.namespace import Namespace
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.interrupt import held
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.topology.find import places
from labhelpers.topology.model import Snapshot
from labhelpers.trace.flows.datapath import Datapath
from labhelpers.trace.flows.firewall import Firewall
from labhelpers.trace.flows.flow import DROPPED, FORWARDED, Flow, FlowSource
from labhelpers.trace.flows.flows import Flows, Wanted
from labhelpers.trace.flows.programs import Programs
from labhelpers.trace.flows.recorder import Recorder

__all__ = ["KnowsPolicies", "observe"]

_PROTOCOLS = ("TCP", "UDP", "ICMP", "HTTP")
_MOST_ASKED = 20  # kinds of flows that came together; a port scan has thousands


@runtime_checkable
class KnowsPolicies(Protocol):
    """What can say whose policies refuse a conversation: a cluster, or a network that is installed."""

    def refused_by(self, source: str, destination: str, port: int, protocol: str) -> tuple[str, ...]:
        """The policies that isolate the side that says no; addresses are given."""
        ...


def observe(
    where: Node | Iterable[Node] | Any = None,
    *,
    from_: Namespace | str = "",
    to: Namespace | str = "",
    verdict: str = "",
    protocol: str = "",
    follow: bool = False,
) -> Flows:
    """Listen to the flows of every node from now on: who talks to whom, was it let through, and who decided.

    While it goes on, each node has a table of nftables of its own that tells of the first packet of each conversation;
    with ``stop()``, at the end of a ``with`` block, or if this process is killed, it goes.  Cilium's packets do not
    come to the firewall: there its datapath tells, eBPF or its twin, to one listener at a time.

    Seen is what a node forwards.  Not seen are conversations that began before, what a node itself sends or gets, and
    what is dropped before it is routed; ``walk`` finds out about those.

    Args:
        where: a node, several, or what has nodes: a lab, a cluster, an installed network.  The last two also know which
            policies refuse a conversation.  Every node there is by default.
        from_, to: only flows from or to this pod: the object, its name, or its address.
        verdict: ``forwarded`` or ``dropped`` only.
        protocol: ``TCP``, ``UDP``, ``ICMP`` or ``HTTP`` only.
        follow: show a live picture in place of a table.

    Raises:
        BadInput: there is no such verdict or protocol, or ``where`` has no nodes.
        NotFound: there is no node.
        KernelFeatureMissing, ToolMissing, Vanished, NotInSandbox: nothing is left of the attempt.

    Shell: ``nft monitor trace``, and ``tcpdump -i nflog:GROUP`` on each node.
    """
    require_sandbox()
    wanted = Wanted(_who(from_), _who(to), _one_of("verdict", verdict.lower(), (FORWARDED, DROPPED)),
                    _one_of("protocol", protocol.upper(), _PROTOCOLS))  # fmt: skip
    nodes = _nodes(where)

    def enriched(flows: list[Flow]) -> list[Flow]:
        return _with_policies(flows, where) if isinstance(where, KnowsPolicies) else flows

    with held(), ExitStack() as undo:
        sources: list[FlowSource] = []
        for node, root in nodes:
            sources.append(_through(node))
            undo.callback(sources[-1].close)
            sources.append(Programs(node.name, root))
            undo.callback(sources[-1].close)
        flows: list[Flows] = []
        recorder = Recorder(sources, enriched, lambda: flows[0].heard() if flows else None)
        undo.pop_all()
        flows.append(Flows(recorder, wanted, tuple(one.name for one, _ in nodes), follow=follow))
        return flows[0]


def _through(node: NetworkNamespace) -> FlowSource:
    """What all packets pass: the network's own datapath where it has one, the firewall elsewhere."""
    events = events_of(node)
    return Firewall(node) if events is None else Datapath(node.name, events)


def _with_policies(flows: list[Flow], where: KnowsPolicies) -> list[Flow]:
    """Those that were dropped, with the policies that refuse them; asked once for all that are alike."""
    known: dict[tuple[str, str, int, str], str] = {}

    def policies(one: Flow) -> str:
        key = one.source_address, one.destination_address, one.port, one.protocol
        if key not in known and len(known) < _MOST_ASKED:
            try:
                known[key] = ", ".join(where.refused_by(*key))
            except LabError:  # a cluster that does not answer: the flow is told of all the same
                known[key] = ""
        return known.get(key, "")

    return [
        replace(one, policy=policies(one))
        if one.verdict == DROPPED and not one.policy and one.port and one.protocol in ("TCP", "UDP")
        else one
        for one in flows
    ]


def _who(given: Namespace | str) -> str:
    if isinstance(given, str):
        return given
    known = getattr(given, "address", None)  # of a pod; a name may be that of its namespace in /run/netns
    if isinstance(known, str) and known:
        return known
    raise BadInput(f"{given!r} is nobody who talks.", "Name a pod, or give its address.")


def _one_of(what: str, given: str, choices: Sequence[str]) -> str:
    if given and given not in choices:
        raise BadInput(f"There is no {what} {given!r} in the flow log.", f"Choose one of {', '.join(choices)}.")
    return given


def _nodes(where: Any) -> list[tuple[NetworkNamespace, str]]:
    """Each node's network namespace, and its file system as seen from here."""
    if where is None:
        paths = dict(places())
        found = [
            (NetworkNamespace(one.name, paths[one.inode], one.inode), f"/proc/{one.pid}/root")
            for one in Snapshot.take()
            if one.role == "node" and one.inode in paths
        ]
        if not found:
            raise NotFound("There is no node whose flows could be seen.", "Make one: lab.node('node-1').")
        return found
    given = [where] if isinstance(where, Node) else getattr(where, "nodes", where)
    try:
        nodes = list(given)
    except TypeError:
        nodes = []
    if not nodes or not all(isinstance(one, Node) for one in nodes):
        raise BadInput(f"{where!r} has no nodes.", "Give a node, a lab, a cluster or an installed network, or nothing.")
    return [(one._kernel, one.root) for one in nodes]
