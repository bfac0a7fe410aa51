"""BGP as Calico uses it: on each node a router, BIRD, that tells all others which pods live there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from labhelpers.errors import AlreadyExists, BadInput, NotFound, TimedOut
from labhelpers.lab import Lab, Node
from labhelpers.linux import process
from labhelpers.linux.records import Route, Rows
from labhelpers.networks import bird
from labhelpers.networks.route.carrier import Carrier, Leg
from labhelpers.networks.route.ip_in_ip import IpInIp
from labhelpers.networks.route.other import Other

__all__ = ["Bgp", "BgpOverIpInIp"]

_GRACEFUL = 120  # seconds, Calico's


class Bgp(Carrier):
    """A BIRD on each node, and a session between every two of them: a full mesh of autonomous system 64512.

    Each tells the others its node's block, and puts what it hears into the kernel's routing table, marked
    ``proto bird``.  Packets travel as with host-gw.  A second or two pass before everybody has heard of everybody:
    ``wait`` waits for that.  With more than 32 nodes the kernel's table of neighbours is full, and it takes minutes.

    Args:
        lab: a lab of two nodes or more.
        nodes: these nodes only.
        hold_time: seconds without a word after which a peer counts as gone.
        bfd: ask each peer five times a second whether it lives, besides.
        graceful_restart: seconds for which the routes of a BIRD that was killed are kept; 0: they go at once.

    Raises (besides what every carrier raises):
        ToolMissing: BIRD is not installed.

    Source: RFC 4271; https://docs.tigera.io/calico/latest/networking/configuring/bgp ("full-mesh").
    Shell: ``bird -c /run/bird/bird.cfg`` on each node; then ``birdc show protocols``, ``ip route show proto bird``.
    """

    name = "BGP"
    overhead = 0
    device = "eth0"
    needs = frozenset({"bird"})
    way = "real BIRD on each node; its routes are plain ones, and nothing is wrapped"
    _tunnel = ""

    def __init__(
        self,
        lab: Lab,
        *,
        nodes: Sequence[Node] | None = None,
        hold_time: int = 240,
        bfd: bool = False,
        graceful_restart: int = 0,
    ) -> None:
        self._configuration = bird.Configuration(hold_time, bfd, graceful_restart, self._tunnel)
        super().__init__(lab, nodes=nodes)

    @classmethod
    def for_agent(cls) -> Bgp:
        """See ``Carrier.for_agent``.  Routes outlive a BIRD that was killed, as in Calico."""
        self = super().for_agent()
        self._configuration = bird.Configuration(graceful_restart=_GRACEFUL, tunnel=cls._tunnel)
        return self

    # --- what it does on a node -------------------------------------------------------------------------------------

    def _join(self, node: Node) -> None:
        process.end(process.find(node.inode, "bird"))  # ours, if it does not answer any more: see _require_free
        # with those it knew: a BIRD that begins with nobody takes the routes away that an earlier one has left
        bird.start(node, self._configuration, bird.peers(node))

    def _has_joined(self, node: Node) -> bool:
        return super()._has_joined(node) and bird.is_running(node)

    def _learn(self, node: Node, peers: Sequence[Other]) -> None:
        known = bird.peers(node)
        wanted = known | {peer.address for peer in peers}
        if wanted != known:
            bird.configure(node, self._configuration, wanted)

    def _forget(self, node: Node, peers: Sequence[Other]) -> None:
        known = bird.peers(node)
        wanted = known - {peer.address for peer in peers}
        if wanted != known:
            with suppress(NotFound, TimedOut):  # it has died, and its file says what it is to know
                bird.configure(node, self._configuration, wanted)
        bird.drop_routes(node, [peer.pod_cidr for peer in peers])

    def _forget_all_but(self, node: Node, peers: Sequence[Other]) -> None:
        addresses = {peer.address for peer in peers}
        if bird.peers(node) - addresses:
            bird.configure(node, self._configuration, addresses)
        wanted = {peer.pod_cidr for peer in peers}
        bird.drop_routes(node, [block for block in self._routes(node) if block not in wanted])

    def _leave(self, node: Node, peers: Sequence[Other]) -> None:
        bird.stop(node)

    def _legs(self, node: Node, peers: Sequence[Other]) -> Iterator[Leg]:
        silent = ""
        found: dict[str, bird.Session] = {}
        try:
            found = {session.peer: session for session in bird.sessions(node)}
        except (NotFound, TimedOut) as error:
            silent = error.what.rstrip(".")
        routes = self._routes(node)
        for peer in peers:
            session, route = found.get(peer.address), routes.get(peer.pod_cidr)
            by, missing = [], [silent] if silent else []
            if session and session.state == "Established":
                by.append(f"session with {peer.address} is Established")
            elif not silent:
                missing.append(_no_session(peer, session))
            if route:
                by.append(f"route via {route.via} dev {route.device} proto bird")
            else:
                missing.append("route proto bird")
            yield Leg(node.name, peer.name, peer.pod_cidr, not missing, "; ".join(by), "; ".join(missing))

    def _routes(self, node: Node) -> dict[str, Route]:
        """What BIRD put into the kernel, by destination."""
        return {
            one.destination: one
            for one in node.routes().where(protocol="bird", table="main", kind="unicast", device=self.device)
        }

    def _require_free(self, node: Node, peers: Sequence[Other], *, has_device: bool = False) -> None:
        if not has_device and process.find(node.inode, "bird"):
            raise AlreadyExists(
                f"A BIRD runs on {node.name} already.",
                "Is there another carrier? Call its clean(), or end it: `birdc down` on the node.",
            )
        super()._require_free(node, peers, has_device=has_device)

    # --- what can be seen of it -------------------------------------------------------------------------------------

    def sessions(self, node: Node) -> Rows[bird.Session]:
        """The sessions of a node, as its BIRD says now.  Changes nothing.  Shell: ``birdc show protocols all``.

        Raises:
            NotFound, TimedOut: its BIRD does not answer.
        """
        self._require_ours(node)
        return Rows(bird.sessions(node), f"BGP sessions of {node.name}")

    def wait_until_withdrawn(self, node: Node, timeout: float = 60) -> float:
        """Wait until no other node's kernel has a route to this node's pods any more.  Changes nothing.

        Args:
            node: one that was told to the carrier; it may be gone.
            timeout: and what is returned and raised, as for ``wait``.
        """
        if not isinstance(node, Node):
            raise BadInput(f"{node!r} is no node.", "Give the node that lab.node(…) returned.")

        def left() -> str:
            others = (one for one in self.nodes if one is not node)
            return next((f"{one.name} has the route" for one in others if node.pod_cidr in self._routes(one)), "")

        return self._until_none(left, timeout)


class BgpOverIpInIp(Bgp, IpInIp):
    """The same, and packets between nodes travel through ``tunl0``: what Calico does by default.

    Shell: as for ``Bgp`` and ``IpInIp``; the routes are ``10.0.2.0/24 via 192.168.1.11 dev tunl0 proto bird onlink``.
    """

    name = "BGP over IPIP"
    overhead = IpInIp.overhead
    device = IpInIp.device
    needs = Bgp.needs | IpInIp.needs
    _tunnel = IpInIp.device

    def __init__(
        self,
        lab: Lab,
        *,
        nodes: Sequence[Node] | None = None,
        hold_time: int = 240,
        bfd: bool = False,
        graceful_restart: int = 0,
    ) -> None:
        super().__init__(lab, nodes=nodes, hold_time=hold_time, bfd=bfd, graceful_restart=graceful_restart)
        self.way = f"real BIRD on each node for the routes; for the packets, {self.way}"

    def _join(self, node: Node) -> None:
        if not IpInIp._has_joined(self, node):
            IpInIp._join(self, node)
        Bgp._join(self, node)  # BIRD is to find the device

    def _has_joined(self, node: Node) -> bool:
        return IpInIp._has_joined(self, node) and bird.is_running(node)

    def _leave(self, node: Node, peers: Sequence[Other]) -> None:
        Bgp._leave(self, node, peers)
        IpInIp._leave(self, node, peers)


def _no_session(peer: Other, session: bird.Session | None) -> str:
    if session is None:
        return f"session with {peer.address}"
    why = f" ({session.error})" if session.error else ""
    return f"session with {peer.address}, which is {session.state}{why}"
