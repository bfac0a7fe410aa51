"""``HttpPolicy``: requests to one port of a pod go through a proxy on its node, which lets only some of them pass."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from labhelpers.errors import AlreadyExists, BadInput, KernelFeatureMissing, LabError, NotFound, Vanished
from labhelpers.linux import nft_library, process, tproxy
from labhelpers.linux.interrupt import held
from labhelpers.linux.records import Rows
from labhelpers.linux.told import FOLDER
from labhelpers.networks.cilium.proxies import PREFIX, hand_over
from labhelpers.networks.http_policy.rules import HttpRule, read_rules
from labhelpers.networks.policy.world import HasObjects, World

if TYPE_CHECKING:
    from labhelpers.cni import CniPod
    from labhelpers.lab import Node, Pod

__all__ = ["HttpPolicy", "Proxied"]

_PROGRAM = "labhelpers.networks.http_policy.program"
_PORTS = range(15001, 15101)  # on 127.0.0.1 of the node; Cilium's proxies are at such ports, too
_TAKEN = "address already in use"
_PATIENCE = 10.0  # seconds: a process that was killed may have its sockets a moment longer


class HasPods(HasObjects, Protocol):
    """What knows the API's objects and has nodes, such as a cluster."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Its nodes."""


@dataclass(frozen=True, slots=True)
class Proxied:
    """One line of a policy's counters."""

    what: str
    packets: int


class HttpPolicy:
    """Let only some requests reach a port of a pod: ``HttpPolicy(web, 80, [{"method": "GET", "path": "/public/.*"}])``.

    The node's firewall gives connections to that port to a proxy on the node, which stands for the Envoy that Cilium
    runs for this.  The pod still sees its client's address.  Each request is judged by itself, also if many come on
    one connection, and told of in the flow log (``observe``).  What the proxy cannot read beyond doubt, it refuses.
    While it does not run, connections are refused: nothing passes that nobody has judged.

    NetworkPolicies are not asked about these connections, because the node does not forward them; say with ``from_``
    who may connect at all.  What the node itself sends to its pod is not judged, so that the kubelet can probe it.

    Args:
        pod: a pod on a node; or, of a cluster, its name: ``"shop/web"``.
        port: 1 to 65535.
        rules: dictionaries with ``method``, ``path``, ``host``, as in the ``http`` part of a CiliumNetworkPolicy; see
            :mod:`labhelpers.networks.http_policy.rules`.  An empty list allows nothing.
        from_: pods, addresses or blocks; all others cannot connect.  Everybody by default.
        cluster: the one that a pod is named in.

    Raises:
        NotFound: the cluster has no such pod with an address.
        BadInput: a rule or a port that is none; or a bridge passes packets to the pod that the node never sees.
        AlreadyExists: this port of this pod has such a policy.
        KernelFeatureMissing: the firewall of this kernel has no ``tproxy``.
        ToolMissing, Vanished: nothing is left of the attempt.

    Shell: ``nft add rule … tcp dport PORT tproxy to 127.0.0.1:15001 meta mark set 0x200 accept``,
    ``ip rule add priority 9 fwmark 0x200/0xf00 lookup 2004``, ``ip route add local default dev lo table 2004``.
    """

    def __init__(
        self,
        pod: Pod | CniPod | str,
        port: int,
        rules: Iterable[Mapping[str, str]],
        *,
        from_: Iterable[Pod | CniPod | str] | None = None,
        cluster: HasPods | None = None,
    ) -> None:
        if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65535:
            raise BadInput(f"{port!r} is not a TCP port.", "Use a whole number from 1 to 65535.")
        self.node, self.address = _place(pod, cluster)
        self.port = port
        self.rules: tuple[HttpRule, ...] = read_rules(rules)
        self.clients = None if from_ is None else tuple(sorted(map(_block, from_)))
        self._entries = [dict(_words(one)) for one in self.rules]
        #: also that of its socket in the node's /run/flows
        self.name = f"http-{self.address}-{port}"
        self._table = f"ip {PREFIX}{self.address.replace('.', '_')}_{port}"
        self._pid = 0
        self._install()

    def _install(self) -> None:
        _require_that_the_node_sees_all(self.node, self.address)
        if nft_library.listing(self.node._kernel, self._table):
            raise AlreadyExists(
                f"Port {self.port} of {self.address} has an HTTP policy already.", "Call that one's clean() first."
            )
        with held(), ExitStack() as undo:
            undo.callback(self.clean)
            own = self._start()
            with self.node._kernel.changes() as changes:
                if not tproxy.delivers_here(changes.socket):
                    tproxy.deliver_here(changes)
            try:
                nft_library.load(self.node._kernel, self._firewall(own))
            except BadInput as error:
                raise KernelFeatureMissing(
                    f"The firewall of this kernel cannot hand connections to a proxy: {error.what}",
                    "It needs nft_tproxy and nft_socket: `sudo modprobe nft_tproxy nft_socket` outside the sandbox.",
                ) from None
            hand_over(self.node)
            undo.pop_all()

    def _start(self, port: int = 0) -> int:
        """Start the proxy; returns its port on 127.0.0.1, the lowest that is free."""
        rules = json.dumps(self._entries)
        end = time.monotonic() + _PATIENCE
        for one in itertools.repeat(port) if port else _PORTS:
            done = self.node.run([sys.executable, "-I", "-m", _PROGRAM, self.name, str(one), rules])
            if done.ok:
                self._pid = int(done.stdout)
                return one
            if _TAKEN not in done.stderr or time.monotonic() > end:
                break
        raise LabError(f"The proxy on {self.node.name} did not start: {done.stderr.strip()}", "Run doctor().")

    def _firewall(self, own: int) -> str:
        """What is not handed over, because nobody listens any more, comes to the last rule: closed, not open."""
        table = self._table
        to_pod = f"ip daddr {self.address} tcp dport {self.port}"
        clients = ""
        if self.clients is not None:
            # an empty set cannot be written: nobody is what is not in a block and in none
            others = f"ip saddr != {{ {', '.join(self.clients)} }} " if self.clients else ""
            clients = f'    {to_pod} {others}counter drop comment "who may not connect"\n'
        return (
            f"table {table} {{\n  chain to-proxy {{\n"
            "    type filter hook prerouting priority mangle; policy accept;\n"
            f"    meta l4proto tcp socket transparent 1 meta mark set {tproxy.MARK:#x} accept\n"
            f"{clients}"
            f"    {to_pod} tproxy to 127.0.0.1:{own} meta mark set {tproxy.MARK:#x} counter accept "
            'comment "to the proxy"\n'
            f'    {to_pod} counter reject with tcp reset comment "the proxy does not run"\n'
            "  }\n}"
        )

    @property
    def running(self) -> bool:
        """Does the proxy run?  If not, connections are refused until ``restart``."""
        return any(pid == self._pid for pid, _ in self._processes())

    def restart(self) -> None:
        """Start the proxy again if it does not run, at the port that the firewall hands connections to.

        The process that speaks is started again by itself; this is for when both were killed.
        """
        if self.running:
            return
        for part in nft_library.parsed(self.node._kernel, self._table):
            for one in (part.get("rule") or {}).get("expr", ()):
                if "tproxy" in one:
                    with held():
                        self._start(int(one["tproxy"]["port"]))
                    return
        raise Vanished("The rules that hand connections to the proxy are gone.", "Make the policy again.")

    def counters(self) -> Rows[Proxied]:
        """Packets that the firewall gave to the proxy, and those that it refused.  Changes nothing.

        Shell: ``nft list table ip http_policy_ADDRESS_PORT``.
        """
        rows = [
            Proxied(rule["comment"], next(one["counter"]["packets"] for one in rule["expr"] if "counter" in one))
            for part in nft_library.parsed(self.node._kernel, self._table)
            if (rule := part.get("rule")) and rule.get("comment")
        ]
        return Rows(rows, f"packets to {self.address}, port {self.port}")

    def clean(self) -> None:
        """End the proxy, and take its rules away.  That they are gone already is no error.

        Shell: ``kill PID``, ``nft delete table …``.
        """
        with held(), suppress(Vanished):
            kernel = self.node._kernel
            nft_library.load(kernel, f"add table {self._table}\ndelete table {self._table}")
            hand_over(self.node)
            process.end([pid for pid, _ in self._processes()])
            Path(f"{self.node.root}{FOLDER}/{self.name}.sock").unlink(missing_ok=True)
            others = nft_library.tables(kernel, "ip")
            with kernel.changes() as changes:
                if tproxy.delivers_here(changes.socket) and not any(one.startswith(PREFIX) for one in others):
                    tproxy.deliver_no_more(changes)

    def _processes(self) -> list[tuple[int, str]]:
        """The proxy's two processes, as the kernel says: those in the node whose command line is this policy's."""
        found = []
        for pid, inode in process.namespaces_of_processes():
            if inode == self.node.inode:
                with suppress(OSError):  # it has ended
                    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                    if _PROGRAM.encode() in words and self.name.encode() in words:
                        found.append((pid, self.name))
        return found

    def __enter__(self) -> HttpPolicy:
        return self

    def __exit__(self, *_: object) -> None:
        self.clean()

    def __repr__(self) -> str:
        rules = "; ".join(map(str, self.rules)) or "no request"
        state = "" if self.running else ", and the proxy does not run: connections are refused"
        return f"<HttpPolicy for port {self.port} of {self.address}: {rules}{state}>"


def _place(pod: Pod | CniPod | str, cluster: HasPods | None) -> tuple[Node, str]:
    """The pod's node and its address."""
    if not isinstance(pod, str):
        return pod.node, pod.address
    if cluster is None:
        raise BadInput(f"{pod!r} is a name, and no cluster was named.", "Write HttpPolicy(…, cluster=cluster).")
    world = World(cluster.objects())
    known = world.pod(pod if "/" in pod else f"default/{pod}")
    node = next((one for one in cluster.nodes if known and one.name == known.node), None)
    if known is None or node is None:
        there = ", ".join(map(str, world.pods)) or "none"
        raise NotFound(f"There is no pod {pod!r} with an address of its own on a node.", f"Pods: {there}.")
    return node, known.address


def _words(rule: HttpRule) -> list[tuple[str, str]]:
    return [(name, getattr(rule, name)) for name in ("method", "path", "host") if getattr(rule, name)]


def _block(who: Pod | CniPod | str) -> str:
    """An address or a block, as nft writes it."""
    text = who if isinstance(who, str) else who.address
    try:
        return str(IPv4Network(text, strict=False)) if "/" in text else str(IPv4Address(text))
    except (AddressValueError, ValueError):
        raise BadInput(f"{text!r} is no address and no block of them.", "Name a pod, or write 10.0.1.0/24.") from None


def _require_that_the_node_sees_all(node: Node, address: str) -> None:
    """A bridge whose ports are not isolated takes packets to the pod from its neighbours, past the node's firewall."""
    links = node.links()
    for bridge in links:
        if bridge.kind != "bridge" or not any(_contains(one, address) for one in bridge.addresses):
            continue
        for port in links:
            if port.master == bridge.name and ("isolated", "on") not in port.details:
                raise BadInput(
                    f"The bridge {bridge.name} of {node.name} passes packets to {address} that the node never sees.",
                    "Call through_the_node(node) of labhelpers.networks.policy first, or use a routed network.",
                )


def _contains(interface: str, address: str) -> bool:
    with suppress(ValueError):
        return ip_address(address) in IPv4Network(interface, strict=False)
    return False
