"""What a carrier must do, checked with packets: the network between the nodes, whoever made it.

Source: https://kubernetes.io/docs/concepts/services-networking/ ("The Kubernetes network model") for who must reach
whom, RFC 791 and RFC 768 for how much a packet may hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations, permutations
from typing import TypeVar

from labhelpers.conformance.network import AnyPod, HasNodes, addresses
from labhelpers.conformance.row import Row, first_three
from labhelpers.errors import NotFound
from labhelpers.lab import Lab, Namespace
from labhelpers.linux.delivery import LARGEST_DATAGRAM, Receipt, Receivers, deliver
from labhelpers.linux.records import Rows

__all__ = ["across_nodes"]

_PORT = 8766  # an unlikely one, and not that of network_model
_PATIENCE = 0.5  # seconds for one byte; an answer inside one machine takes less than a millisecond
#: seconds for 64 KiB, which a program in user space carries too; a datagram is sent again after it, twice at most,
#: because the first that is too long for the way only tells its sender so
_PATIENCE_WITH_MUCH = {"TCP": 2.0, "UDP": 0.7}
_DOCS = "Kubernetes docs, network model"
#: around every size at which a carrier could stumble: one packet with each header, two, and many
_SIZES = (1, 512, 1372, 1400, 1422, 1452, 1472, 1473, 1500, 2960, 9000, 32768)
_TCP_SIZES = (*_SIZES, 65536)
_UDP_SIZES = (*_SIZES, LARGEST_DATAGRAM)

Pair = tuple[Namespace, AnyPod]
Result = TypeVar("Result")


def across_nodes(lab: HasNodes, *, pods: Sequence[AnyPod] | None = None) -> Rows[Row]:
    """Send bytes from every pod, and every node, to every pod of another node, and compare what arrives.

    While it runs, each pod has a TCP and a UDP socket more, on port 8766.

    Args:
        lab: with pods on two nodes or more; a carrier, or routes made by hand, connects them.
        pods: these instead, such as those that a CNI runtime made.

    Returns:
        one row a rule: ``pod-to-pod``, ``no-nat``, ``node-to-pod``, ``tcp-sizes``, ``udp-sizes``.  The last two are
        tried with one pod of each node, from 1 byte to 64 KiB.

    Raises:
        NotFound: no two nodes have pods.
        AlreadyExists: something uses the port in a pod.
    """
    if pods is None:
        pods = lab.pods if isinstance(lab, Lab) else ()
    firsts = tuple({pod.node.name: pod for pod in reversed(pods)}.values())[::-1]
    if len(firsts) < 2:
        raise NotFound(
            "This is about pods of different nodes, and no two nodes of this lab have pods.",
            "checkpoint('06') makes two nodes with two pods each.",
        )
    away = [(a, b) for a, b in permutations(pods, 2) if a.node is not b.node]
    agents = [(node, pod) for node in lab.nodes for pod in pods if pod.node is not node]
    with Receivers([pod._kernel for pod in pods], _PORT):
        # a tunnel agrees on keys when the first packet comes; where both ends begin at once, that takes it seconds
        _side_by_side(_one_byte, combinations(firsts, 2))
        between = _side_by_side(_one_byte, away)
        from_nodes = _side_by_side(_one_byte, agents)
        between_firsts = list(permutations(firsts, 2))
        tcp = _side_by_side(_growing("TCP", _TCP_SIZES), between_firsts)
        udp = _side_by_side(_growing("UDP", _UDP_SIZES), between_firsts)
    return Rows(
        [
            _reached("pod-to-pod", between, "Every pod can reach every pod of another node, in both directions."),
            _untranslated(between),
            _reached("node-to-pod", from_nodes, "What runs on a node itself reaches the pods of other nodes too."),
            _carried("tcp-sizes", "RFC 9293", tcp, "A carrier that makes packets longer must still carry long ones."),
            _carried(
                "udp-sizes", "RFC 768", udp, "A datagram is carried whole, if need be in fragments, or not at all."
            ),
        ],
        "the network between the nodes",
    )


def _side_by_side(job: Callable[[Pair], Result], pairs: Iterable[Pair]) -> list[tuple[Pair, Result]]:
    """So that a broken network costs one time limit and not one per pair."""
    wanted = list(pairs)
    with ThreadPoolExecutor(8) as pool:
        return list(zip(wanted, pool.map(job, wanted), strict=True))


def _one_byte(pair: Pair) -> Receipt:
    source, target = pair
    return deliver(source._kernel, target.address, _PORT, "TCP", b"\x06", timeout=_PATIENCE)


def _growing(protocol: str, sizes: tuple[int, ...]) -> Callable[[Pair], list[tuple[int, Receipt]]]:
    """Send more and more bytes; the first size that does not arrive is the last one tried."""

    def job(pair: Pair) -> list[tuple[int, Receipt]]:
        source, target = pair
        done = []
        for size in sizes:
            data = _bytes(f"{source.name} {target.name} {protocol}", size)
            receipt = deliver(
                source._kernel, target.address, _PORT, protocol, data, timeout=_PATIENCE_WITH_MUCH[protocol]
            )
            done.append((size, receipt))
            if not receipt.ok:
                break
        return done

    return job


def _bytes(seed: str, size: int) -> bytes:
    """Bytes without a pattern, the same in every run."""
    return hashlib.shake_128(seed.encode()).digest(size)


def _reached(rule: str, attempts: list[tuple[Pair, Receipt]], why: str) -> Row:
    failed = [f"{a.name} → {b.name}" for (a, b), receipt in attempts if not receipt.ok]
    made = f"{len(attempts) - len(failed)} of {len(attempts)} connections"
    return Row(rule, _DOCS, not failed, f"{made}; failed: {first_three(failed, ', ')}" if failed else made, why)


def _untranslated(attempts: list[tuple[Pair, Receipt]]) -> Row:
    arrived = [(a, b, receipt.saw) for (a, b), receipt in attempts if receipt.ok]
    changed = [
        f"{a.name} → {b.name}: arrived as {saw}"
        for a, b, saw in arrived
        if not (isinstance(a, AnyPod) and saw in addresses(a))
    ]
    seen = f"{len(arrived)} source addresses, none changed" if arrived else "no connection to look at"
    return Row(
        "no-nat",
        _DOCS,
        bool(arrived) and not changed,
        first_three(changed) or seen,
        "The receiver sees the pod's own address, not its node's.",
    )


def _carried(rule: str, source: str, attempts: list[tuple[Pair, list[tuple[int, Receipt]]]], why: str) -> Row:
    failed = []
    for (a, b), done in attempts:
        size, last = done[-1]
        if not last.ok:
            failed.append(f"{a.name} → {b.name}: {_bytes_of(size)}: {last.error}")
    count = sum(receipt.ok for _, done in attempts for _, receipt in done)
    seen = f"{count} payloads of 1 to {max(size for _, done in attempts for size, _ in done)} bytes"
    return Row(rule, source, not failed, first_three(failed) or seen, why)


def _bytes_of(size: int) -> str:
    return "1 byte" if size == 1 else f"{size} bytes"
