"""The Kubernetes network model, checked with packets.

Source: https://kubernetes.io/docs/concepts/services-networking/ ("The Kubernetes network model").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import permutations
from typing import Protocol

from labhelpers.cni import CniPod
from labhelpers.conformance.row import Row, first_three
from labhelpers.errors import NotFound
from labhelpers.lab import Lab, Namespace, Node, Pod
from labhelpers.linux.records import Rows
from labhelpers.linux.traffic import Reply

__all__ = ["AnyPod", "HasNodes", "addresses", "network_model"]

AnyPod = Pod | CniPod


class HasNodes(Protocol):
    """A lab, or a cluster."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Its nodes that exist."""


PORT = 8765  # an unlikely one: a pod of the learner may serve 80 or 8080
PATIENCE = 0.5  # seconds; an answer inside one machine takes less than a millisecond
_DOCS = "Kubernetes docs, network model"
_CLASSIC = "the classic fourth rule"


def network_model(lab: HasNodes, *, pods: Sequence[AnyPod] | None = None) -> Rows[Row]:
    """Open a connection from every pod and every node to every pod, and read the source addresses that arrive.

    While it runs, each pod has one more process that listens on TCP port 8765.

    Args:
        lab: with at least two pods; or a cluster, and its pods.
        pods: these instead of the lab's, such as those that a CNI runtime made.

    Returns:
        one row a rule: ``unique-ip``, ``pod-to-pod``, ``no-nat``, ``node-to-pod``, ``same-ip``.

    Raises:
        NotFound: the lab has fewer than two pods.
    """
    if pods is None:
        pods = lab.pods if isinstance(lab, Lab) else ()
    if len(pods) < 2:
        raise NotFound(
            "The model is about pods that talk, and this lab has fewer than two.", "checkpoint('03') makes four."
        )
    with ExitStack() as servers:
        for pod in pods:
            servers.enter_context(pod.listen(PORT))
        between = _connect((a, b) for a, b in permutations(pods, 2))
        agents = _connect((pod.node, pod) for pod in pods)
    return Rows(
        [
            _unique(pods),
            _reached("pod-to-pod", between, "Every pod can open a connection to every other pod, on any node."),
            _untranslated(between),
            _reached("node-to-pod", agents, "The kubelet probes the pods of its own node this way."),
            _same(pods, between),
        ],
        "the Kubernetes network model",
    )


Attempts = list[tuple[Namespace, AnyPod, Reply]]


def _connect(pairs: Iterable[tuple[Namespace, AnyPod]]) -> Attempts:
    """All connections side by side, so that a broken network costs one time limit and not one per pair."""

    def attempt(pair: tuple[Namespace, AnyPod]) -> tuple[Namespace, AnyPod, Reply]:
        source, target = pair
        return source, target, source.connect(target.address, PORT, timeout=PATIENCE)

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(attempt, pairs))


def addresses(pod: AnyPod) -> tuple[str, ...]:
    """What the kernel says the pod's own addresses are, without prefix length."""
    return tuple(address.split("/")[0] for link in pod.links() if link.kind != "loopback" for address in link.addresses)


def _unique(pods: Sequence[AnyPod]) -> Row:
    holders = defaultdict(list)
    for pod in pods:
        for address in addresses(pod) or ("no address",):
            holders[address].append(pod.name)
    wrong = [
        f"{address}: {', '.join(names)}"
        for address, names in sorted(holders.items())
        if len(names) > 1 or address == "no address"
    ]
    return Row(
        "unique-ip",
        _DOCS,
        not wrong,
        "; ".join(wrong) or f"{len(pods)} pods, {len(holders)} addresses",
        "Two pods may listen on the same port, because their addresses differ.",
    )


def _reached(rule: str, attempts: Attempts, why: str) -> Row:
    failed = [f"{a.name} → {b.name}" for a, b, reply in attempts if not reply.ok]
    made = f"{len(attempts) - len(failed)} of {len(attempts)} connections"
    return Row(rule, _DOCS, not failed, f"{made}; failed: {first_three(failed, ', ')}" if failed else made, why)


def _untranslated(attempts: Attempts) -> Row:
    answered = [(a, b, reply.saw) for a, b, reply in attempts if reply.ok and isinstance(a, AnyPod)]
    changed = [f"{a.name} → {b.name}: arrived as {saw}" for a, b, saw in answered if saw not in _addresses_of(a)]
    return Row(
        "no-nat",
        _DOCS,
        bool(answered) and not changed,
        first_three(changed)
        or (f"{len(answered)} source addresses, none changed" if answered else "no connection to look at"),
        "Logs, policies and replies work with the pod's own address.",
    )


def _addresses_of(namespace: Namespace) -> tuple[str, ...]:
    assert isinstance(namespace, AnyPod)
    return addresses(namespace)


def _same(pods: Sequence[AnyPod], attempts: Attempts) -> Row:
    outside: dict[str, set[str]] = defaultdict(set)
    for source, _, reply in attempts:
        if reply.saw:
            outside[source.name].add(reply.saw)
    wrong = []
    for pod in pods:
        inside = addresses(pod)
        seen = outside[pod.name] | {pod.address}
        if not seen <= set(inside):
            wrong.append(f"{pod.name}: inside {', '.join(inside) or 'no address'}, outside {', '.join(sorted(seen))}")
    return Row(
        "same-ip",
        _CLASSIC,
        not wrong,
        first_three(wrong) or f"{len(pods)} pods look the same from inside and outside",
        "A pod can tell others its own address, as databases and brokers do.",
    )
